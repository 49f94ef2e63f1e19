"""FLAMES as a whole on a device: decisions at 1280x800, ticks of its memory, training on events."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longspike.events import EVENT_DTYPE
from longspike.events.ragged import collate_events
from longspike.kernels.sa_hippo import sa_hippo
from longspike.layers.memory_block import THRESHOLD
from longspike.models import Flames

Milliseconds = Callable[..., dict[str, float]]
SENSOR = (1280, 800)
PUBLISHED = {
    "tiny_ms": 0.162,
    "small_ms": 0.582,
    "normal_ms": 1.867,
    "what": "arXiv 2504.01257: latency on CeleX-HAR (1280x800) on an A100; which work it holds is not stated",
}


def packets(sensor_size: tuple[int, int], count: int, events: int, rate_hz: float = 1e6) -> list[np.ndarray]:
    """`count` packets of `events` noise events each, one after the other in time: the worst case, no two places alike."""
    rng = np.random.default_rng(0)
    n = count * events
    all_events = np.empty(n, EVENT_DTYPE)
    all_events["x"], all_events["y"] = (rng.integers(0, side, n) for side in sensor_size)
    all_events["t"], all_events["p"] = (np.arange(n) * (1e6 / rate_hz)).astype(np.int64), rng.integers(0, 2, n)
    return np.split(all_events, count)


def _network(preset: str, sensor_size: tuple[int, int], step_us: int, device: torch.device) -> Flames:
    """An untrained network whose first weights are scaled up so that it fires."""
    torch.manual_seed(0)
    model = Flames.from_preset(preset, sensor_size=sensor_size, num_classes=11, step_us=step_us).eval()
    with torch.no_grad():
        model.fronts[0].weight.mul_(3)  # type: ignore[operator, union-attr]
    return model.to(device)


def decision_latency(
    device: torch.device,
    presets: tuple[str, ...] = ("tiny", "small", "normal"),
    sensor_size: tuple[int, int] = SENSOR,
    *,
    events: int = 500,
    rounds: int = 50,
) -> dict[str, Any]:
    """Wall time from a packet of events in host memory to logits in host memory, the network's state carried along.

    A packet is one step of the network: `events` events at a million a second. In it are the copy to the device, the
    plan of rows (sorting), the front, the pooling, the tick of the memory, the read-out and the copy of the logits back.
    """
    found: dict[str, Any] = {"published": PUBLISHED, "events_a_packet": events}
    for preset in presets:
        model, state, times = _network(preset, sensor_size, events, device), None, []
        rows = ticks = 0
        with torch.inference_mode():
            for packet in packets(sensor_size, rounds + 10, events):
                start = time.perf_counter()
                output = model.outputs(collate_events([packet]).to(device), state)
                output.logits.cpu()
                times.append(1e3 * (time.perf_counter() - start))
                state = output.state
                rows, ticks = rows + output.activity[0].num_updates, ticks + len(output.ticks.step)
        measured = sorted(times[10:])
        found[preset] = {
            "median_ms": statistics.median(measured),
            "p99_ms": measured[int(0.99 * (len(measured) - 1))],
            "front_updates_a_packet": rows / len(times),
            "ticks_a_packet": ticks / len(times),
        }
    return found


def memory_tick(model: Flames, device: torch.device) -> Callable[[], Tensor]:
    """One tick of the memory stack from its input to logits, as a captured graph on a GPU; its gap is known beforehand."""
    gap, blocks = torch.ones(1, device=device), list(model.blocks)
    index, offsets = torch.zeros(1, dtype=torch.int64, device=device), torch.tensor([0, 1], device=device)
    u = torch.randn(1, model.config.memory.d_model, device=device)
    tables = [block.memory.tables(gap, torch.float32) for block in blocks]  # type: ignore[union-attr, operator]
    states = [block.init_state(1) for block in blocks]  # type: ignore[operator]
    total = torch.zeros_like(u)

    def tick() -> Tensor:
        x = u
        for block, rows, state in zip(blocks, tables, states, strict=True):
            memory = block.memory
            parameters: Any = (memory.dynamics(torch.float32).r, memory.C, memory.D)  # type: ignore[union-attr, operator]
            y, end = sa_hippo(x, index, offsets, rows, *parameters, state, method="recurrent")
            state.copy_(end)
            x = block.norm(x + block.mix((y > THRESHOLD).to(y.dtype)))  # type: ignore[operator]
        total.add_(x)
        return model.decoder(total)

    if device.type != "cuda":
        return tick
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            tick()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = tick()

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay


def tick_latency(
    device: torch.device,
    milliseconds: Milliseconds,
    presets: tuple[str, ...] = ("tiny", "small", "normal"),
    sensor_size: tuple[int, int] = SENSOR,
) -> dict[str, Any]:
    """Device time of one tick of the memory stack and the read-out, without the front: not the published work."""
    found: dict[str, Any] = {}
    for preset in presets:
        with torch.inference_mode():
            found[preset] = milliseconds(memory_tick(_network(preset, sensor_size, 500, device), device), rounds=50)
    return found


def event_training(
    device: torch.device,
    milliseconds: Milliseconds,
    presets: tuple[str, ...] = ("tiny", "normal"),
    *,
    batch: int = 8,
    events: int = 20_000,
    sensor_size: tuple[int, int] = (128, 128),
) -> dict[str, Any]:
    """A training step of FLAMES on recordings of noise; the front by Triton's kernels, and Tiny's by the reference too.

    The reference keeps every row's branches several times: too much memory for the larger ones.
    """
    recordings = collate_events(packets(sensor_size, 1, events, 2e4) * batch).to(device)
    labels = torch.randint(0, 11, (batch,), device=device)
    found: dict[str, Any] = {}
    for preset in presets:
        model = _network(preset, sensor_size, 1000, device).train()
        for method in ("auto", "reference") if preset == "tiny" else ("auto",):
            model.fronts[0].method = method  # type: ignore[union-attr, assignment]

            def step(model: Flames = model) -> None:
                model.zero_grad()
                logits = model.outputs(recordings, keeps_state=False).logits
                torch.nn.functional.cross_entropy(logits, labels).backward()

            found[f"{preset}, front {method}"] = milliseconds(step, rounds=3)
    return found

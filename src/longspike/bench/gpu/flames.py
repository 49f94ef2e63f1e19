"""FLAMES on a device: agreement of its routes and networks with the CPU, training, and the list of all parts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspike.bench.gpu.flames_decisions import decision_latency, event_training, tick_latency
from longspike.bench.gpu.flames_kernels import front_kernels, memory_kernels
from longspike.bench.gpu.flames_speed import fla_speed, front_speed, memory_speed
from longspike.events import EVENT_DTYPE
from longspike.events.ragged import collate_events
from longspike.models import Flames, FlamesSequence
from longspike.models.flames_presets import flames_presets, flames_sequence_preset
from longspike.nn import SAHippo
from longspike.recipes import recipe, run

ROUTES = {"chunked": False, "reference": False, "fft": True}  # whether a route needs equal gaps
TASKS = {"scifar": (50, 1024, 3), "cifar10-patches": (100, 16, 192)}  # batch, seqlen, d_input
RECIPE = "cifar10-patches-full"
Milliseconds = Callable[..., dict[str, float]]


def _relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got.cpu() - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


def memory_parity(device: torch.device) -> dict[str, float]:
    """Largest relative errors of outputs and gradients of every route on `device` against the CPU's own choice."""
    torch.manual_seed(0)
    found = {}
    offsets, u = torch.tensor([0, 150, 150, 331]), torch.randn(331, 48)
    gaps = torch.randint(1, 9, (331,)).float()
    routes = ROUTES | ({"recurrent": False} if device.type == "cuda" else {})
    for route, needs_equal_gaps in routes.items():
        delta = torch.ones(331) if needs_equal_gaps else gaps
        layer = SAHippo(48, d_state=16, rank=8, num_heads=3, input="held")
        twin = SAHippo(48, d_state=16, rank=8, num_heads=3, input="held", method=route).to(device)
        twin.load_state_dict(layer.state_dict())
        y, state = layer(u, delta, offsets)
        z, end = twin(u.to(device), delta.to(device), offsets.to(device))
        (y.sin().sum() + state.sum()).backward()
        (z.sin().sum() + end.sum()).backward()
        found[f"sa_hippo {route}: output"] = _relative(z.detach(), y.detach())
        found[f"sa_hippo {route}: state"] = _relative(end.detach(), state.detach())
        for (name, a), b in zip(layer.named_parameters(), twin.parameters(), strict=True):
            if a.grad is not None and b.grad is not None:
                found[f"sa_hippo {route}: gradient of {name}"] = _relative(b.grad, a.grad)
    return found


def some_events(sensor_size: tuple[int, int], num_events: int, seed: int) -> np.ndarray:
    """Events anywhere on a sensor, 20 microseconds apart."""
    rng = np.random.default_rng(seed)
    events = np.empty(num_events, EVENT_DTYPE)
    events["x"], events["y"] = (rng.integers(0, side, num_events) for side in sensor_size)
    events["t"], events["p"] = np.arange(num_events) * 20, rng.integers(0, 2, num_events)
    return events


def network_parity(device: torch.device) -> dict[str, Any]:
    """Spikes that differ, and the logits' error, of FLAMES over events on `device` against the CPU.

    The arithmetic rounds differently, so a membrane near the threshold may fire on one side alone.
    """
    torch.manual_seed(0)
    model = Flames.from_preset("tiny", sensor_size=(61, 47), num_classes=5).eval()
    with torch.no_grad():
        model.fronts[0].weight.mul_(3)  # type: ignore[operator, union-attr]
    events = collate_events([some_events((61, 47), n, seed=n) for n in (2000, 0, 700)])
    with torch.inference_mode():
        truth = model.outputs(events)
        found = model.to(device).outputs(events.to(device))
    front, true_front = found.front[-1].values.cpu(), truth.front[-1].values
    return {
        "flames: front spikes": int(true_front.sum()),
        "flames: front spikes that differ": int((front != true_front).sum()),
        "flames: logits, relative error": _relative(found.logits, truth.logits),
    }


def training_steps(
    device: torch.device, milliseconds: Milliseconds, tasks: tuple[str, ...] = tuple(TASKS)
) -> list[Any]:
    """A training step of every FLAMES size on sequences of the published tasks, by every route of the memory."""
    rows = []
    for task in tasks:
        batch, seqlen, d_input = TASKS[task]
        x, labels = torch.randn(batch, seqlen, d_input, device=device), torch.randint(0, 10, (batch,), device=device)
        for name in flames_presets():
            for route in ("recurrent", "chunked", "fft"):
                model = FlamesSequence(flames_sequence_preset(name, d_input=d_input, num_classes=10)).to(device)
                for block in model.blocks:
                    block.memory.method = route  # type: ignore[union-attr, assignment]

                def step(model: FlamesSequence = model, x: torch.Tensor = x, labels: torch.Tensor = labels) -> None:
                    model.zero_grad()
                    torch.nn.functional.cross_entropy(model(x)[0], labels).backward()

                row = {"network": f"flames {name}", "task": task, "route": route, "batch": batch, "seqlen": seqlen}
                rows.append({**row, **milliseconds(step, rounds=3)})
                print(rows[-1], flush=True)
    return rows


def parts(device: torch.device, milliseconds: Milliseconds) -> dict[str, Callable[[], Any]]:
    """What can be asked of FLAMES on a device, each part on its own: parity first."""
    return {
        "flames_kernels": lambda: {**memory_kernels(device), **front_kernels(device)},
        "flames_routes": lambda: memory_parity(device),
        "flames_network": lambda: network_parity(device),
        "flames_memory_speed": lambda: memory_speed(device, milliseconds),
        "flames_memory_peer": lambda: fla_speed(device, milliseconds),
        "flames_front_speed": lambda: front_speed(device, milliseconds),
        "flames_decision_latency": lambda: decision_latency(device),
        "flames_tick_latency": lambda: tick_latency(device, milliseconds),
        "flames_event_training": lambda: event_training(device, milliseconds),
        "flames_training_step": lambda: training_steps(device, milliseconds),
    }


def train_recipe(run_dir: Path, *, epochs: int | None, data_root: Path | None = None) -> dict[str, Any]:
    """Train the recipe of the published size (all of its epochs for None) and score it on the test set."""
    chosen = recipe(RECIPE)
    if epochs is not None:
        chosen = replace(chosen, training=replace(chosen.training, epochs=epochs))
    result = run(chosen, run_dir=run_dir, overwrite=True, data_root=data_root)
    return {"recipe": RECIPE, "epochs": chosen.training.epochs, "test_accuracy": result.test.accuracy}

"""FLAMES networks that spike, of every kind and odd sizes, and what a batch and a stream say about the same events."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from event_samples import random_events
from longspike.events.ragged import collate_events
from longspike.events.record import LATEST_TIME_US
from longspike.models import Flames, FlamesConfig, FlamesOutput, MemoryConfig
from longspike.streaming.event_stream import EventStream, StreamTick

BASE = FlamesConfig(
    sensor_size=(11, 7),
    num_outputs=3,
    step_us=100,
    channels=5,
    num_branches=3,
    stride=1,
    tau_min_us=50,
    tau_max_us=5000,
    tau_soma_us=300,
    memory=MemoryConfig(d_model=6, num_layers=2, d_state=4, rank=2, dt_min=0.01, dt_max=0.5),
)


def changed(memory: dict[str, Any] | None = None, **changes: Any) -> FlamesConfig:
    """The base configuration with some fields changed."""
    return replace(BASE, memory=replace(BASE.memory, **(memory or {})), **changes)


CASES = {
    "base": BASE,
    "two fronts": changed({"num_heads": 3, "input": "held"}, num_fronts=2, pool=1, window=2, weighting="time"),
    "three fronts": changed({"structure": "diag", "d_model": 17, "num_heads": 1}, num_fronts=3, channels=17, stride=2),
    "downsampled": changed({"kind": "hippo", "rank": 3}, downsample=2, kernel=2, pool=3, window=4),
    "point neurons": changed({"rank": 0}, front="lif", num_branches=1, kernel=1, stride=3, step_us=1),
    "wide": changed({"d_model": 40, "num_heads": 2, "rank": 4, "d_state": 10}, channels=33, num_branches=17, pool=4),
    "held diagonal": changed({"structure": "diag", "input": "held", "transition": "expm"}, weighting="time", window=3),
    "one of each": changed(
        {"d_model": 1, "num_heads": 1, "d_state": 2, "rank": 1, "num_layers": 1}, channels=1, num_branches=1, window=1
    ),
}


@st.composite
def flames_configs(draw: st.DrawFn) -> FlamesConfig:
    """Small networks of every kind that a stream runs."""
    pick = lambda *choices: draw(st.sampled_from(choices))  # noqa: E731
    heads = pick(1, 2, 3)
    memory = MemoryConfig(
        kind=pick("sa_hippo", "hippo"),
        d_model=heads * pick(1, 3, 5, 17),
        num_heads=heads,
        num_layers=pick(1, 2),
        d_state=pick(4, 6, 10),
        rank=pick(0, 1, 2, 3),
        structure=pick("dplr", "dplr", "diag"),
        input=pick("impulse", "held"),
        dt_min=0.01,
        dt_max=0.5,
    )
    front = pick("dendritic", "dendritic", "lif")
    return replace(
        BASE,
        sensor_size=(draw(st.integers(1, 14)), draw(st.integers(1, 14))),
        num_outputs=pick(1, 4, 19),
        step_us=pick(1, 7, 100),
        front=front,
        channels=pick(1, 3, 5, 16, 18),
        num_branches=1 if front == "lif" else pick(1, 2, 5, 16),
        num_fronts=pick(1, 1, 2, 3),
        downsample=pick(1, 1, 2, 3),
        kernel=pick(1, 2, 3, 5),
        stride=pick(1, 2, 3),
        pool=pick(1, 2, 3),
        window=pick(1, 2, 5),
        weighting=pick("tick", "time"),
        memory=memory,
    )


def network(config: FlamesConfig, seed: int = 3) -> Flames:
    """An untrained network whose weights are so large that every layer spikes now and then."""
    torch.manual_seed(seed)
    model = Flames(config).eval()
    with torch.no_grad():
        for front in model.fronts:
            front.weight.copy_(0.1 + 1.2 * torch.randn_like(front.weight))
            front.g.add_(0.3 * torch.rand_like(front.g))
        for block in model.blocks:
            block.memory.C.mul_(3)
            block.memory.R.add_(0.2 * torch.randn_like(block.memory.R))
            block.norm.weight.add_(0.3 * torch.randn_like(block.norm.weight))
            block.norm.bias.add_(0.3 * torch.randn_like(block.norm.bias))
    return model


def events_for(config: FlamesConfig, num_events: int = 120, *, steps: int = 40, seed: int = 0) -> np.ndarray:
    """Random events over so many steps of the network, from a time on that is no multiple of a step."""
    events = random_events(num_events, config.sensor_size, duration_us=max(1, steps * config.step_us), seed=seed)
    events["t"] += 2 * config.step_us // 3 + seed % 5
    return events


def whole(model: Flames, *samples: np.ndarray) -> FlamesOutput:
    """What the batch says."""
    with torch.no_grad():
        return model.outputs(collate_events(samples, sensor_size=model.config.sensor_size))


def streamed(model: Flames, packets: Sequence[np.ndarray]) -> tuple[EventStream, list[StreamTick]]:
    """A stream after the packets and a flush, and its ticks; like the batch it believes every time."""
    stream = EventStream(model, is_recording=True, max_gap_us=LATEST_TIME_US)
    for packet in packets:
        stream.push(packet)
    stream.flush()
    return stream, stream.take_ticks()


def assert_stream_is_batch(stream: EventStream, ticks: list[StreamTick], batch: FlamesOutput) -> None:
    """Steps, touched cells, front spikes, spikes of every block, counters and logits, all to the bit."""
    found, offsets = batch.ticks, batch.ticks.tick_offsets
    assert [tick.step for tick in ticks] == found.step.tolist()
    for k, tick in enumerate(ticks):
        items = slice(int(offsets[k]), int(offsets[k + 1]))
        assert tick.cells.tolist() == found.cell[items].tolist()
        assert np.array_equal(tick.front, batch.front[-1].values[found.items[items]].numpy())
        assert np.array_equal(tick.spikes, np.stack([spikes[k].numpy() for spikes in batch.spikes]))
    assert stream.counts.spikes == tuple(int(layer.num_spikes) for layer in batch.activity)
    assert stream.counts.updates == tuple(layer.num_updates for layer in batch.activity)
    assert stream.counts.ticks == len(ticks)
    assert torch.equal(stream.logits(), batch.logits[0])
    if ticks:
        assert np.array_equal(ticks[-1].logits, batch.logits[0].numpy())

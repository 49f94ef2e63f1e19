"""The least time an event can take in a FLAMES stream: operations and bytes of its parts over what the machine can do.

A part's time is its operations over the peak of fused multiply-adds, where an addition or a multiplication takes the place
of one, and its bytes of state over the speed at which records of that size are read and written in random order in a table
of the positions that some thousand events touch. A stream that did everything at once would take the larger of the two
sums; one that waits for memory before it computes, their total. Weights are taken as free to read: they lie in a near
cache, where a multiply-add fetches its own.

    python -m longspike.bench.events.roofline --output results/flames_roofline.json

One thread, 1280x800. The limits are measured beside every network; of limits and streams the best round counts. With
--output, the table is written beside the file, as Markdown.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspike.bench.events.sources import moving_edges, network, uniform_noise
from longspike.bench.events.timing import sustained
from longspike.bench.limits import FMA, RECORDS, Limit, fma_limit, record_limit
from longspike.bench.record import command_line, header, printing, write_report
from longspike.models import Flames
from longspike.models.flames_parts import front_grids
from longspike.models.flames_presets import flames_presets
from longspike.streaming import EventStream, StreamCounts

VECTOR = 64  # bytes to which a record's channels are filled up
SIZE, RATE_HZ, SEED, PACKET, NEAR_EVENTS = (1280, 800), 1e6, 0, 65536, 10_000
SOURCES = {"edges": moving_edges, "noise": uniform_noise}
SETTINGS = (*((name, 500) for name in flames_presets()), ("tiny", 1))
PLACE_BYTES, INPUT_BYTES = 16, 12  # of a position's clock and row; of an input noted and arranged


@dataclass(frozen=True)
class Work:
    """What a part does an event: operations (multiply-adds and what takes their place), bytes read and written."""

    operations: float
    num_bytes: float


@dataclass(frozen=True)
class Limits:
    """Of the machine: multiply-adds a second, bytes of records a second."""

    operations_per_s: float
    bytes_per_s: float


def inputs_per_event(model: Flames, events: np.ndarray) -> float:
    """Positions of the first front that an event reaches, on average."""
    config, reached = model.config, np.ones(len(events))
    grid, _ = front_grids(config)[0]
    for axis, size in zip("xy", grid, strict=True):
        at = events[axis].astype(np.int64) // config.downsample + config.kernel // 2
        first = np.maximum(0, -((config.kernel - 1 - at) // config.stride))
        reached *= np.minimum(at // config.stride, size - 1) - first + 1
    return float(reached.mean())


def record_bytes(model: Flames) -> int:
    """A position's branches and membranes in the first front."""
    channels = -(-4 * model.config.channels // VECTOR) * VECTOR
    return (model.config.num_branches + 1) * channels


def work_per_event(model: Flames, counts: StreamCounts, inputs: float) -> dict[str, Work]:
    """The parts of an event's work in a network with one front, from what a stream counted.

    Args: counts: of the stream. inputs: positions an event reaches, see `inputs_per_event`.
    Raises: ValueError for several fronts.
    """
    if len(model.fronts) != 1:
        raise ValueError(f"work_per_event: `model` must have one front; got {len(model.fronts)}.")
    config, memory, events = model.config, model.config.memory, max(counts.events, 1)
    rows = counts.updates[0] / config.channels / events
    ticks, numbers = counts.ticks / events, config.channels * config.num_branches
    pairs, rank = memory.d_state // 2, memory.rank
    of_a_tick = memory.d_model * (pairs * (4 * rank + 16) + rank * rank + 2 * rank)
    mixed = sum(counts.spikes[1:]) / events * memory.d_model
    embedded = counts.spikes[0] / events * memory.d_model  # at most: a window's positions spike once
    return {
        "sorting": Work(0.0, 13 + inputs * (PLACE_BYTES + 2 * INPUT_BYTES)),
        "inputs": Work(inputs * numbers, 0.0),
        "decay and membranes": Work(rows * (2 * numbers + config.channels), 2 * rows * record_bytes(model)),
        "memory": Work(ticks * memory.num_layers * of_a_tick + mixed + embedded, 0.0),
    }


def touched_positions(model: Flames, events: np.ndarray) -> int:
    """About how many positions a run of events touches: the ones that lie below a pixel."""
    side = model.config.downsample * model.config.stride
    return len(np.unique(events["y"].astype(np.int64) // side << 32 | events["x"] // side))


def _best_rate(limit: Limit, rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        limit.run()
        seconds.append(time.perf_counter() - started)
    return limit.work / min(seconds)


def measure_limits(model: Flames, positions: int, *, rounds: int = 25) -> Limits:
    """The best of the rounds, with PyTorch's threads, for a table of so many positions of the model."""
    records = _best_rate(record_limit(positions, record_bytes(model))[RECORDS], rounds)
    return Limits(_best_rate(fma_limit()[FMA], rounds) / 2, records)


def roofline(work: dict[str, Work], limits: Limits, measured_us: float) -> dict[str, float]:
    """Microseconds an event: of every part, of all operations, of all bytes, and shares of the measured time.

    share_overlapped: the larger of the two over the measured time; share_in_turn: their sum over it.
    """
    parts = {
        name: 1e6 * (part.operations / limits.operations_per_s + part.num_bytes / limits.bytes_per_s)
        for name, part in work.items()
    }
    compute = 1e6 * sum(part.operations for part in work.values()) / limits.operations_per_s
    memory = 1e6 * sum(part.num_bytes for part in work.values()) / limits.bytes_per_s
    shares = {
        "share_overlapped": max(compute, memory) / measured_us,
        "share_in_turn": (compute + memory) / measured_us,
    }
    return {**parts, "operations": compute, "bytes": memory, "measured": measured_us, **shares}


def row(name: str, step_us: int, kind: str, num_events: int, rounds: int) -> dict[str, Any]:
    """One network on one source."""
    events = SOURCES[kind](SIZE, num_events, rate_hz=RATE_HZ, seed=SEED)
    model = network(name, SIZE, step_us, events, seed=SEED)
    stream = EventStream(model)
    stream.push(events)
    stream.flush()
    work = work_per_event(model, stream.counts, inputs_per_event(model, events))
    limits = measure_limits(model, touched_positions(model, events[:NEAR_EVENTS]))
    measured = sustained(model, events, packet=PACKET, rounds=rounds)["us_per_event_min_max"][0]
    figures = {key: round(value, 4) for key, value in roofline(work, limits, measured).items()}
    rates = {"gflop_per_s": 2e-9 * limits.operations_per_s, "gb_per_s": 1e-9 * limits.bytes_per_s}
    return {
        "network": name,
        "step_us": step_us,
        "source": kind,
        **figures,
        **{key: round(x, 1) for key, x in rates.items()},
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(r[name]) for name in names] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--quick", action="store_true", help="few events and one round: a check, not a measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    num_events, rounds = (20_000, 1) if arguments.quick else (200_000, 5)
    rows = [row(name, step_us, kind, num_events, rounds) for name, step_us in SETTINGS for kind in SOURCES]
    print(markdown(rows))
    if arguments.output:
        head = header(command_line("longspike.bench.events.roofline"))
        write_report({**head, "unit": "us an event", "rows": rows}, arguments.output)
        arguments.output.with_suffix(".md").write_text(markdown(rows))


if __name__ == "__main__":
    with printing():
        main()

"""Speed, latency and memory of FLAMES on event streams, against PyTorch step by step and the published latency.

    LONGSPIKE_DATA=FOLDER python -m longspike.bench.events --output results/events.json

The networks are untrained; their weights are scaled until every layer fires at about 5 % of its updates, and the rates
that came out stand beside every figure. One thread, unless the part says two. Sources at 1 Mev/s: moving edges, uniform
noise (sources.py says how they are made), and the 1280x720 EVT3 recording under $LONGSPIKE_DATA/events, repeated;
that one also at its own rate, a burst of 25 Mev/s.
Parts: sources, steps, packets, resolution, latency, realtime, threads, file, memory, eager. A shared machine shows in
the spread and in the tail of the latencies.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspike.bench.events import timing
from longspike.bench.events.sources import moving_edges, network, recording, slowed, uniform_noise
from longspike.bench.record import command_line, header, printing, write_report
from longspike.models import Flames
from longspike.models.flames_presets import flames_presets
from longspike.streaming import EventStream

LARGE, RATE_HZ, SEED, PACKET, STEP_US = (1280, 800), 1e6, 0, 65536, 500
SIZES = ((128, 128), (346, 260), (640, 480), (1280, 720), LARGE)
STEPS_US, PACKETS = (1, 100, STEP_US, 1000), (1, 100, 1000, PACKET)
FILE = Path("events") / "expelliarmus_evt3_sample.raw"
PUBLISHED = {
    "network": "FLAMES Tiny",
    "latency_ms": 42.1,
    "machine": "two CPU cores of 2.2 GHz",
    "source": "Chakraborty and Mukhopadhyay 2025, arXiv 2504.01257",
    "remark": "The paper does not say what work one latency covers: how many events, which window, which resolution.",
}


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured: events of a sustained run, its rounds, seconds of a run in real time, eager events."""

    events: int
    rounds: int
    seconds: float
    eager_events: int


FULL = Effort(events=1_000_000, rounds=3, seconds=5.0, eager_events=20_000)
QUICK = Effort(events=60_000, rounds=1, seconds=0.1, eager_events=6000)
Row = dict[str, Any]


@cache
def source(kind: str, sensor_size: tuple[int, int], num_events: int) -> np.ndarray:
    """The events of a source by name."""
    if kind == "recording":
        return recording(data_file(), num_events)[0]
    if kind == "recording, slowed":
        return slowed(source("recording", sensor_size, num_events), RATE_HZ)
    make = {"edges": moving_edges, "noise": uniform_noise}[kind]
    return make(sensor_size, num_events, rate_hz=RATE_HZ, seed=SEED)


@cache
def model_for(name: str, kind: str, sensor_size: tuple[int, int], num_events: int, step_us: int = STEP_US) -> Flames:
    """The network that fires realistically on a source."""
    return network(name, sensor_size, step_us, source(kind, sensor_size, num_events), seed=SEED)


def data_file() -> Path:
    """The recording."""
    return Path(os.environ.get("LONGSPIKE_DATA", "data")) / FILE


def places() -> list[tuple[str, tuple[int, int]]]:
    """The sources on a large sensor; the recording where its file is."""
    found = [("edges", LARGE), ("noise", LARGE)]
    recorded = [("recording", (1280, 720)), ("recording, slowed", (1280, 720))]
    return [*recorded, *found] if data_file().is_file() else found


def _row(name: str, kind: str, size: tuple[int, int], step_us: int, **figures: Any) -> Row:
    return {"network": name, "source": kind, "sensor": f"{size[0]}x{size[1]}", "step_us": step_us, **figures}


def sources(effort: Effort) -> Iterator[Row]:
    """Every network on every source."""
    for name in flames_presets():
        for kind, size in places():
            model, events = model_for(name, kind, size, effort.events), source(kind, size, effort.events)
            figures = timing.sustained(model, events, packet=PACKET, rounds=effort.rounds)
            yield _row(name, kind, size, STEP_US, packet=PACKET, **figures)


def steps(effort: Effort) -> Iterator[Row]:
    """Tiny with steps of different length; with one microsecond nearly every event is a tick of the memory."""
    for step_us in STEPS_US:
        for kind, size in places():
            events = source(kind, size, effort.events)[: effort.events // (5 if step_us == 1 else 1)]
            model = model_for("tiny", kind, size, effort.events, step_us)
            figures = timing.sustained(model, events, packet=PACKET, rounds=effort.rounds)
            yield _row("tiny", kind, size, step_us, packet=PACKET, **figures)


def packets(effort: Effort) -> Iterator[Row]:
    """Tiny with packets of different size: what a call from Python costs."""
    model, events = model_for("tiny", "edges", LARGE, effort.events), source("edges", LARGE, effort.events)
    for packet in PACKETS:
        some = events[: effort.events // (10 if packet == 1 else 1)]
        figures = timing.sustained(model, some, packet=packet, rounds=effort.rounds)
        yield _row("tiny", "edges", LARGE, STEP_US, packet=packet, **figures)


def resolution(effort: Effort) -> Iterator[Row]:
    """Tiny at the same event rate on sensors of different size: the time of an event must not grow with the sensor."""
    for kind in ("edges", "noise"):
        for size in SIZES:
            model, events = model_for("tiny", kind, size, effort.events), source(kind, size, effort.events)
            figures = timing.sustained(model, events, packet=PACKET, rounds=effort.rounds)
            yield _row("tiny", kind, size, STEP_US, packet=PACKET, **figures)


def latency(effort: Effort) -> Iterator[Row]:
    """From the arrival of a step's events, all at once, to the decision."""
    for name in flames_presets():
        for kind, size in places():
            model, events = model_for(name, kind, size, effort.events), source(kind, size, effort.events)
            yield _row(name, kind, size, STEP_US, **timing.latency(model, events))


def realtime(effort: Effort) -> Iterator[Row]:
    """From a step's last event to the decision while events come at their own pace."""
    for name in flames_presets():
        for kind, size in places():
            model, events = model_for(name, kind, size, effort.events), source(kind, size, effort.events)
            yield _row(name, kind, size, STEP_US, **timing.real_time(model, events, seconds=effort.seconds))


def threads(effort: Effort) -> Iterator[Row]:
    """One stream, then two independent ones on two threads."""
    for kind in ("edges", "noise"):
        model, events = model_for("tiny", kind, LARGE, effort.events), source(kind, LARGE, effort.events)
        for num_threads in (1, 2):
            figures = timing.on_threads(model, events, packet=PACKET, num_threads=num_threads)
            yield _row("tiny", kind, LARGE, STEP_US, **figures)


def file(effort: Effort) -> Iterator[Row]:
    """Reading, decoding and streaming the EVT3 file."""
    if data_file().is_file():
        for name in flames_presets():
            model = model_for(name, "recording", (1280, 720), effort.events)
            figures = timing.from_file(model, data_file(), rounds=effort.rounds)
            yield _row(name, "EVT3 file", (1280, 720), STEP_US, **figures)


def memory(effort: Effort) -> Iterator[Row]:
    """Memory of a stream that has touched every position."""
    for name in flames_presets():
        for size in SIZES:
            model = model_for(name, "edges", size, effort.events)
            yield _row(name, "edges", size, STEP_US, **timing.memory(model))


def eager(effort: Effort) -> Iterator[Row]:
    """`Flames.outputs` a step at a time in PyTorch, without and with the compiled operators, and the stream."""
    for name in flames_presets():
        model = model_for(name, "edges", LARGE, effort.events)
        events = source("edges", LARGE, effort.events)[: effort.eager_events]
        stream = EventStream(model)
        stream.push(events)
        stream.flush()
        ours = timing.sustained(model, events, packet=len(events), rounds=5)["us_per_event"]
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model")
            np.save(Path(folder) / "events.npy", events)
            for backend in ("torch", "compiled operators"):
                found = _eager(Path(folder), ["--compiled"] if backend != "torch" else [])
                is_equal = torch.equal(torch.tensor(found.pop("logits")), stream.logits())
                ratio = round(found["us_per_event"] / ours, 1)
                figures = {"ticks": stream.counts.ticks, "stream_us_per_event": ours, "times_stream": ratio}
                yield _row(name, "edges", LARGE, STEP_US, backend=backend, **found, **figures, same_logits=is_equal)


def _eager(folder: Path, options: list[str]) -> Row:
    module = "longspike.bench.events.eager"
    command = [sys.executable, "-m", module, str(folder / "model"), str(folder / "events.npy"), *options]
    result: Row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


PARTS = {
    part.__name__: part
    for part in (sources, steps, packets, resolution, latency, realtime, threads, file, memory, eager)
}


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="few events and one round: a check, not a measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {**header(command_line("longspike.bench.events")), "published": PUBLISHED}
    for part in arguments.parts:
        print(f"\n{part}: {PARTS[part].__doc__}", flush=True)
        report[part] = []
        for row in PARTS[part](QUICK if arguments.quick else FULL):
            report[part].append(row)
            print("  " + "  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    print("\npublished: " + "; ".join(f"{key} {value}" for key, value in PUBLISHED.items()))
    write_report(report, arguments.output)


if __name__ == "__main__":
    with printing():
        main()

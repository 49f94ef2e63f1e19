"""Timings of one event stream: sustained speed, latency of decisions, events at their due time, two threads.

Beside the time that passes stands the thread's CPU time: where they differ, the machine was busy with something else.
"""

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import longspike.events
from longspike.bench.events.sources import one_of_every_position
from longspike.models import Flames
from longspike.streaming import EventStream

QUANTILES = (0.5, 0.99, 0.999)
SLEEP_S = 0.002
PAUSE_US = 1_000_000


def resident_bytes() -> int | None:
    """Memory of this process that lies in RAM; None where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.is_file() else None


def warm_stream(model: Flames) -> EventStream:
    """A stream whose every position was touched, in one step a second before time PAUSE_US."""
    stream = EventStream(model)
    stream.push(one_of_every_position(model))
    stream.flush()
    return stream


def shifted(events: np.ndarray) -> np.ndarray:
    """The same events behind the warm-up."""
    out = events.copy()
    out["t"] += PAUSE_US - int(events["t"][0])
    return out


def packets_of(events: np.ndarray, size: int) -> list[np.ndarray]:
    """Packets of `size` events."""
    return [events[first : first + size] for first in range(0, len(events), size)]


def packets_by_step(events: np.ndarray, step_us: int) -> list[np.ndarray]:
    """One packet a step."""
    return np.split(events, np.flatnonzero(np.diff(events["t"] // step_us)) + 1)


def sustained(model: Flames, events: np.ndarray, *, packet: int, rounds: int) -> dict[str, Any]:
    """As fast as the stream takes them; the median of the rounds."""
    packets = packets_of(shifted(events), packet)
    seconds, cpu_seconds = [], []
    for _ in range(rounds):
        stream = warm_stream(model)
        before = stream.counts
        started, cpu_started = time.perf_counter(), time.thread_time()
        for events_of_packet in packets:
            stream.push(events_of_packet)
        stream.flush()
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.thread_time() - cpu_started)
    after, median = stream.counts, statistics.median(seconds)
    layers = zip(after.spikes, before.spikes, after.updates, before.updates, strict=True)
    return {
        "events": len(events),
        "events_per_s": round(len(events) / median),
        "us_per_event": round(1e6 * median / len(events), 4),
        "us_per_event_min_max": [round(1e6 * s / len(events), 4) for s in (min(seconds), max(seconds))],
        "cpu_us_per_event": round(1e6 * statistics.median(cpu_seconds) / len(events), 4),
        "ticks": after.ticks - before.ticks,
        "rates": [round((s - s0) / max(u - u0, 1), 4) for s, s0, u, u0 in layers],
    }


def quantiles_us(seconds: list[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, in microseconds."""
    values = 1e6 * np.array(seconds)
    found = {f"p{100 * q:g}": round(float(np.quantile(values, q)), 1) for q in QUANTILES}
    return {**found, "max": round(float(values.max()), 1)}


def latency(model: Flames, events: np.ndarray) -> dict[str, Any]:
    """Each step pushed as a packet and completed at once: how long its decision takes, clock and call included.

    cpu_us leaves out the time in which the system runs something else. close_us is the stream's own clock, from the call
    that completes a step to its decision.
    """
    stream = warm_stream(model)
    seconds, cpu_seconds = [], []
    for packet in packets_by_step(shifted(events), model.config.step_us):
        cpu_started, started = time.thread_time(), time.perf_counter()
        stream.push(packet)
        stream.flush()
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.thread_time() - cpu_started)
    inside = stream.latency_us(*QUANTILES, 1.0)
    names = [f"p{100 * q:g}" for q in QUANTILES] + ["max"]
    return {
        "steps": len(seconds),
        "events_per_step": round(len(events) / len(seconds), 1),
        "push_and_flush_us": quantiles_us(seconds),
        "cpu_us": quantiles_us(cpu_seconds),
        "close_us": {name: round(x, 1) for name, x in zip(names, inside, strict=True)},
    }


def real_time(model: Flames, events: np.ndarray, *, seconds: float) -> dict[str, Any]:
    """Each step's packet at its due time, when its last event happens; from there to its decision.

    Waiting sleeps while more than two milliseconds remain and then watches the clock.
    """
    stream = warm_stream(model)
    events = shifted(events)
    events = events[events["t"] < PAUSE_US + 1e6 * seconds]
    packets = packets_by_step(events, model.config.step_us)
    due = [(int(packet["t"][-1]) - PAUSE_US) / 1e6 for packet in packets]
    late, started = [], time.perf_counter()
    for packet, due_s in zip(packets, due, strict=True):
        while (missing := started + due_s - time.perf_counter()) > 0:
            if missing > SLEEP_S:
                time.sleep(missing - SLEEP_S)
        stream.push(packet)
        stream.flush()
        late.append(time.perf_counter() - started - due_s)
    return {"events": len(events), "seconds": round(due[-1], 3), "decision_after_last_event_us": quantiles_us(late)}


def on_threads(model: Flames, events: np.ndarray, *, packet: int, num_threads: int) -> dict[str, Any]:
    """Independent streams side by side, one a thread, over the same events."""
    packets = packets_of(shifted(events), packet)
    streams = [warm_stream(model) for _ in range(num_threads)]
    barrier = threading.Barrier(num_threads + 1)

    def run(stream: EventStream) -> None:
        barrier.wait()
        for events_of_packet in packets:
            stream.push(events_of_packet)
        stream.flush()

    threads = [threading.Thread(target=run, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    return {"threads": num_threads, "events_per_s": round(num_threads * len(events) / elapsed)}


def from_file(model: Flames, path: Path, *, rounds: int) -> dict[str, Any]:
    """Reading, decoding and streaming a file, packet by packet; and reading alone."""

    def timed(use: Callable[[np.ndarray], None]) -> tuple[float, int]:
        started, num_events = time.perf_counter(), 0
        with longspike.events.open(path) as packets:
            for packet in packets:
                use(packet)
                num_events += len(packet)
        return time.perf_counter() - started, num_events

    both, alone = [], []
    for _ in range(rounds):
        stream = EventStream(model)
        both.append(timed(stream.push))
        alone.append(timed(lambda packet: None))
    num_events = both[0][1]
    return {
        "events": num_events,
        "read_and_stream_events_per_s": round(num_events / statistics.median(s for s, _ in both)),
        "read_events_per_s": round(num_events / statistics.median(s for s, _ in alone)),
    }


def memory(model: Flames) -> dict[str, Any]:
    """What a stream with every position touched takes: by its own bound, and as the process grows."""
    before = resident_bytes()
    stream = warm_stream(model)
    after = resident_bytes()
    grown = None if before is None or after is None else after - before
    return {"memory_bytes": stream.memory_bytes, "resident_growth_bytes": grown, "resident_bytes": after}

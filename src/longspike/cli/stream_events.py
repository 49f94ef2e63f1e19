"""`longspike stream` for FLAMES: fed with the packets of a recording."""

import sys
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longspike.cli.event_clock import RealTime
from longspike.cli.event_decisions import Decisions
from longspike.cli.event_input import EventInput, open_events
from longspike.cli.event_panel import EventPanel
from longspike.cli.output import print_json, print_line
from longspike.errors import ConfigError
from longspike.events import EVENT_DTYPE
from longspike.streaming import EventStream

if TYPE_CHECKING:
    from longspike.models import Flames

PACKET_EVENTS = 1000
READ_EVENTS = 4096
"""Events read at a time where packets are cut by time."""
LARGEST_CHECK = 4_000_000
"""Events that --check takes at once: the whole recording is then in memory, and so is everything the network does."""


@dataclass(kw_only=True, slots=True)
class _Flow:
    """What went through: the first and last event's time, seconds in all and within the stream, and --check's events."""

    first_us: int | None = None
    last_us: int = 0
    num_packets: int = 0
    wall_s: float = 0.0
    push_s: float = 0.0
    kept: list[np.ndarray] | None = None


def stream_events(
    network: "Flames",
    source: str,
    *,
    title: str,
    names: list[str],
    packet_events: int | None,
    packet_us: int | None,
    realtime: float | None,
    decide_us: int | None,
    fit: str | None,
    on_error: str | None,
    check: bool,
    data_root: Path | None,
    json: bool,
) -> int:
    """Feed `Flames` with a recording; see `longspike.cli.stream.stream`."""
    _check_options(packet_events, packet_us, realtime)
    if decide_us is not None and check:
        raise ConfigError("--check compares one decision about everything, --decide-us makes many. Give one of them.")
    config = network.config
    decisions = None if decide_us is None else Decisions(decide_us, names, prints=not json)
    live = EventStream(network)
    feed = open_events(
        source,
        sensor_size=config.sensor_size,
        packet_events=READ_EVENTS if packet_us is not None else packet_events or PACKET_EVENTS,
        packet_us=packet_us,
        fit=fit,
        on_error=on_error or "raise",
        data_root=data_root,
    )
    clock = None if realtime is None else RealTime(realtime, step_us=config.step_us)
    flow = _Flow(kept=[] if check else None)
    try:
        with EventPanel(title, names, sensor_size=config.sensor_size) as panel:
            _feed(live, feed, panel, clock, decisions, flow)
    finally:
        feed.close()
    is_equal = None if flow.kept is None else _is_equal(network, live, flow.kept)
    result = _summary(network, live, feed, flow, names)
    result["decisions"] = None if decisions is None else decisions.made
    result["realtime"] = None if clock is None else clock.summary()
    result["equals_whole_recording"] = is_equal
    if json:
        print_json(result)
    else:
        _print(result)
    return 1 if is_equal is False else 0


def _check_options(packet_events: int | None, packet_us: int | None, realtime: float | None) -> None:
    if packet_events is not None and packet_us is not None:
        raise ConfigError("--packet-events and --packet-us exclude each other. Give one.")
    for name, value in (("--packet-events", packet_events), ("--packet-us", packet_us), ("--realtime", realtime)):
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name} must be positive; got {value:g}.")


def _feed(
    live: EventStream,
    feed: EventInput,
    panel: EventPanel,
    clock: RealTime | None,
    decisions: Decisions | None,
    flow: _Flow,
) -> None:
    """Push every packet, and complete the last step at the end."""
    start = time.perf_counter()
    for packet in feed.packets:
        if clock is not None:
            clock.wait(packet["t"])
        before = time.perf_counter()
        live.push(packet)
        flow.push_s += time.perf_counter() - before
        if clock is not None:
            clock.decided(packet["t"])
        flow.num_packets += 1
        if len(packet):
            flow.first_us = int(packet["t"][0]) if flow.first_us is None else flow.first_us
            flow.last_us = int(packet["t"][-1])
        if flow.kept is not None:
            flow.kept.append(packet)
            if live.counts.events > LARGEST_CHECK:
                raise ConfigError(
                    f"--check runs the whole recording at once, in memory, and takes at most {LARGEST_CHECK:,} events; "
                    "this one has more. Leave --check out, or cut the recording."
                )
        panel.add(packet)
        panel.show(live, flow.last_us, time.perf_counter())
        if decisions is not None:
            decisions.passed(live, flow.last_us)
    before = time.perf_counter()
    live.flush()
    flow.push_s += time.perf_counter() - before
    if clock is not None:
        clock.flushed()
    flow.wall_s = time.perf_counter() - start
    panel.show(live, flow.last_us, time.perf_counter(), is_last=True)
    if not live.counts.events:
        raise ConfigError("the input holds no event. Give at least one.")


def _is_equal(network: "Flames", live: EventStream, packets: list[np.ndarray]) -> bool:
    """Whether the whole recording at once gives the same logits."""
    import torch

    from longspike.events.ragged import collate_events

    events = np.concatenate([np.empty(0, EVENT_DTYPE), *packets])
    with torch.inference_mode():
        whole = network.outputs(collate_events([events]), keeps_state=False).logits[0]
    return torch.equal(whole, live.logits())


def layer_names(network: "Flames") -> list[str]:
    """The layers in the order of `StreamCounts`: fronts, then memory blocks."""
    fronts = [f"front {k + 1}" for k in range(network.config.num_fronts)]
    return fronts + [f"memory {k + 1}" for k in range(network.config.memory.num_layers)]


def _peak_memory_bytes() -> int | None:
    """The largest memory that this process has had; None where the system does not tell."""
    if find_spec("resource") is None:
        return None
    resource = import_module("resource")
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _summary(network: "Flames", live: EventStream, feed: EventInput, flow: _Flow, names: list[str]) -> dict[str, Any]:
    counts, probabilities = live.counts, live.logits().softmax(dim=-1)
    best = int(probabilities.argmax())
    latency = [None if np.isnan(value) else round(value, 2) for value in live.latency_us(0.5, 0.99, 1.0)]
    layers = zip(layer_names(network), counts.spikes, counts.updates, strict=True)
    return {
        "decision": names[best],
        "probability": round(float(probabilities[best]), 6),
        "label": None if feed.label is None else names[feed.label],
        "probabilities": [round(p, 6) for p in probabilities.tolist()],
        "format": feed.format,
        "sensor_size": list(feed.sensor_size),
        "events": counts.events,
        "late": counts.late,
        "skipped": feed.skipped,
        "cropped": feed.cropped,
        "packets": flow.num_packets,
        "duration_us": flow.last_us - (flow.first_us or 0),
        "steps": counts.steps,
        "ticks": counts.ticks,
        "wall_s": round(flow.wall_s, 6),
        "stream_s": round(flow.push_s, 6),
        "events_per_s": round(counts.events / flow.push_s, 1),
        "us_per_event": round(1e6 * flow.push_s / counts.events, 4),
        "latency_us": dict(zip(("p50", "p99", "max"), latency, strict=True)),
        "layers": [
            {"name": name, "spikes": spikes, "updates": updates, "rate": spikes / max(updates, 1)}
            for name, spikes, updates in layers
        ],
        "stream_memory_bytes": live.memory_bytes,
        "process_memory_bytes": _peak_memory_bytes(),
    }


def _latency_text(summary: dict[str, float | None]) -> str:
    if summary["p50"] is None:
        return "none"
    return f"p50 {summary['p50']:,.0f} us, p99 {summary['p99']:,.0f} us, max {summary['max']:,.0f} us"


def _print(result: dict[str, Any]) -> None:
    truth = ""
    if result["label"] is not None:
        truth = ", right" if result["label"] == result["decision"] else f", wrong: it is {result['label']}"
    width, height = result["sensor_size"]
    lost = f", {result['late']:,} late"
    lost += "".join(f", {result[name]:,} {name}" for name in ("skipped", "cropped") if result[name])
    rows = [
        (
            "decision" if result["decisions"] is None else "last decision",
            f"{result['decision']} ({result['probability']:.1%}){truth}",
        ),
        ("recording", f"{result['format']}, {width}x{height}, {result['duration_us'] / 1e6:.3f} s"),
        ("events", f"{result['events']:,} in {result['packets']:,} packets{lost}"),
        ("steps", f"{result['steps']:,}, of which {result['ticks']:,} tick the memory"),
        ("time", f"{result['wall_s']:.3f} s, of which {result['stream_s']:.3f} s in the stream"),
        ("speed", f"{result['events_per_s']:,.0f} events/s, {result['us_per_event']:.2f} us an event (in the stream)"),
        ("latency", f"{_latency_text(result['latency_us'])} (packet to decision)"),
    ]
    if result["realtime"] is not None:
        pace = result["realtime"]
        rows.append((f"real time x{pace['factor']:g}", f"packets late by {_latency_text(pace['lateness_us'])}"))
        rows.append(("end to end", f"{_latency_text(pace['end_to_end_us'])} (last event due to decision)"))
    rates = ", ".join(f"{layer['name']} {layer['rate']:.2%}" for layer in result["layers"])
    rows.append(("firing rate", f"{rates} (spikes per neuron update)"))
    peak = result["process_memory_bytes"]
    process = "" if peak is None else f"; process peak {peak / 2**20:.0f} MiB"
    rows.append(("memory", f"stream at most {result['stream_memory_bytes'] / 2**20:.1f} MiB{process}"))
    if result["equals_whole_recording"] is not None:
        rows.append(("whole at once", "equal, bit for bit" if result["equals_whole_recording"] else "NOT equal"))
    for name, text in rows:
        print_line(f"{name:<13} {text}")

"""`longspike stream` for FLAMES: fed with the packets of a recording."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspike.cli.event_view import EventView
from longspike.cli.output import print_json_line, print_now
from longspike.cli.panel import LivePanel
from longspike.cli.stream_result import compared, finish, verdict
from longspike.cli.waiting import Waiting
from longspike.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from longspike.models import Flames
    from longspike.streaming import Decision, EventRun, EventSource, EventStream, RealTime

REFRESH_PER_SECOND = 8
LEAST_PACKET_US = 1000
"""Of real time: a packet costs tens of microseconds besides its events."""


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
    max_gap_us: int | None,
    fit: str | None,
    on_error: str | None,
    format: str | None,  # noqa: A002
    columns: str | None,
    time_unit: str | None,
    check: bool,
    data_root: Path | None,
    json: bool,
) -> int:
    """Feed `Flames` with a recording; see `longspike.cli.stream.stream`."""
    from longspike.streaming import EventStream, RealTime, WholeRecording, feed_events, open_events
    from longspike.streaming.event_stream import MAX_GAP_US

    _check_options(packet_events, packet_us, realtime, decide_us, max_gap_us, check)
    max_gap_us, step_us = max_gap_us or MAX_GAP_US, network.config.step_us
    live, whole = EventStream(network, max_gap_us=max_gap_us), WholeRecording(network) if check else None
    clock = None if realtime is None else RealTime(realtime, step_us=step_us, max_gap_us=max_gap_us)
    if realtime is not None and packet_us is packet_events is None:
        packet_us = step_us * max(1, math.ceil(LEAST_PACKET_US * realtime / step_us))

    def decide(decision: "Decision") -> None:
        name, share = names[decision.class_index], decision.probability
        if json:
            print_json_line({"t_us": decision.t_us, "decision": name, "probability": round(share, 6)})
        else:
            print_now(f"{decision.t_us / 1e6:12.6f} s  {name} ({share:.1%})")

    said: dict[str, Any] = {"format": format, "columns": columns, "time_unit": time_unit}
    said |= {"packet_events": packet_events, "packet_us": packet_us, "fit": fit, "on_error": on_error or "raise"}
    with Waiting(f"{source}: loading"):
        feed = open_events(source, sensor_size=network.config.sensor_size, data_root=data_root, **said)
    with feed, LivePanel(title, names, per_second=REFRESH_PER_SECOND) as panel:
        view = EventView(panel, live)

        def show(packet: "np.ndarray") -> None:
            if whole is not None:
                whole.add(packet)
            view.add(packet)

        run = feed_events(live, feed, clock=clock, decide_us=decide_us, on_packet=show, on_decision=decide)
        view.draw()
    if not live.counts.events:
        raise ConfigError("the input holds no event. Give at least one.")
    is_equal = None if whole is None else compared(lambda: whole.is_equal(live))
    result = _as_dict(network, live, feed, run, names)
    result["realtime"] = None if clock is None else _pace(clock)
    result["equals_whole_recording"] = is_equal
    facts = _facts(result, "decision" if decide_us is None else "last decision")
    return finish(result, facts, is_equal=is_equal, as_json=json, follows_lines=decide_us is not None)


def _check_options(
    packet_events: int | None,
    packet_us: int | None,
    realtime: float | None,
    decide_us: int | None,
    max_gap_us: int | None,
    check: bool,
) -> None:
    numbers = {"packet-events": packet_events, "packet-us": packet_us, "realtime": realtime, "decide-us": decide_us}
    numbers["max-gap-us"] = max_gap_us
    for name, value in numbers.items():
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"--{name} must be positive; got {value:g}.")
    if decide_us is not None and check:
        raise ConfigError("--check compares one decision about everything, --decide-us makes many. Give one of them.")


def _pace(clock: "RealTime") -> dict[str, Any]:
    lateness, latency = clock.lateness.summary(), clock.latency.summary()
    return {"factor": clock.factor, "lateness_us": lateness, "end_to_end_us": latency}


def _as_dict(
    network: "Flames", live: "EventStream", feed: "EventSource", run: "EventRun", names: list[str]
) -> dict[str, Any]:
    from longspike.evaluation.machine import peak_memory_bytes

    counts, probabilities = live.counts, live.logits().softmax(dim=-1)
    best = int(probabilities.argmax())
    latency = [None if math.isnan(value) else round(value, 2) for value in live.latency_us(0.5, 0.99, 1.0)]
    layers = zip(network.layer_names, counts.spikes, counts.updates, strict=True)
    return {
        "decision": names[best],
        "probability": round(float(probabilities[best]), 6),
        "label": None if feed.label is None else names[feed.label],
        "probabilities": [round(p, 6) for p in probabilities.tolist()],
        "format": feed.format,
        "sensor_size": list(feed.sensor_size),
        "events": counts.events,
        "late": counts.late,
        "far": counts.far,
        "clock_jumps": counts.jumps,
        "skipped": feed.skipped,
        "cropped": feed.cropped,
        "packets": run.num_packets,
        "duration_us": run.duration_us,
        "steps": counts.steps,
        "ticks": counts.ticks,
        "wall_s": round(run.wall_s, 6),
        "stream_s": round(run.push_s, 6),
        "events_per_s": round(counts.events / run.push_s, 1),
        "us_per_event": round(1e6 * run.push_s / counts.events, 4),
        "latency_us": dict(zip(("p50", "p99", "max"), latency, strict=True)),
        "layers": [
            {"name": name, "spikes": spikes, "updates": updates, "rate": spikes / max(updates, 1)}
            for name, spikes, updates in layers
        ],
        "stream_memory_bytes": live.memory_bytes,
        "process_memory_bytes": peak_memory_bytes(),
    }


def _latency_text(summary: dict[str, float | None]) -> str:
    if summary["p50"] is None:
        return "none"
    return f"p50 {summary['p50']:,.0f} us, p99 {summary['p99']:,.0f} us, max {summary['max']:,.0f} us"


def _facts(result: dict[str, Any], name: str) -> list[tuple[str, ...]]:
    width, height = result["sensor_size"]
    lost = f", {result['late']:,} late"
    lost += "".join(f", {result[kind]:,} {kind}" for kind in ("far", "skipped", "cropped") if result[kind])
    lost += f"; the clock jumped {result['clock_jumps']:,} times" if result["clock_jumps"] else ""
    facts: list[tuple[str, ...]] = [
        (name, f"{result['decision']} ({result['probability']:.1%}){verdict(result)}"),
        ("recording", f"{result['format']}, {width}x{height}, {result['duration_us'] / 1e6:.3f} s"),
        ("events", f"{result['events']:,} in {result['packets']:,} packets{lost}"),
        ("steps", f"{result['steps']:,}, of which {result['ticks']:,} tick the memory"),
        ("time", f"{result['wall_s']:.3f} s, of which {result['stream_s']:.3f} s in the stream"),
        ("speed", f"{result['events_per_s']:,.0f} events/s, {result['us_per_event']:.2f} us an event (in the stream)"),
        ("latency", f"{_latency_text(result['latency_us'])} (packet to decision)"),
    ]
    if result["realtime"] is not None:
        pace = result["realtime"]
        facts.append((f"real time x{pace['factor']:g}", f"packets late by {_latency_text(pace['lateness_us'])}"))
        facts.append(("end to end", f"{_latency_text(pace['end_to_end_us'])} (last event due to decision)"))
    rates = ", ".join(f"{layer['name']} {layer['rate']:.2%}" for layer in result["layers"])
    facts.append(("firing rate", f"{rates} (spikes per neuron update)"))
    peak = result["process_memory_bytes"]
    process = "" if peak is None else f"; process peak {peak / 2**20:.0f} MiB"
    facts.append(("memory", f"stream at most {result['stream_memory_bytes'] / 2**20:.1f} MiB{process}"))
    return facts

"""How near a FLAMES stream comes to what the machine can do: the least time of each part of an event's work.

    python benchmarks/flames_roofline.py --output results/flames_roofline.json

One thread, 1280x800. The limits are measured beside every network; of limits and streams the best round counts. How the
least times come about is in src/longspike/bench/flames_roofline.py. With --output, the table is written beside the
file, as Markdown.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import event_timing as timing
import torch
from event_sources import moving_edges, network, uniform_noise

from longspike.bench.flames_roofline import (
    inputs_per_event,
    measure_limits,
    roofline,
    touched_positions,
    work_per_event,
)
from longspike.evaluation.machine import machine, versions
from longspike.models.flames_presets import flames_presets
from longspike.streaming import EventStream

SIZE, RATE_HZ, SEED, PACKET, NEAR_EVENTS = (1280, 800), 1e6, 0, 65536, 10_000
SOURCES = {"edges": moving_edges, "noise": uniform_noise}
SETTINGS = (*((name, 500) for name in flames_presets()), ("tiny", 1))


def row(name: str, step_us: int, kind: str, num_events: int, rounds: int) -> dict[str, Any]:
    """One network on one source."""
    events = SOURCES[kind](SIZE, num_events, rate_hz=RATE_HZ, seed=SEED)
    model = network(name, SIZE, step_us, events, seed=SEED)
    stream = EventStream(model)
    stream.push(events)
    stream.flush()
    work = work_per_event(model, stream.counts, inputs_per_event(model, events))
    limits = measure_limits(model, touched_positions(model, events[:NEAR_EVENTS]))
    measured = timing.sustained(model, events, packet=PACKET, rounds=rounds)["us_per_event_min_max"][0]
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
        command = "python benchmarks/flames_roofline.py " + " ".join(sys.argv[1:])
        report = {
            "command": command,
            "versions": versions(),
            "machine": machine(torch.device("cpu")),
            "unit": "us an event",
            "rows": rows,
        }
        arguments.output.write_text(json.dumps(report, indent=2) + "\n")
        arguments.output.with_suffix(".md").write_text(markdown(rows))


if __name__ == "__main__":
    main()

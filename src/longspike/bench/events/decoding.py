"""Speed of reading event recordings, whole and in packets, on one core.

    python -m longspike.bench.events.decoding --output results/decoding.json

Writes files of synthetic events (moving edges on 1280x720; for N-MNIST's format noise on 34x34) and reads them back: every
reader checks bounds and the order of time. The files lie in the disk cache, so this is decoding and not the disk.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspike import events as ev
from longspike.bench.events.sources import moving_edges, uniform_noise
from longspike.bench.record import command_line, header, printing, write_report

FORMATS = {"evt2": (1280, 720), "evt3": (1280, 720), "nmnist": (34, 34), "npz": (1280, 720)}


def one_format(name: str, sensor_size: tuple[int, int], num_events: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Events a second of `open` (packets of 65,536) and of `read`, the median of the rounds."""
    make = uniform_noise if name == "nmnist" else moving_edges
    events = make(sensor_size, num_events, rate_hz=2e6 if name == "nmnist" else 1e6, seed=0)
    file = folder / f"recording.{name}"
    ev.write(file, events, sensor_size=sensor_size, format=name)
    packets, whole = [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        with ev.open(file, format=name, sensor_size=sensor_size) as reader:
            count = sum(len(packet) for packet in reader)
        middle = time.perf_counter()
        found = ev.read(file, format=name, sensor_size=sensor_size)
        whole.append(len(events) / (time.perf_counter() - middle))
        packets.append(count / (middle - start))
    if count != len(events) or not np.array_equal(found.events["x"], events["x"]):
        raise SystemExit(f"{name}: the events that were read are not those that were written")
    return {
        "format": name,
        "events": len(events),
        "bytes_per_event": round(file.stat().st_size / len(events), 2),
        "open_events_per_s": round(statistics.median(packets[1:])),
        "read_events_per_s": round(statistics.median(whole[1:])),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, size in FORMATS.items():
            count = min(options.events, 8_000_000) if name == "nmnist" else options.events
            rows.append(one_format(name, size, count, options.rounds, Path(folder)))
            print(
                "  ".join(
                    f"{key}={value:,}" if isinstance(value, int) else f"{key}={value}"
                    for key, value in rows[-1].items()
                )
            )
    write_report({**header(command_line("longspike.bench.events.decoding")), "rows": rows}, options.output)


if __name__ == "__main__":
    with printing():
        main()

"""`longspike events`: what a recording holds, and conversion between formats."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from longspike.cli.output import print_json, print_line
from longspike.errors import ConfigError, UnknownSensorError

if TYPE_CHECKING:
    from longspike.events import EventReader

NUM_HOT = 3


def events(
    action: Literal["info", "convert"],
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")],
    out: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[OUT]")] = None,
    *,
    to: str | None = None,
    format: str | None = None,  # noqa: A002
    sensor_size: tuple[int, int] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    json: bool = False,
) -> int:
    """Show what a recording of an event camera holds, or convert it.

    Args:
        action: info FILE: format, sensor, events, rate, hot pixels. convert FILE OUT: write it in another format.
        file: A recording in any format that longspike.events.open reads.
        out: The new file; its suffix says the format: .npz, .csv, .raw (evt3) or .bin (nmnist).
        to: The format of OUT, if the suffix does not say it: npz, csv, evt2, evt3 or nmnist.
        format: The format of FILE, if its content does not say it; nmnist for .bin.
        sensor_size: Width and height in pixels, if FILE does not say it.
        on_error: Raise at the first faulty record, or skip and count them.
        json: Print JSON.
    """
    is_bare = format is None and file.suffix == ".bin"  # five bytes an event and nothing else
    given = {"format": "nmnist" if is_bare else format, "sensor_size": sensor_size, "on_error": on_error}
    if action == "info":
        if out is not None or to is not None:
            raise ConfigError("`longspike events info` takes one file and writes none. Use `longspike events convert`.")
        result = _info(file, given)
        rows = _info_rows(result)
    else:
        if out is None:
            raise ConfigError("`longspike events convert` needs a file to write: longspike events convert FILE OUT.")
        result = _convert(file, out, to, given)
        counts = f"{result['events']:,} events, {result['skipped']:,} faulty skipped"
        rows = [("wrote", f"{out} ({result['bytes']:,} bytes, {counts})")]
    if json:
        print_json(result)
    else:
        for name, text in rows:
            print_line(f"{name:<12} {text}")
    return 0


def _open(file: Path, given: dict[str, Any]) -> "EventReader":
    from longspike.events import open as open_recording

    try:
        return open_recording(file, **given)
    except UnknownSensorError:
        raise ConfigError(f"{file} does not say how large its sensor is. Add --sensor-size WIDTH HEIGHT.") from None


def _info(file: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The facts, from one pass in memory that does not grow with the file."""
    import numpy as np

    num_events = num_on = 0
    first_us = last_us = 0
    with _open(file, given) as reader:
        width, height = reader.sensor_size
        per_pixel = np.zeros(width * height, np.int64)
        for packet in reader:
            if not num_events:
                first_us = int(packet["t"][0])
            num_events, num_on, last_us = (
                num_events + len(packet),
                num_on + int(packet["p"].sum()),
                int(packet["t"][-1]),
            )
            pixel, count = np.unique(packet["y"].astype(np.int64) * width + packet["x"], return_counts=True)
            per_pixel[pixel] += count
        duration_us = last_us - first_us
        hottest = np.argsort(-per_pixel, kind="stable")[:NUM_HOT]
        return {
            "file": str(file),
            "format": reader.format,
            "sensor_size": [width, height],
            "bytes": file.stat().st_size,
            "events": num_events,
            "skipped": reader.skipped,
            "first_us": first_us,
            "duration_us": duration_us,
            "start_us": reader.start_us,
            "events_per_s": round(1e6 * num_events / duration_us, 1) if duration_us else None,
            "on_share": round(num_on / num_events, 4) if num_events else None,
            "active_pixels": int(np.count_nonzero(per_pixel)),
            "hot_pixels": [
                {"x": int(k % width), "y": int(k // width), "events": int(per_pixel[k])}
                for k in hottest
                if per_pixel[k]
            ],
        }


def _info_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    width, height = result["sensor_size"]
    num_events = result["events"]
    rows = [
        ("format", result["format"]),
        ("sensor", f"{width}x{height} pixels, {result['active_pixels']:,} of them active"),
        ("events", f"{num_events:,} ({result['bytes'] / max(num_events, 1):.2f} bytes each)"),
        ("faulty", f"{result['skipped']:,} skipped"),
        ("duration", f"{result['duration_us'] / 1e6:.6f} s, camera clock starts at {result['start_us']:,} us"),
    ]
    if result["events_per_s"] is not None:
        rows.append(("rate", f"{result['events_per_s']:,.0f} events/s"))
    if result["on_share"] is not None:
        on = round(100 * result["on_share"], 1)
        rows.append(("polarity", f"{on:.1f}% on, {100 - on:.1f}% off"))
        mean = num_events / result["active_pixels"]
        hot = (f"({each['x']}, {each['y']}) {each['events']:,}" for each in result["hot_pixels"])
        rows.append(("hot pixels", f"{', '.join(hot)} events; the mean active pixel has {mean:.1f}"))
    return rows


def _convert(file: Path, out: Path, to: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Read all, 13 bytes an event in memory, and write it."""
    import numpy as np

    from longspike.events import EVENT_DTYPE, write

    if out.exists() and out.samefile(file):
        raise ConfigError(f"FILE and OUT are the same file, {out}. Choose another OUT.")
    with _open(file, given) as reader:
        everything = np.concatenate([np.empty(0, EVENT_DTYPE), *reader])
        write(out, everything, sensor_size=reader.sensor_size, format=to)
        return {
            "file": str(file),
            "out": str(out),
            "bytes": out.stat().st_size,
            "events": len(everything),
            "skipped": reader.skipped,
            "sensor_size": list(reader.sensor_size),
        }

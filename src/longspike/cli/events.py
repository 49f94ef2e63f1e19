"""`longspike events`: what a recording holds, and conversion between formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from longspike.cli.output import print_facts, print_json
from longspike.errors import ConfigError, UnknownSensorError

NUM_HOT = 3


def events(
    action: Literal["info", "convert"],
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")],
    out: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[OUT]")] = None,
    *,
    to: str | None = None,
    format: str | None = None,  # noqa: A002
    sensor_size: tuple[int, int] | None = None,
    columns: str | None = None,
    time_unit: Literal["s", "ms", "us", "ns"] | None = None,
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
        columns: Names of the columns of a text in their order, e.g. t,x,y,p, if FILE does not say them.
        time_unit: Of times that are no whole microseconds, if FILE does not say it.
        on_error: Raise at the first faulty record, or skip and count them.
        json: Print JSON.
    """
    _check_formats(action, format, out, to)
    is_bare = format is None and file.suffix == ".bin"  # five bytes an event and nothing else
    given = {
        "format": "nmnist" if is_bare else format,
        "sensor_size": sensor_size,
        "columns": columns,
        "time_unit": time_unit,
        "on_error": on_error,
    }
    if action == "info":
        result = _info(file, given)
        facts = _facts(result)
    else:
        if out is None:
            raise ConfigError("`longspike events convert` needs a file to write: longspike events convert FILE OUT.")
        result = _convert(file, out, to, given)
        counts = f"{result['events']:,} events, {result['skipped']:,} faulty skipped"
        facts = [("wrote", f"{out} ({result['bytes']:,} bytes, {counts})")]
    if json:
        print_json(result)
    else:
        print_facts(facts)
    return 0


def _check_formats(action: str, given: str | None, out: Path | None, to: str | None) -> None:
    """Refuse words that no file can mend, before a file is read."""
    from longspike._core.mistakes import did_you_mean
    from longspike.events.formats import FORMATS, SUFFIXES, WRITERS

    for option, name, known in (("--format", given, FORMATS), ("--to", to, WRITERS)):
        if name is not None and name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"{option} must be one of {', '.join(known)}; got {name!r}.{hint}")
    if action == "info" and (out is not None or to is not None):
        raise ConfigError("`longspike events info` takes one file and writes none. Use `longspike events convert`.")
    if out is not None and to is None and out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"the name {out.name} says no format. End it in one of {', '.join(SUFFIXES)}, or give --to.")


def _read(read: Callable[..., Any], file: Path, given: dict[str, Any]) -> Any:
    """What `read` makes of a file; one that does not say how large its sensor is needs the option."""
    try:
        return read(file, **given)
    except UnknownSensorError:
        raise ConfigError(f"{file} does not say how large its sensor is. Add --sensor-size WIDTH HEIGHT.") from None


def _info(file: Path, given: dict[str, Any]) -> dict[str, Any]:
    from longspike.events import open as open_recording
    from longspike.events.survey import survey

    with _read(open_recording, file, given) as reader:
        found = survey(reader, sensor_size=reader.sensor_size)
        rate, num_events = found.events_per_s, found.num_events
        return {
            "file": str(file),
            "format": reader.format,
            "sensor_size": list(reader.sensor_size),
            "bytes": file.stat().st_size,
            "events": num_events,
            "skipped": reader.skipped,
            "first_us": found.first_us,
            "duration_us": found.duration_us,
            "start_us": reader.start_us,
            "events_per_s": None if rate is None else round(rate, 1),
            "on_share": round(found.num_on / num_events, 4) if num_events else None,
            "active_pixels": found.num_active_pixels,
            "hot_pixels": [{"x": x, "y": y, "events": count} for x, y, count in found.hottest(NUM_HOT)],
        }


def _facts(result: dict[str, Any]) -> list[tuple[str, ...]]:
    width, height = result["sensor_size"]
    num_events = result["events"]
    facts: list[tuple[str, ...]] = [
        ("format", result["format"]),
        ("sensor", f"{width}x{height} pixels, {result['active_pixels']:,} of them active"),
        ("events", f"{num_events:,} ({result['bytes'] / max(num_events, 1):.2f} bytes each)"),
        ("faulty", f"{result['skipped']:,} skipped"),
        ("duration", f"{result['duration_us'] / 1e6:.6f} s, camera clock starts at {result['start_us']:,} us"),
    ]
    if result["events_per_s"] is not None:
        facts.append(("rate", f"{result['events_per_s']:,.0f} events/s"))
    if result["on_share"] is not None:
        on = round(100 * result["on_share"], 1)
        facts.append(("polarity", f"{on:.1f}% on, {100 - on:.1f}% off"))
        mean = num_events / result["active_pixels"]
        hot = (f"({each['x']}, {each['y']}) {each['events']:,}" for each in result["hot_pixels"])
        facts.append(("hot pixels", f"{', '.join(hot)} events; the mean active pixel has {mean:.1f}"))
    return facts


def _convert(file: Path, out: Path, to: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Read all, 13 bytes an event in memory, and write it."""
    from longspike.events import read, write

    if out.exists() and out.samefile(file):
        raise ConfigError(f"FILE and OUT are the same file, {out}. Choose another OUT.")
    recording = _read(read, file, given)
    write(out, recording.events, sensor_size=recording.sensor_size, format=to)
    return {
        "file": str(file),
        "out": str(out),
        "bytes": out.stat().st_size,
        "events": len(recording),
        "skipped": recording.skipped,
        "sensor_size": list(recording.sensor_size),
    }

"""Writing recordings."""

import builtins
import io
import os
from pathlib import Path

from longspike._core.checks import check_choice
from longspike.events.conversion import convert_events
from longspike.events.formats import SUFFIXES, WRITERS
from longspike.events.record import check_events, check_sensor_size


def write(
    path: str | os.PathLike[str],
    events: object,
    *,
    sensor_size: tuple[int, int],
    format: str | None = None,  # noqa: A002
) -> None:
    """Write events to a file, which `read` gives back.

    An existing file is replaced; if the events are refused, nothing is written.

    Args:
        path: its suffix says the format if `format` does not: .raw is evt3, .bin is nmnist, .npz and .csv themselves.
        events: what `as_events` takes, in order of time from 0 on, on the sensor.
        sensor_size: (width, height) in pixels.
        format: one of `WRITERS`.

    Raises: TypeError for what are no events; ValueError if the events are not as they must be, or the format cannot hold
    them.
    """
    path = Path(path)
    if format is None:
        format = SUFFIXES.get(path.suffix.lower())  # noqa: A001
        if format is None:
            raise ValueError(
                f"write: the suffix of {path.name!r} says no format; got {path.suffix!r}. "
                f"Use one of {', '.join(SUFFIXES)}, or pass `format`, one of {', '.join(WRITERS)}."
            )
    check_choice("write", "format", format, tuple(WRITERS))
    size = check_sensor_size("write", sensor_size)
    array = convert_events("write", events)
    check_events("write", array, size)
    content = io.BytesIO()
    WRITERS[format](content, array, size)
    with builtins.open(path, "wb") as stream:
        stream.write(content.getbuffer())

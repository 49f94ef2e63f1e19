"""Events of other libraries as arrays of `EVENT_DTYPE`: structured arrays, mappings, tables and recordings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from longspike._core.checks import check_choice
from longspike.events.fields import UNITS, find_fields
from longspike.events.record import EVENT_DTYPE, make_events
from longspike.events.recording import Recording

REMEDY = "Pass a structured array, a mapping or a table with x, y, t and p, or build an array with make_events."


def _columns(events: object) -> list[str] | None:
    """The names that an object has columns under; None for one without any."""
    if isinstance(events, np.ndarray):
        return list(events.dtype.names or ()) if events.ndim == 1 else None
    names: Any = events.keys() if isinstance(events, Mapping) else getattr(events, "columns", None)
    names = getattr(events, "column_names", None) if names is None else names
    try:
        return [str(name) for name in names]
    except TypeError:
        return None


def _came(events: object) -> str:
    if isinstance(events, np.ndarray):
        return f"an array of dtype {str(events.dtype)[:120]} and shape {events.shape}"
    names = _columns(events)
    return type(events).__name__ + ("" if names is None else f" with {', '.join(names)[:120] or 'nothing in it'}")


def _times(where: str, column: np.ndarray, time_unit: str | None) -> np.ndarray:
    """Times as integers of microseconds; those of numpy's timedelta64 carry their unit."""
    if column.size == 0:
        return column
    if column.dtype.kind == "m":
        if np.isnat(column).any():
            raise ValueError(f"{where}: `t` of the events must not hold NaT. Leave such events out.")
        return column.astype("m8[us]").astype(np.int64)
    if column.dtype.kind == "f" and time_unit is not None:
        scaled = np.rint(column.astype(np.float64) * UNITS[time_unit])
        if not (np.abs(scaled) < 2.0**62).all():
            raise ValueError(f"{where}: `t` of the events must be finite and below 2^62 µs; got {column.max()}.")
        return scaled.astype(np.int64)
    if column.dtype.kind == "f":
        raise ValueError(
            f"{where}: `t` of the events must be integer microseconds; got {column.dtype}. "
            'Convert seconds with longspike.events.as_events(events, time_unit="s").'
        )
    if time_unit == "ns" and column.dtype.kind in "iu":
        return column // 1000
    return column if time_unit in (None, "us") else column.astype(np.int64) * int(UNITS[str(time_unit)])


def _polarity(where: str, column: np.ndarray) -> np.ndarray:
    """p as 0 and 1; -1 is off where no 0 is."""
    if column.dtype.kind == "i" and column.size and column.min() == -1:
        if (column == 0).any():
            raise ValueError(f"{where}: `p` of the events holds -1 and 0, which cannot both be off. Write off as 0.")
        return np.where(column == -1, 0, column)
    return column


def convert_events(where: str, events: object, time_unit: str | None = None) -> np.ndarray:
    """`as_events`, with the name of the caller for the messages."""
    if isinstance(events, Recording):
        events = events.events
    if isinstance(events, np.ndarray) and events.dtype == EVENT_DTYPE and events.ndim == 1:
        return events
    fields = find_fields(_columns(events) or ())
    if fields is None:
        raise TypeError(f"{where}: `events` must have x, y, t and p; got {_came(events)}. {REMEDY}")
    unit = fields.time_unit if time_unit is None else time_unit
    table: Any = events
    columns = {field: np.asarray(table[name]) for field, name in fields.names.items()}
    columns["t"] = _times(where, columns["t"], unit)
    columns["p"] = _polarity(where, columns["p"])
    try:
        return make_events(**columns)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error).removeprefix('make_events: ')}") from None


def as_events(events: object, *, time_unit: str | None = None) -> np.ndarray:
    """Events as an array of `EVENT_DTYPE`: as they stand if they are one, else a converted copy.

    Every function that takes events from outside, such as `Stream.push` and `write`, does this itself.

    Args:
        events: a structured array, a mapping of columns, or a table (pandas, polars, pyarrow) with x, y, t and p under
            these names or those that other libraries use: timestamp, polarity, on, xs, ...; or a `Recording`. p may be
            boolean, 0 and 1, or -1 and 1; coordinates and times are integers, or times are timedelta64.
        time_unit: "s", "ms", "us" or "ns"; by default what the time's name says (t_ns), else microseconds, which must
            be integers. Fractions are rounded to the nearest microsecond, whole nanoseconds down.
    Raises: TypeError if a field is missing; ValueError if a value does not fit its field.

    Example:
        >>> import numpy as np
        >>> metavision = np.array([(3, 1, -1, 10)], [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
        >>> as_events(metavision).tolist()
        [(3, 1, 10, 0)]
        >>> as_events({"x": [3], "y": [1], "timestamp": [0.25], "polarity": [True]}, time_unit="s").tolist()
        [(3, 1, 250000, 1)]
    """
    if time_unit is not None:
        check_choice("as_events", "time_unit", time_unit, tuple(UNITS))
    return convert_events("as_events", events, time_unit)

"""Events from columns, as tables and archives hold them: coordinates, polarity, and times in a stated unit."""

from typing import Any

import numpy as np

from longspike.errors import ConfigError
from longspike.events.faults import Faults
from longspike.events.fields import UNITS
from longspike.events.formats.source import Asked
from longspike.events.record import EVENT_DTYPE, LATEST_TIME_US

LIMITS = {"x": (0, (1 << 16) - 1), "y": (0, (1 << 16) - 1), "p": (-1, 1)}
"""What a column may hold; p may be -1 for off, as some tools write it."""
LARGEST_EXACT = 2.0**53
UNIT_REMEDY = 'Say what the times count: pass time_unit="s", "ms", "us" or "ns".'


def to_us(t: np.ndarray, time_unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Times in microseconds, int64, and which of them are no times of events: negative, above 2^62 µs, not finite.

    Fractions are rounded to the nearest microsecond, whole nanoseconds down; both keep the order.
    """
    scale = UNITS[time_unit]
    if t.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(t.astype(np.float64) * scale)
        is_wrong = ~((scaled >= 0) & (scaled < float(LATEST_TIME_US)))
        return np.where(is_wrong, 0.0, scaled).astype(np.int64), is_wrong
    is_wrong = t > LATEST_TIME_US // max(int(scale), 1)
    if t.dtype.kind == "i":
        is_wrong |= t < 0
    whole = (np.where(is_wrong, 0, t) if is_wrong.any() else t).astype(np.int64)
    return (whole // 1000 if time_unit == "ns" else whole * int(scale)), is_wrong


def stated_unit(asked: Asked, found: str | None, faults: Faults) -> str | None:
    """The unit of time that the caller or the file says, None if neither does.

    Raises: ConfigError if they differ.
    """
    if asked.time_unit is not None and found not in (None, asked.time_unit):
        raise ConfigError(f"`time_unit` is {asked.time_unit!r}, but {faults.path} says {found!r}. Leave it out.")
    return asked.time_unit or found


def _outside(column: np.ndarray, low: int, high: int) -> np.ndarray:
    """Which entries are no whole numbers in [low, high]."""
    if column.dtype.kind in "ub":
        return column > high
    is_outside = ~((column >= low) & (column <= high))
    return is_outside | (np.rint(column) != column) if column.dtype.kind == "f" else is_outside


def column_events(columns: dict[str, Any], first: int, faults: Faults, *, time_unit: str | None = None) -> np.ndarray:
    """Events from columns x, y, t and p of one length; those with a value that no event can have are faults.

    Args:
        columns: numbers or booleans, by name.
        first: the number of the first event, for the messages.
        faults: where wrong columns and events go.
        time_unit: a key of `UNITS`; None is microseconds, and then t must be integers.
    """
    columns = {name: np.asarray(columns[name]) for name in "xytp"}
    for name, column in columns.items():
        if column.dtype.kind not in "iubf" or column.ndim != 1:
            faults.fail(f"holds {name} as {column.dtype} with {column.ndim} axes; only numbers on one axis are read")
        if name == "t" and column.dtype.kind == "f" and time_unit is None:
            faults.fail(f"holds t as {column.dtype}, and no unit of time", UNIT_REMEDY)
    t, is_wrong_time = to_us(columns["t"], time_unit or "us")
    is_good = np.ones(len(t), bool)
    for name, column in columns.items():
        is_wrong = is_wrong_time if name == "t" else _outside(column, *LIMITS[name])
        if is_wrong.any():
            k = int(np.argmax(is_wrong))
            allowed = "[0, 2^62] µs" if name == "t" else str(list(LIMITS[name]))
            is_part = column.dtype.kind == "f" and name != "t"
            relation = "is no whole number in" if is_part else "lies outside"
            what = f"{name} is {column[k].item()!r}, which {relation} {allowed}"
            faults.report(f"event {first + k}", what, count=int((is_wrong & is_good).sum()))
            is_good &= ~is_wrong
    p = columns["p"]
    if p.dtype.kind == "i" and (p == -1).any() and (p == 0).any():
        faults.fail("holds p as -1 and as 0, and one of the two would be no off-event", "Write off as 0 and on as 1.")
    events = np.empty(int(is_good.sum()), EVENT_DTYPE)
    events["x"], events["y"], events["t"] = columns["x"][is_good], columns["y"][is_good], t[is_good]
    events["p"] = (p > 0)[is_good]
    return events

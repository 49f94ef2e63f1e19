"""The names under which x, y, t and p come: in arrays and tables of other libraries, text headers and HDF5 files."""

from collections.abc import Iterable
from typing import NamedTuple

ALIASES = {
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "t": ("t", "ts", "timestamp", "timestamps", "time"),
    "p": ("p", "ps", "polarity", "polarities", "pol", "on"),
}
"""The names of each field, in any case of letters; the first that is there is taken."""

UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
"""Microseconds of each unit of time; a time's name may end in one, as t_us and timestamp_ns do."""


class Fields(NamedTuple):
    """Which names the four fields have, and the unit of time that the time's name says; None where it says none."""

    names: dict[str, str]
    time_unit: str | None


def find_fields(names: Iterable[str]) -> Fields | None:
    """The fields among `names`, None unless all four are there.

    Example:
        >>> find_fields(["timestamp_ns", "x", "y", "polarity"])
        Fields(names={'x': 'x', 'y': 'y', 't': 'timestamp_ns', 'p': 'polarity'}, time_unit='ns')
    """
    known = {name.lower(): name for name in reversed(list(names))}
    found: dict[str, str] = {}
    time_unit = None
    for field, aliases in ALIASES.items():
        for alias in aliases:
            if alias in known and field not in found:
                found[field] = known[alias]
            for unit in UNITS if field == "t" else ():
                if f"{alias}_{unit}" in known and field not in found:
                    found[field], time_unit = known[f"{alias}_{unit}"], unit
    return Fields(found, time_unit) if len(found) == len(ALIASES) else None

"""Events as arrays: the dtype, how arrays are built, and what every array of events must fulfil."""

import numpy as np
from numpy.typing import ArrayLike

from longspike._core.mistakes import shown

EVENT_DTYPE = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])
"""One event, 13 bytes: x to the right and y down in pixels, t in microseconds since the recording's start, p in {0, 1}."""

LARGEST_SIDE = 1 << 16
LATEST_TIME_US = 1 << 62


def make_events(x: ArrayLike, y: ArrayLike, t: ArrayLike, p: ArrayLike) -> np.ndarray:
    """One array of events from four of one length.

    Raises: ValueError if the lengths differ, or a value does not fit its field: it would wrap silently.

    Example:
        >>> make_events(x=[3, 4], y=[1, 1], t=[0, 250], p=[1, 0])["t"].tolist()
        [0, 250]
    """
    columns = {name: np.asarray(values) for name, values in zip("xytp", (x, y, t, p), strict=True)}
    lengths = {name: column.shape for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or any(column.ndim != 1 for column in columns.values()):
        raise ValueError(f"make_events: x, y, t and p must be of one length and one axis; got shapes {lengths}.")
    events = np.empty(len(columns["x"]), EVENT_DTYPE)
    for name, column in columns.items():
        if column.size and column.dtype.kind not in "iub":
            raise ValueError(
                f"make_events: `{name}` must hold integers; got {column.dtype}. Convert seconds to µs first."
            )
        limits = (0, 1) if name == "p" else (np.iinfo(EVENT_DTYPE[name]).min, np.iinfo(EVENT_DTYPE[name]).max)
        if column.size and not (limits[0] <= int(column.min()) and int(column.max()) <= limits[1]):
            raise ValueError(
                f"make_events: `{name}` must lie in [{limits[0]}, {limits[1]}]; "
                f"got min={column.min()}, max={column.max()}."
            )
        events[name] = column
    return events


def check_sensor_size(where: str, sensor_size: object) -> tuple[int, int]:
    """`sensor_size` as (width, height); raise unless it is two integers from 1 to 65536.

    Three are taken as other libraries have them, (width, height, polarities), where the last is 1 or 2.
    """
    sides = tuple(sensor_size) if isinstance(sensor_size, tuple | list) else ()
    if (
        (len(sides) != 2 and not (len(sides) == 3 and sides[2] in (1, 2)))
        or any(isinstance(side, bool) or not isinstance(side, int | np.integer) for side in sides)
        or not all(1 <= side <= LARGEST_SIDE for side in sides)
    ):
        raise ValueError(
            f"{where}: `sensor_size` must be (width, height) in pixels, each from 1 to {LARGEST_SIDE}; "
            f"got {shown(sensor_size)}."
        )
    return int(sides[0]), int(sides[1])


def check_events(where: str, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """Raise unless `events` is an array of `EVENT_DTYPE`, on the sensor, in order of time from 0 on, with p in {0, 1}."""
    width, height = check_sensor_size(where, sensor_size)
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
        came = f"{events.dtype} of shape {events.shape}" if isinstance(events, np.ndarray) else type(events).__name__
        raise ValueError(
            f"{where}: `events` must be an array of EVENT_DTYPE with one axis; got {came}. Use make_events."
        )
    t = events["t"]
    faults = (
        ((events["x"] >= width) | (events["y"] >= height), f"lies outside the sensor of {width}x{height} pixels"),
        (events["p"] > 1, "has a polarity other than 0 or 1"),
        ((t < 0) | (t > LATEST_TIME_US), "has a time outside [0, 2^62] µs"),
        (np.concatenate([[False], t[1:] < t[:-1]]), "is earlier than the one before it; sort by t first"),
    )
    for is_wrong, what in faults:
        if is_wrong.any():
            k = int(np.argmax(is_wrong))
            x, y, time, p = (int(value) for value in events[k])
            raise ValueError(f"{where}: event {k} (x={x}, y={y}, t={time}, p={p}) {what}.")

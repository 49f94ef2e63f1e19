"""Pure functions from event arrays to event arrays: crop, shift, scale, flip, rotate, jitter, drop, merge.

Each takes events (num_events,) of EVENT_DTYPE, leaves them as they are and returns a new array. A random one takes a
numpy Generator; its result is a function of the arguments and of the generator's state. Events that leave the sensor
are dropped: compare lengths to count them.
"""

import numpy as np

from longspike.events.arguments import (
    check_event_array,
    check_integer,
    check_number,
    check_on_sensor,
    check_rng,
    check_sensor_size,
)

__all__ = [
    "crop_centre",
    "crop_space",
    "crop_time",
    "downsample_space",
    "drop_area",
    "drop_events",
    "flip_polarity",
    "flip_x",
    "flip_y",
    "jitter_space",
    "jitter_time",
    "merge",
    "rotate",
    "scale_space",
    "scale_time",
    "shift_space",
    "sort_time",
]

LONGEST_SCALED_US = 2**53
"""Up to here float64 counts microseconds exactly; 285 years."""


def sort_time(events: np.ndarray) -> np.ndarray:
    """The events in the order of time; equal times keep their order."""
    check_event_array("sort_time", events)
    return events[np.argsort(events["t"], kind="stable")]


def merge(*recordings: np.ndarray) -> np.ndarray:
    """All events of several recordings in the order of time; at equal times those of the earlier argument come first.

    Raises: ValueError if no recording is given.
    """
    if not recordings:
        raise ValueError("merge: give at least one array of events; got none.")
    for events in recordings:
        check_event_array("merge", events)
    return sort_time(np.concatenate(recordings))


def crop_time(events: np.ndarray, *, start_us: int, end_us: int) -> np.ndarray:
    """The events with start_us <= t < end_us; their times stay as they are.

    Raises: ValueError if end_us < start_us.
    """
    where = "crop_time"
    check_event_array(where, events)
    if end_us < start_us:
        raise ValueError(f"{where}: `end_us` must be at least `start_us`, {start_us}; got {end_us}.")
    return events[(events["t"] >= start_us) & (events["t"] < end_us)]


def crop_space(events: np.ndarray, *, left: int, top: int, width: int, height: int) -> np.ndarray:
    """The events of a rectangle, whose upper left pixel becomes (0, 0); the new sensor size is (width, height)."""
    where = "crop_space"
    check_event_array(where, events)
    for name, value, low in (("left", left, 0), ("top", top, 0), ("width", width, 1), ("height", height, 1)):
        check_integer(where, name, value, low=low)
    return _moved(events, (width, height), events["x"].astype(np.int64) - left, events["y"].astype(np.int64) - top)


def _moved(events: np.ndarray, sensor_size: tuple[int, int], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The events at new integer places (x, y), without those that are off the sensor."""
    is_inside = (x >= 0) & (x < sensor_size[0]) & (y >= 0) & (y < sensor_size[1])
    moved = events[is_inside]
    moved["x"], moved["y"] = x[is_inside], y[is_inside]
    return moved


def _checked(where: str, events: np.ndarray, sensor_size: tuple[int, int]) -> tuple[int, int]:
    """The sensor size; raise unless the events lie on that sensor."""
    check_event_array(where, events)
    sensor_size = check_sensor_size(where, sensor_size)
    check_on_sensor(where, events, sensor_size)
    return sensor_size


def shift_space(events: np.ndarray, sensor_size: tuple[int, int], *, dx: int, dy: int) -> np.ndarray:
    """Move events by dx pixels to the right and dy down; those that leave the sensor are dropped."""
    sensor_size = _checked("shift_space", events, sensor_size)
    check_integer("shift_space", "dx", dx, low=-65536)
    check_integer("shift_space", "dy", dy, low=-65536)
    return _moved(events, sensor_size, events["x"].astype(np.int64) + dx, events["y"].astype(np.int64) + dy)


def scale_space(events: np.ndarray, sensor_size: tuple[int, int], *, target: tuple[int, int]) -> np.ndarray:
    """Put the events of a sensor on one of another size, `target`; every event is kept.

        x' = x * target_width // width        y' = y * target_height // height

    In integers, so the result is the same everywhere. Sides that shrink let pixels share a place, sides that grow leave
    some empty.

    Example:
        >>> from longspike.events import make_events
        >>> events = make_events(x=[0, 49], y=[0, 19], t=[1, 2], p=[0, 1])
        >>> scaled = scale_space(events, (50, 20), target=(40, 30))
        >>> scaled["x"].tolist(), scaled["y"].tolist()
        ([0, 39], [0, 28])
    """
    width, height = _checked("scale_space", events, sensor_size)
    new_width, new_height = check_sensor_size("scale_space", target)
    scaled = events.copy()
    scaled["x"] = events["x"].astype(np.int64) * new_width // width
    scaled["y"] = events["y"].astype(np.int64) * new_height // height
    return scaled


def crop_centre(events: np.ndarray, sensor_size: tuple[int, int], *, target: tuple[int, int]) -> np.ndarray:
    """The events in the middle of a sensor, on one of another size, `target`; a smaller sensor lies amid a larger target.

        x' = x - (width - target_width) // 2        y' = y - (height - target_height) // 2

    Events that are not on the target are dropped.
    """
    width, height = _checked("crop_centre", events, sensor_size)
    new_width, new_height = check_sensor_size("crop_centre", target)
    x = events["x"].astype(np.int64) - (width - new_width) // 2
    y = events["y"].astype(np.int64) - (height - new_height) // 2
    return _moved(events, (new_width, new_height), x, y)


def rotate(events: np.ndarray, sensor_size: tuple[int, int], *, degrees: float) -> np.ndarray:
    """Turn events clockwise (as seen, y down) about the sensor's centre, to the nearest pixel.

        x' = c + cos(a) (x - c) - sin(a) (y - d)      y' = d + sin(a) (x - c) + cos(a) (y - d)

    with (c, d) = ((width - 1) / 2, (height - 1) / 2). Events that leave the sensor are dropped; rounding lets pixels
    share a place or leaves one empty, as every rotation on a grid does.
    """
    width, height = _checked("rotate", events, sensor_size)
    check_number("rotate", "degrees", degrees, low=-360.0, high=360.0)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = events["x"] - (width - 1) / 2, events["y"] - (height - 1) / 2
    turned_x = np.floor(cos * x - sin * y + width / 2).astype(np.int64)
    turned_y = np.floor(sin * x + cos * y + height / 2).astype(np.int64)
    return _moved(events, (width, height), turned_x, turned_y)


def flip_x(events: np.ndarray, sensor_size: tuple[int, int]) -> np.ndarray:
    """Mirror left and right: x becomes width - 1 - x. Polarity stays."""
    width, _ = _checked("flip_x", events, sensor_size)
    flipped = events.copy()
    flipped["x"] = width - 1 - events["x"].astype(np.int64)
    return flipped


def flip_y(events: np.ndarray, sensor_size: tuple[int, int]) -> np.ndarray:
    """Mirror top and bottom: y becomes height - 1 - y. Polarity stays."""
    _, height = _checked("flip_y", events, sensor_size)
    flipped = events.copy()
    flipped["y"] = height - 1 - events["y"].astype(np.int64)
    return flipped


def flip_polarity(events: np.ndarray) -> np.ndarray:
    """Exchange on and off: p becomes 1 - p, in integers (a cast to bool or int8 loses off-events)."""
    check_event_array("flip_polarity", events)
    flipped = events.copy()
    flipped["p"] = 1 - events["p"]
    return flipped


def jitter_time(events: np.ndarray, *, std_us: float, rng: np.random.Generator) -> np.ndarray:
    """Move each event in time by a normal number of microseconds, rounded, not before 0; then sort by time.

    The number of events stays. With std_us = 0 the result is `sort_time(events)`.
    """
    check_event_array("jitter_time", events)
    check_number("jitter_time", "std_us", std_us, low=0.0)
    noise = np.rint(std_us * check_rng("jitter_time", rng).standard_normal(len(events))).astype(np.int64)
    moved = events.copy()
    moved["t"] = np.where(noise == 0, events["t"], np.maximum(events["t"] + noise, 0))
    return sort_time(moved)


def jitter_space(
    events: np.ndarray, sensor_size: tuple[int, int], *, std_px: float, rng: np.random.Generator
) -> np.ndarray:
    """Move each event by a normal number of pixels in x and in y, rounded; those that leave the sensor are dropped."""
    sensor_size = _checked("jitter_space", events, sensor_size)
    check_number("jitter_space", "std_px", std_px, low=0.0, high=65536.0)
    noise = np.rint(std_px * check_rng("jitter_space", rng).standard_normal((2, len(events)))).astype(np.int64)
    return _moved(events, sensor_size, events["x"] + noise[0], events["y"] + noise[1])


def drop_events(events: np.ndarray, *, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Drop each event with a probability, independently of the others."""
    check_event_array("drop_events", events)
    check_number("drop_events", "probability", probability, low=0.0, high=1.0)
    return events[check_rng("drop_events", rng).random(len(events)) >= probability]


def drop_area(
    events: np.ndarray, sensor_size: tuple[int, int], *, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Drop the events of a rectangle of the sensor's shape at a uniformly random place.

    Its sides are sqrt(share) of the sensor's, rounded, so that it covers about `share` of the pixels.
    """
    width, height = _checked("drop_area", events, sensor_size)
    check_number("drop_area", "share", share, low=0.0, high=1.0)
    check_rng("drop_area", rng)
    area_width, area_height = round(width * share**0.5), round(height * share**0.5)
    left = int(rng.integers(0, width - area_width + 1))
    top = int(rng.integers(0, height - area_height + 1))
    x, y = events["x"], events["y"]
    return events[~((x >= left) & (x < left + area_width) & (y >= top) & (y < top + area_height))]


def downsample_space(events: np.ndarray, *, factor: int) -> np.ndarray:
    """Join blocks of factor x factor pixels: x and y become x // factor and y // factor.

    Every event is kept, so a coarse pixel sends the events of all its pixels. The new sensor size is
    (ceil(width / factor), ceil(height / factor)).
    """
    check_event_array("downsample_space", events)
    check_integer("downsample_space", "factor", factor, low=1)
    coarse = events.copy()
    coarse["x"], coarse["y"] = events["x"].astype(np.int64) // factor, events["y"].astype(np.int64) // factor
    return coarse


def scale_time(events: np.ndarray, *, factor: float) -> np.ndarray:
    """Stretch time: t becomes floor(t * factor). A factor below 1 makes the recording faster; order is kept.

    Raises: ValueError if a time would exceed 2**53 microseconds.
    """
    where = "scale_time"
    check_event_array(where, events)
    check_number(where, "factor", factor, low=1e-9)
    scaled_times = np.floor(events["t"] * float(factor))
    if len(events) and float(np.abs(scaled_times).max()) > LONGEST_SCALED_US:
        raise ValueError(
            f"{where}: `factor` must keep times within 2**53 microseconds; got {factor:g} for times up to "
            f"{int(events['t'].max())}. Is t in microseconds since the recording's start?"
        )
    scaled = events.copy()
    scaled["t"] = scaled_times.astype(np.int64)
    return scaled

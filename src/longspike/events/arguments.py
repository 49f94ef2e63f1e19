"""Checks of the arguments that functions on event arrays share."""

import math

import numpy as np

from longspike._core.mistakes import shown
from longspike.events.record import EVENT_DTYPE
from longspike.events.record import check_sensor_size as check_sensor_size


def check_event_array(where: str, events: object) -> None:
    """Raise unless `events` is a numpy array (num_events,) of EVENT_DTYPE."""
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE:
        came = f"dtype {str(events.dtype)[:120]}" if isinstance(events, np.ndarray) else type(events).__name__
        raise TypeError(
            f"{where}: `events` must be a numpy array of longspike.events.EVENT_DTYPE; got {came}. "
            "Convert it with longspike.events.as_events(events)."
        )
    if events.ndim != 1:
        raise ValueError(f"{where}: `events` must have one axis; got shape {events.shape}. Flatten it with x.ravel().")


def check_sorted(where: str, events: np.ndarray) -> None:
    """Raise unless the times of an event array do not decrease."""
    times = events["t"]
    is_early = times[1:] < times[:-1]
    if bool(is_early.any()):
        raise ValueError(
            f"{where}: `events` must be in the order of time; event {int(np.argmax(is_early)) + 1} is earlier than the "
            "one before it. Sort them with sort_time(events)."
        )


def check_on_sensor(where: str, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """Raise unless every event lies on the sensor."""
    for name, size in (("x", sensor_size[0]), ("y", sensor_size[1])):
        if len(events) and int(events[name].max()) >= size:
            raise ValueError(
                f"{where}: `{name}` of the events must lie below {size}; got {int(events[name].max())}. "
                "Give the sensor_size = (width, height) of the recording."
            )


def check_number(where: str, name: str, value: float, *, low: float, high: float = math.inf) -> None:
    """Raise unless `value` is finite and lies in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ValueError(f"{where}: `{name}` must be a finite number; got {shown(value)}.")
    if not low <= value <= high:
        raise ValueError(f"{where}: `{name}` must lie in [{low:g}, {high:g}]; got {value:g}.")


def check_rng(where: str, rng: object) -> np.random.Generator:
    """The generator; raise unless `rng` is one of numpy's."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{where}: `rng` must be a numpy.random.Generator; got {type(rng).__name__}. "
            "Make one with numpy.random.default_rng(seed)."
        )
    return rng


def check_integer(where: str, name: str, value: object, *, low: int) -> None:
    """Raise unless `value` is an integer, of Python or numpy, of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f"{where}: `{name}` must be an integer of at least {low}; got {shown(value)}.")

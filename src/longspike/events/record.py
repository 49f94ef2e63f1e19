"""The event record, and the check that an array of events keeps its rules."""

import numpy as np

EVENT_DTYPE = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])
"""x right and y down in pixels, t in microseconds since the recording's start, p 0 (off) or 1 (on); packed, 13 bytes."""


def check_events(events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """Raise unless `events` has dtype EVENT_DTYPE, one axis, times in order, and every event on the sensor.

    Args:
        events: (num_events,), EVENT_DTYPE.
        sensor_size: (width, height).
    Raises: TypeError for another dtype, ValueError for anything else.
    """
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE:
        came = events.dtype if isinstance(events, np.ndarray) else type(events).__name__
        raise TypeError(f"check_events: `events` must be a numpy array of EVENT_DTYPE; got {came}.")
    if events.ndim != 1:
        raise ValueError(f"check_events: `events` must have one axis; got shape {events.shape}.")
    width, height = sensor_size
    for name, size in (("x", width), ("y", height), ("p", 2)):
        if len(events) and int(events[name].max()) >= size:
            raise ValueError(
                f"check_events: `{name}` must lie below {size}; got {int(events[name].max())}. "
                "Is sensor_size = (width, height) that of the recording?"
            )
    times = events["t"]
    if bool((times[1:] < times[:-1]).any()):
        first = int(np.argmax(times[1:] < times[:-1])) + 1
        raise ValueError(f"check_events: `t` must not decrease; it does at event {first}. Sort the events by time.")

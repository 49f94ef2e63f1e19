"""What a recording holds, from one pass in memory that does not grow with the file."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Survey:
    """Facts of a recording.

    Attributes:
        num_events, num_on: in all, and with p = 1.
        first_us, last_us: the times of the first and the last event; 0 without events.
        pixel_counts: (height, width), int64, the events of every pixel.
    """

    num_events: int
    num_on: int
    first_us: int
    last_us: int
    pixel_counts: np.ndarray

    @property
    def duration_us(self) -> int:
        """From the first to the last event."""
        return self.last_us - self.first_us

    @property
    def events_per_s(self) -> float | None:
        """The mean rate; None where no time passes."""
        return 1e6 * self.num_events / self.duration_us if self.duration_us else None

    @property
    def num_active_pixels(self) -> int:
        """Pixels with at least one event."""
        return int(np.count_nonzero(self.pixel_counts))

    def hottest(self, count: int) -> list[tuple[int, int, int]]:
        """At most `count` pixels with the most events, as (x, y, events), the hottest first; none without events."""
        width = self.pixel_counts.shape[1]
        flat = self.pixel_counts.ravel()
        best = np.argsort(-flat, kind="stable")[:count]
        return [(int(k % width), int(k // width), int(flat[k])) for k in best if flat[k]]


def survey(packets: Iterable[np.ndarray], *, sensor_size: tuple[int, int]) -> Survey:
    """Count what is in packets of events, e.g. those of `longspike.events.open`.

    Args: packets: arrays of EVENT_DTYPE in the order of time, on a sensor of `sensor_size` = (width, height).

    Example:
        >>> from longspike.events import make_events
        >>> found = survey([make_events(x=[3, 1, 3], y=[0, 1, 0], t=[5, 9, 105], p=[1, 0, 1])], sensor_size=(4, 2))
        >>> found.num_events, found.duration_us, found.num_active_pixels, found.hottest(1)
        (3, 100, 2, [(3, 0, 2)])
    """
    width, height = sensor_size
    counts = np.zeros(width * height, np.int64)
    num_events = num_on = first_us = last_us = 0
    for packet in packets:
        if not len(packet):
            continue
        first_us = first_us if num_events else int(packet["t"][0])
        last_us = int(packet["t"][-1])
        num_events += len(packet)
        num_on += int(packet["p"].sum())
        pixel, times = np.unique(packet["y"].astype(np.int64) * width + packet["x"], return_counts=True)
        counts[pixel] += times
    return Survey(
        num_events=num_events,
        num_on=num_on,
        first_us=first_us,
        last_us=last_us,
        pixel_counts=counts.reshape(height, width),
    )

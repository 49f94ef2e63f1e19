"""Random changes of training samples, composed in a fixed order and drawn from one generator."""

from dataclasses import dataclass

import numpy as np

from longspike.events.arguments import check_integer, check_number, check_rng
from longspike.events.transforms import (
    drop_area,
    drop_events,
    flip_polarity,
    flip_x,
    flip_y,
    jitter_space,
    jitter_time,
    rotate,
    scale_time,
    shift_space,
)

__all__ = ["Augmentation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """A composed augmentation of event samples; the default changes nothing.

    Applied in this order: flips, rotation, shift, jitter in space, time scale, jitter in time, a dropped area, dropped
    events. Everything is drawn from the generator of the call and from nothing else, so a loader that derives the
    generator from (seed, epoch, sample) repeats an epoch exactly.

    Args:
        flip_x_probability, flip_y_probability, flip_polarity_probability: in [0, 1], for the whole sample at once.
        max_rotation_degrees: the angle is uniform in [-max, max]; 0 .. 180.
        max_shift_px: dx and dy are uniform integers in [-max, max].
        jitter_px: standard deviation of each event's displacement.
        max_time_scale: time is stretched by exp(u), u uniform in [-log max, log max]; at least 1.
        jitter_us: standard deviation of each event's displacement in time.
        max_dropped_area: the share of the sensor that is dropped is uniform in [0, max]; 0 .. 1.
        drop_probability: in [0, 1], of each event.
    Raises: ValueError if one of them is out of range.

    Example:
        >>> from longspike.events import EVENT_DTYPE
        >>> augment = Augmentation(max_shift_px=2, drop_probability=0.5)
        >>> events = np.array([(3, 2, t, 1) for t in range(100)], EVENT_DTYPE)
        >>> seen = augment(events, (8, 6), np.random.default_rng(0))
        >>> len(seen) < 70, len(events)
        (True, 100)
    """

    flip_x_probability: float = 0.0
    flip_y_probability: float = 0.0
    flip_polarity_probability: float = 0.0
    max_rotation_degrees: float = 0.0
    max_shift_px: int = 0
    jitter_px: float = 0.0
    max_time_scale: float = 1.0
    jitter_us: float = 0.0
    max_dropped_area: float = 0.0
    drop_probability: float = 0.0

    def __post_init__(self) -> None:
        """Check every range that the docstring states."""
        where = "Augmentation"
        for kind in ("flip_x", "flip_y", "flip_polarity", "drop"):
            check_number(where, f"{kind}_probability", getattr(self, f"{kind}_probability"), low=0.0, high=1.0)
        check_number(where, "max_rotation_degrees", self.max_rotation_degrees, low=0.0, high=180.0)
        check_integer(where, "max_shift_px", self.max_shift_px, low=0)
        check_number(where, "jitter_px", self.jitter_px, low=0.0, high=65536.0)
        check_number(where, "max_time_scale", self.max_time_scale, low=1.0, high=1e6)
        check_number(where, "jitter_us", self.jitter_us, low=0.0)
        check_number(where, "max_dropped_area", self.max_dropped_area, low=0.0, high=1.0)

    def __call__(self, events: np.ndarray, sensor_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A changed copy of the events, on the same sensor; in the order of time if they were."""
        check_rng("Augmentation", rng)
        events = self._in_space(events, sensor_size, rng)
        if self.max_time_scale > 1.0:
            limit = np.log(self.max_time_scale)
            events = scale_time(events, factor=float(np.exp(rng.uniform(-limit, limit))))
        if self.jitter_us > 0:
            events = jitter_time(events, std_us=self.jitter_us, rng=rng)
        if self.max_dropped_area > 0:
            events = drop_area(events, sensor_size, share=rng.uniform(0.0, self.max_dropped_area), rng=rng)
        return drop_events(events, probability=self.drop_probability, rng=rng)

    def _in_space(self, events: np.ndarray, sensor_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Flips, rotation, shift and jitter of places."""
        if rng.random() < self.flip_x_probability:
            events = flip_x(events, sensor_size)
        if rng.random() < self.flip_y_probability:
            events = flip_y(events, sensor_size)
        if rng.random() < self.flip_polarity_probability:
            events = flip_polarity(events)
        if self.max_rotation_degrees > 0:
            degrees = rng.uniform(-self.max_rotation_degrees, self.max_rotation_degrees)
            events = rotate(events, sensor_size, degrees=degrees)
        if self.max_shift_px > 0:
            dx, dy = rng.integers(-self.max_shift_px, self.max_shift_px + 1, 2).tolist()
            events = shift_space(events, sensor_size, dx=dx, dy=dy)
        if self.jitter_px > 0:
            events = jitter_space(events, sensor_size, std_px=self.jitter_px, rng=rng)
        return events

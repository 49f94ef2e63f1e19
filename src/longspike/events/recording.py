"""A whole recording: the events and what is known of where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recording:
    """The events of one file; indexed, sliced, iterated and given to NumPy it is its array of events.

    Args:
        events: array of `EVENT_DTYPE`, in order of time, all on the sensor; t in microseconds since the start.
        sensor_size: (width, height) in pixels.
        format: the format's name, one of `FORMATS`.
        skipped: how many records and events were left out as faulty; 0 unless reading was asked to skip.
        start_us: what was subtracted from the file's own times: the camera's clock at the first event, or 0 for formats
            whose times count from the recording's start already.
        metadata: what the file says of itself, as text.
    """

    events: np.ndarray
    sensor_size: tuple[int, int]
    format: str
    skipped: int = 0
    start_us: int = 0
    metadata: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of events."""
        return len(self.events)

    def __getitem__(self, key: Any) -> Any:
        """`events[key]`: a field by its name, an event, or some of them."""
        return self.events[key]

    def __iter__(self) -> Iterator[Any]:
        """The events one after the other."""
        return iter(self.events)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The events for `np.asarray`."""
        array = self.events if dtype is None else self.events.astype(dtype, copy=False)
        return array.copy() if copy else array

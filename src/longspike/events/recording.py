"""A whole recording: the events and what is known of where they come from."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recording:
    """The events of one file.

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

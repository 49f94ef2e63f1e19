"""Labelled event samples held in memory: one split, and a data set of three."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventSplit:
    """Event samples, one after the other, and their labels.

    Args:
        events: (num_events,), EVENT_DTYPE, the samples concatenated.
        offsets: (num_samples + 1,), int64; sample k owns offsets[k] : offsets[k+1].
        labels: (num_samples,), int64.
        sensor_size: (width, height).
    """

    events: np.ndarray
    offsets: np.ndarray
    labels: Tensor
    sensor_size: tuple[int, int]

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.labels)

    def sample(self, index: int) -> np.ndarray:
        """The events of one sample, a view."""
        return self.events[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventBundle:
    """An event data set: three splits, and what a report has to say about them."""

    name: str
    train: EventSplit
    val: EventSplit
    test: EventSplit
    num_classes: int
    sensor_size: tuple[int, int]
    class_names: tuple[str, ...]
    source: str

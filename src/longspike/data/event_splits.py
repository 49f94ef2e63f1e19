"""Labelled event samples: splits in memory and read on demand, and batches of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.checks import describe
from longspike.data.checks import check_index, check_indices, check_labels
from longspike.errors import DataFileError
from longspike.events.arguments import check_event_array, check_on_sensor, check_sensor_size, check_sorted
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.events.record import EVENT_DTYPE

EventAugment = Callable[[np.ndarray, tuple[int, int], np.random.Generator], np.ndarray]
"""Changes the events of one sample on a sensor of that size, with that sample's generator; in the order of time."""


class EventBatch(NamedTuple):
    """Event samples and their labels.

    events: the samples one after the other, without padding.
    labels: (batch,), int64.
    """

    events: RaggedEvents
    labels: Tensor


class AbstractEventSplit(Dataset[tuple[np.ndarray, int]], ABC):
    """What event samples in memory and on demand have in common: a data set of PyTorch of pairs (events, label)."""

    labels: Tensor
    sensor_size: tuple[int, int]

    @abstractmethod
    def sample(self, index: int) -> np.ndarray:
        """The events of sample 0 <= index < len."""

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """The events and the label of sample 0 <= index < len."""
        return self.sample(index), int(self.labels[index])

    def batch(
        self, indices: Tensor, *, augment: EventAugment | None = None, rngs: Sequence[np.random.Generator] = ()
    ) -> EventBatch:
        """The batch that `make_event_batch` draws; what a loader asks of every kind of split."""
        return make_event_batch(self, indices, augment=augment, rngs=rngs)

    def collate(self, samples: Sequence[tuple[np.ndarray, int]]) -> EventBatch:
        """Put pairs (events, label) into a batch: the `collate_fn` of a DataLoader over this split."""
        events = collate_events([sample for sample, _ in samples], sensor_size=self.sensor_size)
        return EventBatch(events, torch.tensor([label for _, label in samples], dtype=torch.int64))


def make_event_batch(
    split: AbstractEventSplit,
    indices: Tensor,
    *,
    augment: EventAugment | None = None,
    rngs: Sequence[np.random.Generator] = (),
) -> EventBatch:
    """Draw samples, change each one by `augment` if there is one, and put them one after the other.

    Args:
        split: left as it is.
        indices: (batch,), int64.
        augment: called once a sample.
        rngs: one generator per sample, for `augment`.
    """
    samples = [split[index] for index in indices.tolist()]
    if augment is not None:
        pairs = zip(samples, rngs, strict=True)
        samples = [(augment(events, split.sensor_size, rng), label) for (events, label), rng in pairs]
    return split.collate(samples)


def _check_order(events: np.ndarray, offsets: np.ndarray) -> None:
    """Raise unless times do not decrease within any sample."""
    is_early = np.diff(events["t"]) < 0
    starts = offsets[1:-1]
    is_early[starts[(starts > 0) & (starts < len(events))] - 1] = False
    if bool(is_early.any()):
        sample = int(np.searchsorted(offsets, np.argmax(is_early) + 1, side="right")) - 1
        raise ValueError(
            f"EventSplit: `events` must be in the order of time within a sample; sample {sample} is not. "
            "Sort each sample by t."
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventSplit(AbstractEventSplit):
    """Event samples in memory, one after the other, and their labels.

    Args:
        events: (num_events,), EVENT_DTYPE, the samples concatenated; may be mapped from a file.
        offsets: (num_samples + 1,), int64, numpy or tensor, kept as numpy; sample k owns offsets[k] : offsets[k+1].
        labels: (num_samples,), int64, class indices, labels >= 0.
        sensor_size: (width, height).
    Raises: TypeError if `events` is no array of EVENT_DTYPE; ValueError if a shape, a dtype, the order of time or a
    bound is not as above.

    Example:
        >>> events = np.array([(3, 1, 10, 1), (4, 1, 25, 0), (0, 0, 7, 1)], EVENT_DTYPE)
        >>> split = EventSplit(events=events, offsets=np.array([0, 2, 3]), labels=torch.tensor([5, 0]), sensor_size=(8, 2))
        >>> len(split), split.sample(1)["t"].tolist(), split.batch(torch.tensor([1, 0])).events.offsets.tolist()
        (2, [7], [0, 1, 3])
    """

    events: np.ndarray
    offsets: np.ndarray
    labels: Tensor
    sensor_size: tuple[int, int]

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        object.__setattr__(self, "sensor_size", check_sensor_size("EventSplit", self.sensor_size))
        offsets = self.offsets.numpy() if isinstance(self.offsets, Tensor) else self.offsets
        object.__setattr__(self, "offsets", offsets)
        check_event_array("EventSplit", self.events)
        if not isinstance(offsets, np.ndarray) or offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets):
            raise ValueError(
                f"EventSplit: `offsets` must be int64 of shape (num_samples + 1,); got {describe(offsets)}. "
                "Build it with np.cumsum([0, *lengths])."
            )
        if offsets[0] != 0 or offsets[-1] != len(self.events) or bool((np.diff(offsets) < 0).any()):
            raise ValueError(
                f"EventSplit: `offsets` must rise from 0 to the number of events, {len(self.events)}; got "
                f"{offsets[0]} to {offsets[-1]}. Build it with np.cumsum([0, *lengths])."
            )
        check_labels("EventSplit", self.labels, len(offsets) - 1)
        check_on_sensor("EventSplit", self.events, self.sensor_size)
        if len(self.events) and int(self.events["p"].max()) > 1:
            raise ValueError("EventSplit: `p` of the events must be 0 or 1; got others. Map off to 0 and on to 1.")
        _check_order(self.events, offsets)

    def sample(self, index: int) -> np.ndarray:
        """The events of sample 0 <= index < len, a view."""
        check_index("EventSplit.sample", index, len(self))
        return self.events[self.offsets[index] : self.offsets[index + 1]]

    def select(self, indices: Tensor) -> "EventSplit":
        """The samples at `indices`, an int64 tensor (num_selected,), in that order, as a new split.

        Raises: ValueError if `indices` is not such a tensor, IndexError if an index lies outside the split.
        """
        check_indices("EventSplit.select", indices)
        samples = [self.sample(index) for index in indices.tolist()]
        return split_of_samples(samples, self.labels.index_select(0, indices), sensor_size=self.sensor_size)


def split_of_samples(samples: Sequence[np.ndarray], labels: Tensor, *, sensor_size: tuple[int, int]) -> EventSplit:
    """The split that holds these event arrays, copied one after the other."""
    return EventSplit(
        events=np.concatenate(samples) if len(samples) else np.empty(0, EVENT_DTYPE),
        offsets=np.cumsum([0, *(len(sample) for sample in samples)], dtype=np.int64),
        labels=labels,
        sensor_size=sensor_size,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LazyEventSplit(AbstractEventSplit):
    """Event samples that are read when they are drawn, for sets larger than memory; otherwise as `EventSplit`.

    Args:
        sources: where each sample is, (num_samples,): paths, or anything else that `reader` takes.
        labels: (num_samples,), int64, class indices, labels >= 0.
        sensor_size: (width, height).
        reader: the events of one source, EVENT_DTYPE, in the order of time. Nothing of what it returns is kept.
    Raises: ValueError if the labels do not fit. Drawing a sample raises what `reader` raises, and DataFileError, with
    its source, if its events break the rules of EVENT_DTYPE.
    """

    sources: tuple[Any, ...]
    labels: Tensor
    sensor_size: tuple[int, int]
    reader: Callable[[Any], np.ndarray]

    def __post_init__(self) -> None:
        """Check the labels and the size."""
        object.__setattr__(self, "sensor_size", check_sensor_size("LazyEventSplit", self.sensor_size))
        check_labels("LazyEventSplit", self.labels, len(self.sources))

    def sample(self, index: int) -> np.ndarray:
        """The events of sample 0 <= index < len, read now and checked."""
        check_index("LazyEventSplit.sample", index, len(self))
        events = self.reader(self.sources[index])
        try:
            check_event_array("LazyEventSplit", events)
            check_on_sensor("LazyEventSplit", events, self.sensor_size)
            check_sorted("LazyEventSplit", events)
        except (TypeError, ValueError) as error:
            raise DataFileError(f"{self.sources[index]} holds no sample of this data set. {error}") from error
        return events

    def select(self, indices: Tensor) -> "LazyEventSplit":
        """The samples at `indices`, as `EventSplit.select`; none is read."""
        check_indices("LazyEventSplit.select", indices)
        return LazyEventSplit(
            sources=tuple(self.sources[index] for index in indices.tolist()),
            labels=self.labels.index_select(0, indices),
            sensor_size=self.sensor_size,
            reader=self.reader,
        )

    def in_memory(self) -> EventSplit:
        """The same samples, all read now: 13 bytes an event."""
        samples = [self.sample(index) for index in range(len(self))]
        return split_of_samples(samples, self.labels, sensor_size=self.sensor_size)


AnyEventSplit = EventSplit | LazyEventSplit

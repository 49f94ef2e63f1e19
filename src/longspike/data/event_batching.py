"""Batches of event samples, drawn from a split and changed by an augmentation."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from longspike.events.ragged import RaggedEvents, collate_events

EventAugment = Callable[[np.ndarray, tuple[int, int], np.random.Generator], np.ndarray]
"""Changes the events of one sample on a sensor of that size, with that sample's generator; in the order of time."""


class EventBatch(NamedTuple):
    """Event samples and their labels.

    events: the samples one after the other, without padding.
    labels: (batch,), int64.
    """

    events: RaggedEvents
    labels: Tensor


class _Samples(Protocol):
    """What a batch is made from."""

    @property
    def labels(self) -> Tensor: ...
    @property
    def sensor_size(self) -> tuple[int, int]: ...
    def sample(self, index: int) -> np.ndarray: ...


def make_event_batch(
    split: _Samples,
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
    samples = [split.sample(index) for index in indices.tolist()]
    if augment is not None:
        pairs = zip(samples, rngs, strict=True)
        samples = [augment(events, split.sensor_size, rng) for events, rng in pairs]
    return EventBatch(collate_events(samples, sensor_size=split.sensor_size), split.labels.index_select(0, indices))

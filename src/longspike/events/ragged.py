"""Batches of event samples of different lengths in flat tensors, without padding."""

from typing import NamedTuple

from torch import Tensor


class RaggedEvents(NamedTuple):
    """Events of several samples, one after the other; sample k owns offsets[k] : offsets[k+1].

    x, y: (num_events,), int32, column and row.
    t: (num_events,), int64, microseconds, non-decreasing within a sample.
    p: (num_events,), int32, 0 off, 1 on.
    offsets: (batch + 1,), int64, from 0 to num_events.
    """

    x: Tensor
    y: Tensor
    t: Tensor
    p: Tensor
    offsets: Tensor

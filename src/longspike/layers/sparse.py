"""Sparse spikes: what happened, where and when, for a batch of samples in flat tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import check_positive_int, describe
from longspike.events.ragged import RaggedEvents
from longspike.events.record import LATEST_TIME_US


class SparseSpikes(NamedTuple):
    """Items of several samples on a grid, one after the other; sample k owns offsets[k] : offsets[k+1].

    An item is a touched cell in one step, or one event. Items of layers are sorted by (sample, step, y*width + x) and
    unique; events are sorted by step, and several may share a step and a cell.

    values: (num_items, channels), float: spikes 0 or 1; silent items are kept, for the gradient reaches them too.
    step: (num_items,), int64. x, y: (num_items,), int32, column and row. offsets: (batch + 1,), int64.
    grid_size: (width, height).
    """

    values: Tensor
    step: Tensor
    x: Tensor
    y: Tensor
    offsets: Tensor
    grid_size: tuple[int, int]


def from_events(
    events: RaggedEvents, sensor_size: tuple[int, int], *, step_us: int, dtype: torch.dtype = torch.float32
) -> SparseSpikes:
    """Events as the items of a first layer: one each, in their order, values one-hot in polarity (off, on).

        step = t // step_us

    Args:
        events: a batch; t in microseconds.
        sensor_size: (width, height).
        step_us: length of a step in microseconds; all events of a step are processed together.

    Raises: ValueError for an event beyond the sensor, a time outside [0, 2^62], or a polarity that is neither 0 nor 1.

    Example:
        >>> x, y, p = (torch.tensor([k], dtype=torch.int32) for k in (3, 1, 1))
        >>> events = RaggedEvents(x, y, torch.tensor([2500]), p, torch.tensor([0, 1]))
        >>> spikes = from_events(events, (8, 4), step_us=1000)
        >>> spikes.values.tolist(), spikes.step.tolist()
        ([[0.0, 1.0]], [2])
    """
    check_positive_int("from_events", "step_us", step_us)
    for name, size in (("x", sensor_size[0]), ("y", sensor_size[1]), ("p", 2)):
        field = getattr(events, name)
        if field.numel() and not (int(field.min()) >= 0 and int(field.max()) < size):
            raise ValueError(
                f"from_events: `{name}` must lie in [0, {size - 1}]; got min={int(field.min())}, max={int(field.max())}. "
                f"Is sensor_size={tuple(sensor_size)} the (width, height) of the recording?"
            )
    if events.t.numel() and not (int(events.t.min()) >= 0 and int(events.t.max()) <= LATEST_TIME_US):
        raise ValueError(
            f"from_events: `t` must lie in [0, 2^62]; got min={int(events.t.min())}, max={int(events.t.max())}. "
            "Times are microseconds since the recording's start."
        )
    values = torch.nn.functional.one_hot(events.p.long(), 2).to(dtype)
    step = torch.div(events.t, step_us, rounding_mode="floor")
    return SparseSpikes(values, step, events.x, events.y, events.offsets, (int(sensor_size[0]), int(sensor_size[1])))


def check_sparse(where: str, inputs: SparseSpikes, channels: int) -> None:
    """Raise unless the values of `inputs` are (items, channels) floats; places and times are checked by the plan."""
    values = inputs.values
    if values.dim() != 2 or values.shape != (inputs.step.numel(), channels) or not values.dtype.is_floating_point:
        raise ValueError(
            f"{where}: `inputs.values` must be floating point of shape (items, channels) = "
            f"({inputs.step.numel()}, {channels}); got {describe(values)}."
        )

"""What happens at a tick of the memory besides the memory itself: embedding of cells, layer norm, pooling of ticks.

Every result depends on its own row, tick or sample alone and is summed in a stated order, so a stream gives the bits of
a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike.kernels._dispatch import choose_tick
from longspike.kernels.tick import reference
from longspike.kernels.tick.operator import embed_op, event_pool_op, layer_norm_op

EPS = 1e-5


class EventPoolState(NamedTuple):
    """A running mean over windows of ticks; float64, because a stream has no end.

    window: (batch, channels), weighted sum over the incomplete window. windows: (batch, channels), sum of the means of
    the complete ones. counts: (batch, 3), weight and ticks of the incomplete window, number of complete ones.
    """

    window: Tensor
    windows: Tensor
    counts: Tensor


def embed_cells(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor, *, method: str = "auto") -> Tensor:
    """u[tick] = sum over the tick's items q and channels c of values[q, c] * weight[cell[q], c], zeros skipped.

    Shapes: values (items, channels), cell (items), tick_offsets (ticks + 1) into the items, weight (cells, channels,
    d_model) -> (ticks, d_model). The gradient reaches silent values too.
    """
    choice = choose_tick("embed_cells", method, device=values.device, dtype=values.dtype)
    call = embed_op if choice.backend == "cpp" else reference.embed_cells
    return call(values, cell, tick_offsets, weight)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, method: str = "auto") -> Tensor:
    """(x - mean) / sqrt(variance + 1e-5) * weight + bias over the last axis; moments in float64."""
    choice = choose_tick("layer_norm", method, device=x.device, dtype=x.dtype)
    if choice.backend == "cpp":
        return layer_norm_op(x, weight, bias, EPS)
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, EPS)


def event_pool(
    y: Tensor, weights: Tensor, offsets: Tensor, state: EventPoolState, *, size: int, method: str = "auto"
) -> tuple[Tensor, EventPoolState]:
    """Mean over windows of `size` ticks of the windows' weighted means; an incomplete last window counts as one.

    Shapes: y (ticks, channels), weights (ticks) positive, offsets (batch + 1) -> (batch, channels), and the state.
    Zero where no tick was seen.
    """
    choice = choose_tick("event_pool", method, device=y.device, dtype=y.dtype)
    call = event_pool_op if choice.backend == "cpp" else reference.event_pool
    window, windows, counts = (x.to(torch.float64) for x in state)
    mean, *end = call(y, weights.to(torch.float64), offsets, window, windows, counts, size)
    return mean, EventPoolState(*end)

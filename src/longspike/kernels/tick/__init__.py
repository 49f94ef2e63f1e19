"""What happens at a tick of the memory besides the memory itself: embedding of cells, pooling of ticks.

Every result depends on its own tick or sample alone and is summed in a stated order, so a stream gives the bits of
a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike.kernels._dispatch import choose
from longspike.kernels.tick import reference
from longspike.kernels.tick.operator import embed_op, event_pool_op, expect_cells, expect_ticks


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
    if choose("embed_cells", method, values.device, values.dtype).backend == "cpp":
        return embed_op(values, cell, tick_offsets, weight)
    expect_cells(values, cell, tick_offsets, weight)
    return reference.embed_cells(values, cell, tick_offsets, weight)


def event_pool(
    y: Tensor, weights: Tensor, offsets: Tensor, state: EventPoolState, *, size: int, method: str = "auto"
) -> tuple[Tensor, EventPoolState]:
    """Mean over windows of `size` ticks of the windows' weighted means; an incomplete last window counts as one.

    Shapes: y (ticks, channels), weights (ticks) positive, offsets (batch + 1) -> (batch, channels), and the state.
    Zero where no tick was seen. `weights` and the state's counts are constants of the derivative.
    """
    if weights.requires_grad:
        raise ValueError("event_pool: `weights` have no gradient; got weights that require one. Detach them.")
    window, windows, counts = (x.to(torch.float64) for x in state)
    arguments = (y, weights.to(torch.float64), offsets, window, windows, counts)
    if choose("event_pool", method, y.device, y.dtype).backend == "cpp":
        mean, *end = event_pool_op(*arguments, size)
    else:
        expect_ticks(*arguments)
        mean, *end = reference.event_pool(*arguments, size)
    return mean, EventPoolState(*end)

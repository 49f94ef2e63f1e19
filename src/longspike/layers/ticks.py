"""When the memory ticks: the steps in which the front brings at least one spike."""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.transforms import structure_of
from longspike.layers.sparse import SparseSpikes

NEVER = -1
"""The last tick's step of a sample that has not ticked yet."""


class Ticks(NamedTuple):
    """Ticks of a batch and the cells that were touched in them.

    items: (items) indices into the sparse spikes. cell: (items), row by row. tick_offsets: (ticks + 1) into items.
    step: (ticks). delta: (ticks), steps since the sample's last tick, 1 at its first. offsets: (batch + 1) into ticks.
    last_step: (batch), of the last tick, -1 if there was none.
    """

    items: Tensor
    cell: Tensor
    tick_offsets: Tensor
    step: Tensor
    delta: Tensor
    offsets: Tensor
    last_step: Tensor


def _cumulative(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def find_ticks(spikes: SparseSpikes, last_step: Tensor) -> Ticks:
    """The ticks that `spikes` cause after `last_step` (batch).

    A step ticks the memory if a channel of one of its touched cells spikes; silent cells of such a step stay in the
    list, because the gradient reaches them.

    Raises: ValueError if a sample's first tick is not after its last one.
    """
    batch, device = len(spikes.offsets) - 1, spikes.step.device
    sample = torch.repeat_interleave(torch.arange(batch, device=device), spikes.offsets.diff())
    is_new = torch.ones_like(spikes.step, dtype=torch.bool)
    is_new[1:] = (spikes.step[1:] != spikes.step[:-1]) | (sample[1:] != sample[:-1])
    group = is_new.cumsum(0) - 1
    fired = structure_of("find_ticks", (spikes.values.detach() != 0).any(dim=1))
    is_tick = torch.zeros(int(is_new.sum()), dtype=torch.bool, device=device)
    is_tick[group[fired]] = True
    items = is_tick[group].nonzero()[:, 0]
    first = is_new.nonzero()[:, 0][is_tick]
    step, tick_sample = spikes.step[first], sample[first]
    sizes = torch.bincount(group, minlength=len(is_tick))[is_tick]
    offsets = _cumulative(torch.bincount(tick_sample, minlength=batch))
    before = torch.cat([step.new_full((1,), NEVER), step[:-1]])
    begins = offsets[:-1][offsets.diff() > 0]
    before[begins] = last_step[tick_sample[begins]]
    delta = torch.where(before == NEVER, torch.ones_like(step), step - before)
    if bool((delta <= 0).any()):
        k = int((delta <= 0).nonzero()[0])
        raise ValueError(
            f"find_ticks: the first tick of sample {int(tick_sample[k])} is in step {int(step[k])}, its last one was in "
            f"step {int(before[k])}. Pass all events of a step in one call, and calls in the order of time."
        )
    end = last_step.clone()
    has_ticked = offsets.diff() > 0
    end[has_ticked] = step[offsets[1:][has_ticked] - 1]
    cell = spikes.y[items].to(torch.int64) * spikes.grid_size[0] + spikes.x[items].to(torch.int64)
    return Ticks(items, cell, _cumulative(sizes), step, delta, offsets, end)

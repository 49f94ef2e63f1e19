"""The plans in plain PyTorch: every input meets every tap, and sorting by key finds rows and groups."""

import torch
from torch import Tensor


def _first_unsorted(step: Tensor, sample: Tensor) -> int:
    is_unsorted = (step[1:] < step[:-1]) & (sample[1:] == sample[:-1])
    return int(is_unsorted.nonzero()[0]) + 1 if bool(is_unsorted.any()) else -1


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _starts(changes: Tensor) -> Tensor:
    """Offsets of runs: `changes` (n) is True where a run starts."""
    return torch.cat([changes.nonzero()[:, 0], torch.tensor([changes.numel()], device=changes.device)])


def _is_new(*keys: Tensor) -> Tensor:
    """True where any of the keys differs from the entry before."""
    changed = torch.ones_like(keys[0], dtype=torch.bool)
    changed[1:] = torch.stack([key[1:] != key[:-1] for key in keys]).any(0)
    return changed


def _sorted_by(*keys: Tensor) -> Tensor:
    """The stable order by the first key, then the second, and so on."""
    order = torch.arange(keys[0].numel(), device=keys[0].device)
    for key in reversed(keys):
        order = order[torch.sort(key[order], stable=True).indices]
    return order


def dendrite_rows(
    step: Tensor,
    x: Tensor,
    y: Tensor,
    is_active: Tensor,
    offsets: Tensor,
    width: int,
    height: int,
    kernel: int,
    stride: int,
    padding: int,
) -> tuple[int, list[Tensor]]:
    """The first input out of order (or -1), and the arrays of a `DendritePlan` in its order."""
    batch = offsets.numel() - 1
    sample = torch.repeat_interleave(torch.arange(batch, device=step.device), offsets.diff())
    unsorted = _first_unsorted(step, sample)
    out_width, out_height = ((size + 2 * padding - kernel) // stride + 1 for size in (width, height))
    tap = torch.arange(kernel * kernel, device=step.device)
    px = x.long()[:, None] + padding - tap % kernel  # (inputs, taps): stride times the output column
    py = y.long()[:, None] + padding - tap // kernel
    is_inside = (px >= 0) & (py >= 0) & (px % stride == 0) & (py % stride == 0)
    is_inside &= (px // stride < out_width) & (py // stride < out_height)
    pair_input, pair_tap = is_inside.nonzero(as_tuple=True)
    cell = (py // stride * out_width + px // stride)[pair_input, pair_tap]
    order = _sorted_by(sample[pair_input], cell, step[pair_input], pair_input)
    pair_input, pair_tap, cell = pair_input[order], pair_tap[order], cell[order]
    row = _is_new(sample[pair_input], cell, step[pair_input]).long().cumsum(0) - 1
    num_rows = int(row[-1]) + 1 if row.numel() else 0
    has_active = torch.zeros(num_rows, dtype=torch.long, device=step.device)
    has_active.index_add_(0, row, is_active[pair_input].long())
    kept = (has_active > 0)[row]
    pair_input, pair_tap, cell = pair_input[kept], pair_tap[kept], cell[kept]
    pair_offsets = _starts(_is_new(sample[pair_input], cell, step[pair_input]))
    first = pair_offsets[:-1]
    row_sample, row_cell, row_step = sample[pair_input[first]], cell[first], step[pair_input[first]]
    chain_offsets = _starts(_is_new(row_sample, row_cell))
    row_offsets = _offsets(torch.bincount(row_sample, minlength=batch))
    return unsorted, [
        row_sample.int(),
        (row_cell % out_width).int(),
        (row_cell // out_width).int(),
        row_step,
        chain_offsets,
        pair_offsets,
        pair_input,
        pair_tap.int(),
        row_offsets,
    ]


def pooled_rows(
    step: Tensor, row_offsets: Tensor, x: Tensor, y: Tensor, sample: Tensor, grid: tuple[int, int], pool: int
) -> list[Tensor]:
    """The arrays of a `PoolPlan` in its order."""
    cell = y.long() // pool * grid[0] + x.long() // pool
    order = _sorted_by(sample, step, cell)
    group_offsets = _starts(_is_new(sample[order], step[order], cell[order]))
    first = order[group_offsets[:-1]]
    item_offsets = _offsets(torch.bincount(sample[first].long(), minlength=row_offsets.numel() - 1))
    return [
        step[first],
        (cell[first] % grid[0]).int(),
        (cell[first] // grid[0]).int(),
        item_offsets,
        group_offsets,
        order,
    ]

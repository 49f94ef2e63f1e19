"""Which rows a batch of sparse inputs makes, and which rows are pooled together: structure, no floating-point numbers.

A position of the output grid is updated only in a step in which an active input falls into its receptive field. Such an
update is a row; the rows of one (sample, position), in time order, are a chain with a clock of its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import check_offsets, check_positive_int, describe
from longspike._core.transforms import structure_of
from longspike.kernels import native
from longspike.kernels._dispatch import backend_of
from longspike.kernels.dendrite import reference_plan

WHERE = "dendrite_plan"
LARGEST_KERNEL = 255


class DendritePlan(NamedTuple):
    """Rows in the order (sample, cell = y*width + x, step), the chains they form, and the inputs each one adds.

    Attributes:
        row_sample, row_x, row_y: (rows) int32; row_step: (rows) int64.
        chain_offsets: (chains + 1) int64, chain k is the rows [chain_offsets[k], chain_offsets[k + 1]).
        pair_offsets: (rows + 1) int64; pair_input: (pairs) int64, pair_tap: (pairs) int32. Row r adds the inputs
            pair_input[pair_offsets[r] : pair_offsets[r + 1]], in the order in which they came, under the taps
            tap = ky*kernel + kx, with x_in = x_out*stride - padding + kx.
        row_offsets: (batch + 1) int64, the rows of each sample.
        grid_size: (width, height) of the output.
    """

    row_sample: Tensor
    row_x: Tensor
    row_y: Tensor
    row_step: Tensor
    chain_offsets: Tensor
    pair_offsets: Tensor
    pair_input: Tensor
    pair_tap: Tensor
    row_offsets: Tensor
    grid_size: tuple[int, int]


class PoolPlan(NamedTuple):
    """Rows grouped by (sample, step, pooled cell), in that order.

    Attributes:
        item_step: (items) int64; item_x, item_y: (items) int32, the pooled cell; item_offsets: (batch + 1) int64.
        group_offsets: (items + 1) int64 into group_rows: (rows) int64, rows of a group ascending by their own cell.
        grid_size: (width, height) of the pooled grid.
    """

    item_step: Tensor
    item_x: Tensor
    item_y: Tensor
    item_offsets: Tensor
    group_offsets: Tensor
    group_rows: Tensor
    grid_size: tuple[int, int]


def output_grid(where: str, grid_size: tuple[int, int], *, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """(width, height) after a kernel x kernel window; raise where nothing is left."""
    check_positive_int(where, "kernel", kernel)
    check_positive_int(where, "stride", stride)
    check_positive_int(where, "padding", padding, low=0)
    if kernel > LARGEST_KERNEL:
        raise ValueError(f"{where}: `kernel` must be at most {LARGEST_KERNEL}; got {kernel}.")
    width, height = ((size + 2 * padding - kernel) // stride + 1 for size in grid_size)
    if min(width, height) < 1 or width * height >= 2**31:
        raise ValueError(
            f"{where}: `grid_size` {tuple(grid_size)} with kernel {kernel}, stride {stride} and padding {padding} "
            f"must leave between 1 and 2^31 - 1 output cells; it leaves ({width}, {height})."
        )
    return width, height


def _check_inputs(
    step: Tensor, x: Tensor, y: Tensor, is_active: Tensor, offsets: Tensor, grid_size: tuple[int, int]
) -> None:
    expected = (("step", step, torch.int64), ("x", x, torch.int32), ("y", y, torch.int32))
    for name, value, dtype in (*expected, ("is_active", is_active, torch.bool)):
        if value.dtype != dtype or tuple(value.shape) != (step.numel(),):
            raise ValueError(
                f"{WHERE}: `{name}` must have shape ({step.numel()},) and dtype {dtype}; got {describe(value)}."
            )
    check_offsets(WHERE, "offsets", offsets, step.numel(), f"the number of items ({step.numel()})")
    for name, value, size in (("x", x, grid_size[0]), ("y", y, grid_size[1])):
        if value.numel() and not (int(value.min()) >= 0 and int(value.max()) < size):
            raise ValueError(
                f"{WHERE}: `{name}` must lie in [0, {size}) for grid_size {tuple(grid_size)}; "
                f"got min={int(value.min())}, max={int(value.max())}. Is the sensor larger, or are x and y swapped?"
            )


def dendrite_plan(
    step: Tensor,
    x: Tensor,
    y: Tensor,
    is_active: Tensor,
    offsets: Tensor,
    *,
    grid_size: tuple[int, int],
    kernel: int,
    stride: int = 1,
    padding: int = 0,
) -> DendritePlan:
    """The rows of a layer whose every output cell sees kernel x kernel input cells.

    A silent input (`is_active` False) belongs to the rows that active ones make, and never makes a row. Time and memory
    grow with inputs times receptive fields; with the grid only through one counter per cell and thread.

    Args:
        step: (inputs) int64, not decreasing within a sample. x, y: (inputs) int32, inside `grid_size` (width, height).
        is_active: (inputs) bool. offsets: (batch + 1) int64, the inputs of each sample.

    Raises: ValueError for a wrong shape or dtype, an input outside the grid, or one earlier than the one before it.
    """
    grid = output_grid(WHERE, grid_size, kernel=kernel, stride=stride, padding=padding)
    _check_inputs(step, x, y, is_active, offsets, grid_size)
    held = (step, x, y, is_active, offsets)
    step, x, y, is_active, offsets = (structure_of(WHERE, t.contiguous()) for t in held)
    geometry = (*grid_size, kernel, stride, padding)
    if backend_of("dendrite_plan", step.device, step.dtype) == "cpp":
        tensors, numbers = (step, x, y, is_active, offsets), (offsets.numel() - 1, *geometry, native.threads())
        unsorted, *found = native.extension().dendrite_plan(native.addresses(tensors), numbers)
        arrays = [torch.from_numpy(array) for array in found]
    else:
        unsorted, arrays = reference_plan.dendrite_rows(step, x, y, is_active, offsets, *geometry)
    if unsorted >= 0:
        raise ValueError(
            f"{WHERE}: `step` must not decrease within a sample; input {unsorted} has step {int(step[unsorted])} after "
            f"{int(step[unsorted - 1])}. Sort the events by time first."
        )
    return DendritePlan(*arrays, grid)  # type: ignore[arg-type, call-arg]


def pool_plan(plan: DendritePlan, pool: int) -> PoolPlan:
    """The rows of `plan` that a pool x pool window takes together in one step; windows at the border may be smaller."""
    check_positive_int("pool_plan", "pool", pool)
    width, height = plan.grid_size
    grid = ((width + pool - 1) // pool, (height + pool - 1) // pool)
    held = (plan.row_step, plan.row_offsets, plan.row_x, plan.row_y)
    step, row_offsets, x, y = (structure_of("pool_plan", t.contiguous()) for t in held)
    if backend_of("pool_plan", step.device, step.dtype) == "cpp":
        numbers = (row_offsets.numel() - 1, width, height, pool, native.threads())
        found = native.extension().pool_plan(native.addresses((step, row_offsets, x, y)), numbers)
        arrays = [torch.from_numpy(array) for array in found]
    else:
        arrays = reference_plan.pooled_rows(step, row_offsets, x, y, plan.row_sample, grid, pool)
    return PoolPlan(*arrays, grid)  # type: ignore[arg-type, call-arg]

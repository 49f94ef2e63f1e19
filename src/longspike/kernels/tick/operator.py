"""The operators of a tick as PyTorch operators over the compiled kernels."""

from typing import Any

import torch
from torch import Tensor

from longspike._core.checks import check_offsets
from longspike.kernels import native
from longspike.kernels._arguments import expect, expect_indices
from longspike.kernels._operators import operator, register_gradient


def expect_cells(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor) -> None:
    """Raise unless they fit together; what `cell` and `tick_offsets` hold is read."""
    if values.dim() != 2 or weight.dim() != 3:
        raise ValueError(
            "embed_cells: `values` must have shape (items, channels) and `weight` (cells, channels, d_model); "
            f"got shapes {tuple(values.shape)} and {tuple(weight.shape)}."
        )
    (items, channels), (cells, _, d_model) = values.shape, weight.shape
    expect("embed_cells", values, weight=(weight, (cells, channels, d_model)))
    expect("embed_cells", values, torch.int64, cell=(cell, (items,)))
    expect_indices("embed_cells", "cell", cell, cells)
    check_offsets("embed_cells", "tick_offsets", tick_offsets, items, f"{items}, the number of items")


def expect_ticks(y: Tensor, weights: Tensor, offsets: Tensor, window: Tensor, windows: Tensor, counts: Tensor) -> None:
    """Raise unless they fit together; what `offsets` holds is read."""
    (ticks, channels), batch = y.shape, len(offsets) - 1
    state = {"window": (window, (batch, channels)), "windows": (windows, (batch, channels))}
    expect("event_pool", y, torch.float64, weights=(weights, (ticks,)), **state, counts=(counts, (batch, 3)))
    check_offsets("event_pool", "offsets", offsets, ticks, f"{ticks}, the number of ticks")


@operator("embed_cells")
def embed_op(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor) -> Tensor:
    """u[tick] = sum of values * weight[cell] over the tick's items, channels in order, zeros skipped."""
    expect_cells(values, cell, tick_offsets, weight)
    values, cell, tick_offsets, weight = (x.contiguous() for x in (values, cell, tick_offsets, weight))
    (items, channels), d_model, ticks = values.shape, weight.shape[2], len(tick_offsets) - 1
    u = native.empty((ticks, d_model), values.dtype)
    numbers = (items, ticks, channels, d_model, native.threads())
    native.call("embed_forward", values.dtype, (values, weight, cell, tick_offsets, u), numbers)
    return u


@torch.library.register_fake(embed_op)
def _(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor) -> Tensor:
    return values.new_empty((tick_offsets.shape[0] - 1, weight.shape[2]))


@operator("embed_cells_backward")
def embed_backward_op(
    values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of the values and of the weight."""
    values, cell, tick_offsets, weight, grad = (x.contiguous() for x in (values, cell, tick_offsets, weight, grad))
    (items, channels), (_, _, d_model), ticks = values.shape, weight.shape, len(tick_offsets) - 1
    expect("embed_cells_backward", values, grad=(grad, (ticks, d_model)))
    grad_values, grad_weight = torch.empty_like(values), torch.zeros_like(weight)
    tensors = (values, weight, cell, tick_offsets, None, grad, grad_values, grad_weight)
    native.call("embed_backward", values.dtype, tensors, (items, ticks, channels, d_model, native.threads()))
    return grad_values, grad_weight


@torch.library.register_fake(embed_backward_op)
def _(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(values), torch.empty_like(weight)


def _embed_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _embed_backward(ctx, grad):  # type: ignore[no-untyped-def]
    grad_values, grad_weight = embed_backward_op(*ctx.saved_tensors, grad)
    return grad_values, None, None, grad_weight


register_gradient(embed_op, _embed_backward, setup_context=_embed_context)


@operator("event_pool")
def event_pool_op(
    y: Tensor, weights: Tensor, offsets: Tensor, window: Tensor, windows: Tensor, counts: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mean of the windows' means, and the state after the last tick."""
    expect_ticks(y, weights, offsets, window, windows, counts)
    y, weights, offsets = y.contiguous(), weights.contiguous(), offsets.contiguous()
    batch, channels = len(offsets) - 1, y.shape[1]
    window, windows, counts = (native.copy(x) for x in (window, windows, counts))
    mean = torch.empty(batch, channels, dtype=y.dtype)
    tensors = (y, weights, offsets, window, windows, counts, mean)
    native.call("event_pool", y.dtype, tensors, (batch, channels, size, native.threads()))
    return mean, window, windows, counts


@torch.library.register_fake(event_pool_op)
def _(
    y: Tensor, weights: Tensor, offsets: Tensor, window: Tensor, windows: Tensor, counts: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean = y.new_empty((window.shape[0], y.shape[1]))
    return mean, torch.empty_like(window), torch.empty_like(windows), torch.empty_like(counts)


def _pool_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    y, weights, offsets, _, _, counts, ctx.size = inputs
    ctx.save_for_backward(weights, offsets, counts, output[3])
    ctx.dtype = y.dtype


def _pool_backward(ctx, grad_mean, grad_window, grad_windows, _grad_counts):  # type: ignore[no-untyped-def]
    """Everything is linear in y and in the state: the factors are 1/(weight of the tick's window)."""
    weights, offsets, before, after = ctx.saved_tensors
    size, num_ticks = ctx.size, offsets.diff()
    sample = torch.repeat_interleave(torch.arange(len(num_ticks)), num_ticks)
    position = torch.arange(len(weights)) - offsets[sample] + before[sample, 1].long()
    window = torch.div(position, size, rounding_mode="floor")  # 0 is the one that was open before
    num_windows = torch.div(before[:, 1].long() + num_ticks, size, rounding_mode="floor") + 1
    first = num_windows.cumsum(0) - num_windows
    total = torch.zeros(int(num_windows.sum()), dtype=torch.float64).index_add(0, first[sample] + window, weights)
    total = total.index_add(0, first, before[:, 0])
    share = 1 / (after[:, 2] + (after[:, 1] > 0)).clamp(min=1)
    is_open = window == (num_windows - 1)[sample]
    into_mean = grad_mean.to(torch.float64) * share[:, None]
    into_done = into_mean + grad_windows  # of a complete window's mean
    per_weight = torch.where(after[:, 1] > 0, 1 / after[:, 0], 0.0)  # of the incomplete window, if there is one
    into_last = into_mean * per_weight[:, None] + grad_window
    by_done = into_done[sample] / total[first[sample] + window][:, None]
    grad_y = torch.where(is_open[:, None], into_last[sample], by_done) * weights[:, None]
    still_open = (num_windows == 1)[:, None]
    held = torch.where(total[first] > 0, total[first], 1.0)[:, None]
    grad_held = torch.where(still_open, into_last, into_done / held)
    return grad_y.to(ctx.dtype), None, None, grad_held, into_done, None, None


register_gradient(event_pool_op, _pool_backward, setup_context=_pool_context)

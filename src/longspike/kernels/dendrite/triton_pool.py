"""The largest row of a group on a GPU: a program a group and block of channels.

Written against Triton's interpreter and never run on a GPU. As everywhere the first of equals wins, and so does whatever a
NaN is compared with.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._triton import device_of, power_of_two

CHANNELS = 128  # of one program, at most


@triton.jit
def _forward(x, y, position, group_offsets, group_rows, channels, CHANNELS: tl.constexpr):
    group, c = tl.program_id(0).to(tl.int64), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    first = tl.load(group_offsets + group)
    largest = tl.load(x + tl.load(group_rows + first) * channels + c, mask=c < channels, other=0)
    at = tl.zeros((CHANNELS,), tl.int32)
    for k in range(1, (tl.load(group_offsets + group + 1) - first).to(tl.int32)):
        other = tl.load(x + tl.load(group_rows + first + k) * channels + c, mask=c < channels, other=0)
        at = tl.where(other > largest, k, at)
        largest = tl.where(other > largest, other, largest)
    tl.store(y + group * channels + c, largest, mask=c < channels)
    tl.store(position + group * channels + c, at, mask=c < channels)


@triton.jit
def _backward(grad, grad_x, position, group_offsets, group_rows, channels, CHANNELS: tl.constexpr):
    group, c = tl.program_id(0).to(tl.int64), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    first = tl.load(group_offsets + group)
    of_largest = tl.load(grad + group * channels + c, mask=c < channels, other=0)
    at = tl.load(position + group * channels + c, mask=c < channels, other=0)
    for k in range(0, (tl.load(group_offsets + group + 1) - first).to(tl.int32)):
        own = grad_x + tl.load(group_rows + first + k) * channels + c
        tl.store(own, tl.where(at == k, of_largest, 0.0), mask=c < channels)


def _grid(groups: int, channels: int) -> tuple[tuple[int, int], dict[str, int]]:
    block = min(power_of_two(channels), CHANNELS)
    return (groups, triton.cdiv(channels, block)), {"CHANNELS": block, "num_warps": 1}


def forward(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest row of each group, per channel, and its position within the group."""
    x, group_offsets, group_rows = x.contiguous(), group_offsets.contiguous(), group_rows.contiguous()
    groups, channels = group_offsets.shape[0] - 1, x.shape[1]
    y, position = x.new_empty((groups, channels)), x.new_empty((groups, channels), dtype=torch.int32)
    grid, options = _grid(groups, channels)
    if y.numel():
        with device_of(x):
            _forward[grid](x, y, position, group_offsets, group_rows, channels, **options)
    return y, position


def backward(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    """The gradient of x: that of y at the largest row, zero elsewhere."""
    grad, position = grad.contiguous(), position.contiguous()
    group_offsets, group_rows = group_offsets.contiguous(), group_rows.contiguous()
    groups, channels = grad.shape
    grad_x = grad.new_empty((group_rows.shape[0], channels))
    grid, options = _grid(groups, channels)
    if grad_x.numel():
        with device_of(grad):
            _backward[grid](grad, grad_x, position, group_offsets, group_rows, channels, **options)
    return grad_x

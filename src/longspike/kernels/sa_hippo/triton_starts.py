"""The states before every chunk, chunk after chunk of each sample, on a GPU: x[k+1] = T[k] x[k] + l[k].

Written against Triton's interpreter and never run on a GPU. Backward the same kernel runs from the last chunk to the first:
g[k] = T[k]^T g[k+1] + (gradient of x[k]);   dl[k] = g[k+1],   dT[k] = g[k+1] x[k]^T.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._operators import operator, register_gradient
from longspike.kernels._triton import ROUNDED, device_of, power_of_two

CHANNELS = 16  # of one program
PART = tl.constexpr(4)  # columns of T at a time


@triton.jit
def _scan(
    carried, added, start, states, end, bounds, heads, d_state, d_head, row_stride, column_stride,
    STATE: tl.constexpr, CHANNELS: tl.constexpr, IS_BACKWARD: tl.constexpr,
):  # fmt: skip
    sample, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n, ch = tl.arange(0, STATE), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    exists = (n[:, None] < d_state) & (ch[None, :] < d_head)
    inside, numbers = n[:, None] * d_head + ch[None, :], d_state * d_head
    own = (sample * heads + head) * numbers + inside
    x = tl.load(start + own, mask=exists, other=0)
    first, last = tl.load(bounds + sample), tl.load(bounds + sample + 1)
    for step in range(0, last - first):
        chunk = first + step
        if IS_BACKWARD:
            chunk = last - 1 - step
        at = (chunk * heads + head) * numbers
        tl.store(states + at + inside, x, mask=exists)
        tl.debug_barrier()  # below, other threads read what these wrote
        x = tl.load(added + at + inside, mask=exists, other=0)
        for low in range(0, d_state, PART):
            j = low + tl.arange(0, PART)
            t = (
                carried
                + (chunk * heads + head) * d_state * d_state
                + n[:, None] * row_stride
                + j[None, :] * column_stride
            )
            t = tl.load(t, mask=(n[:, None] < d_state) & (j[None, :] < d_state), other=0)
            before = states + at + j[:, None] * d_head + ch[None, :]
            before = tl.load(before, mask=(j[:, None] < d_state) & (ch[None, :] < d_head), other=0)
            x += tl.sum(t[:, :, None] * before[None, :, :], axis=1)
    tl.store(end + own, x, mask=exists)


def _launch(carried: Tensor, added: Tensor, start: Tensor, bounds: Tensor, is_backward: bool) -> tuple[Tensor, Tensor]:
    carried, added, start = carried.contiguous(), added.contiguous(), start.contiguous()
    batch, heads, d_state, d_head = start.shape
    states, end = torch.empty_like(added), torch.empty_like(start)
    channels = min(CHANNELS, power_of_two(d_head))
    strides = (1, d_state) if is_backward else (d_state, 1)
    if end.numel():
        with device_of(start):
            _scan[(batch, heads, triton.cdiv(d_head, channels))](
                carried, added, start, states, end, bounds, heads, d_state, d_head, *strides,
                STATE=power_of_two(d_state), CHANNELS=channels, IS_BACKWARD=is_backward, num_warps=4, **ROUNDED,
            )  # fmt: skip
    return states, end


@operator("sa_hippo_starts")
def sa_hippo_starts_op(local: Tensor, carried: Tensor, state: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    """The state before every chunk (chunks, heads, d_state, d_head), and after the last one of every sample.

    local, of the shape of the former: ends from the zero state; carried (chunks, heads, d_state, d_state): transitions;
    state (batch, heads, d_state, d_head); sample i owns the chunks bounds[i] .. bounds[i+1]-1.
    """
    return _launch(carried, local, state, bounds, False)


@torch.library.register_fake(sa_hippo_starts_op)
def _(local: Tensor, carried: Tensor, state: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(local), torch.empty_like(state)


@operator("sa_hippo_starts_backward")
def sa_hippo_starts_backward_op(
    carried: Tensor, grad_starts: Tensor, grad_end: Tensor, bounds: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of local and of state."""
    return _launch(carried, grad_starts, grad_end, bounds, True)


@torch.library.register_fake(sa_hippo_starts_backward_op)
def _(carried: Tensor, grad_starts: Tensor, grad_end: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(grad_starts), torch.empty_like(grad_end)


def _setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
    _, carried, _, bounds = inputs
    ctx.save_for_backward(carried, bounds, output[0])


def _backward(ctx: Any, grad_starts: Tensor, grad_end: Tensor) -> tuple[Tensor | None, ...]:
    carried, bounds, starts = ctx.saved_tensors
    grad_local, grad_state = sa_hippo_starts_backward_op(carried, grad_starts, grad_end, bounds)
    return grad_local, grad_local @ starts.mT, grad_state, None


register_gradient(sa_hippo_starts_op, _backward, setup_context=_setup_context)

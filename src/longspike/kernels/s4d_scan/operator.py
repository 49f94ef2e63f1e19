"""The diagonal state-space scan as PyTorch operators over the compiled kernel, and on CUDA over the Triton ones."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._dispatch import backend_of
from longspike.kernels._operators import on_cuda, operator, register_gradient
from longspike.kernels.s4d_scan.arguments import checkpoint_interval, expect_shapes, num_saved


@operator("s4d_scan")
def s4d_scan_op(
    u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, saves: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the state after the last step, and (if `saves`) the state before every `checkpoint_interval` steps.

    In Triton it needs the state before the first step alone.
    """
    expect_shapes(u, lam, c, d, state)
    u, lam, c, d = u.contiguous(), lam.contiguous(), c.contiguous(), d.contiguous()
    (batch, seqlen, channels), n_pairs = u.shape, lam.shape[0]
    y, end = native.empty((batch, seqlen, channels), u.dtype), native.copy(state)
    count = num_saved(seqlen, n_pairs) if saves else 0
    checkpoints = native.empty((batch, count, n_pairs, 2, channels), u.dtype)
    numbers = (batch, seqlen, channels, n_pairs, checkpoint_interval(n_pairs), native.threads(u.numel() * n_pairs))
    native.call("s4d_forward", u.dtype, (u, lam, c, d, y, end, checkpoints), numbers)
    return y, end, checkpoints


@on_cuda(s4d_scan_op)
def _(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, saves: bool) -> tuple[Tensor, Tensor, Tensor]:
    from longspike.kernels.s4d_scan import triton_forward

    y, end = triton_forward.forward(u, lam, c, d, state)
    return y, end, state[:, None].clone() if saves else state.new_empty((len(u), 0, *lam.shape))


@torch.library.register_fake(s4d_scan_op)
def _(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, saves: bool) -> tuple[Tensor, Tensor, Tensor]:
    is_first_enough = backend_of("s4d_scan", u.device, u.dtype) == "triton"
    count = (1 if is_first_enough else num_saved(u.shape[1], lam.shape[0])) if saves else 0
    return (
        torch.empty_like(u, memory_format=torch.contiguous_format),
        torch.empty_like(state, memory_format=torch.contiguous_format),
        u.new_empty((u.shape[0], count, lam.shape[0], 2, u.shape[2])),
    )


@operator("s4d_scan_backward")
def s4d_scan_backward_op(
    u: Tensor, grad_y: Tensor, grad_end: Tensor, lam: Tensor, c: Tensor, d: Tensor, checkpoints: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of u, lambda, c, d and of the initial state; the states in between are computed again."""
    (batch, seqlen, channels), n_pairs = u.shape, lam.shape[0]
    expect_shapes(u, lam, c, d, grad_end)
    saved = (batch, num_saved(seqlen, n_pairs), n_pairs, 2, channels)
    expect("s4d_scan_backward", u, grad_y=(grad_y, tuple(u.shape)), checkpoints=(checkpoints, saved))
    grad_u, grad_state = native.empty((batch, seqlen, channels), u.dtype), native.copy(grad_end)
    grad_lam = torch.empty((batch, n_pairs, 2, channels), dtype=u.dtype)
    grad_c, grad_d = torch.empty_like(grad_lam), torch.empty((batch, channels), dtype=u.dtype)
    kept = [x.contiguous() for x in (u, grad_y, lam, c, d, checkpoints)]
    numbers = (batch, seqlen, channels, n_pairs, checkpoint_interval(n_pairs), native.threads())
    native.call("s4d_backward", u.dtype, (*kept, grad_u, grad_state, grad_lam, grad_c, grad_d), numbers)
    return grad_u, grad_lam.sum(0), grad_c.sum(0), grad_d.sum(0), grad_state


@on_cuda(s4d_scan_backward_op)
def _(u: Tensor, grad_y: Tensor, grad_end: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from longspike.kernels.s4d_scan import triton_backward

    *coefficients, checkpoints = arguments
    return triton_backward.backward(u, grad_y, grad_end, *coefficients, checkpoints[:, 0])  # type: ignore[call-arg]


@torch.library.register_fake(s4d_scan_backward_op)
def _(
    u: Tensor, grad_y: Tensor, grad_end: Tensor, lam: Tensor, c: Tensor, d: Tensor, checkpoints: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return tuple(  # type: ignore[return-value]
        torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, lam, c, d, grad_end)
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:4], output[2])
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[2])


def _backward(ctx, grad_y, grad_end, _):  # type: ignore[no-untyped-def]
    u, lam, c, d, checkpoints = ctx.saved_tensors
    grad_y = torch.zeros_like(u) if grad_y is None else grad_y
    if grad_end is None:
        grad_end = u.new_zeros((u.shape[0], *lam.shape))
    grad_u, grad_lam, grad_c, grad_d, grad_state = s4d_scan_backward_op(u, grad_y, grad_end, lam, c, d, checkpoints)
    return grad_u, grad_lam, grad_c, grad_d, grad_state, None


register_gradient(s4d_scan_op, _backward, setup_context=_setup_context)

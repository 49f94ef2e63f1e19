"""The diagonal state-space scan as PyTorch operators over the compiled kernel."""

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._operators import operator, register_gradient

BLOCK = 64


def checkpoint_interval(n_pairs: int) -> int:
    """Steps between two saved states: at most one byte of them per element of the input in float32.

    The backward pass computes the states in between once more, block by block from the saved one.
    """
    return BLOCK * max(1, (n_pairs + 7) // 8)


def _num_saves(seqlen: int, n_pairs: int) -> int:
    interval = checkpoint_interval(n_pairs)
    return (seqlen + interval - 1) // interval


def _expect_shapes(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> None:
    pairs = (lam.shape[0], 2, u.shape[2])
    state_shape = (u.shape[0], *pairs)
    native.expect("s4d_scan", u.dtype, lam=(lam, pairs), c=(c, pairs), d=(d, (u.shape[2],)), state=(state, state_shape))


@operator("s4d_scan")
def s4d_scan_op(
    u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, saves: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the state after the last step, and (if `saves`) the state before every `checkpoint_interval` steps.

    In Triton it needs the state before the first step alone.
    """
    if u.is_cuda:
        from longspike.kernels.s4d_scan import triton_forward

        y, end = triton_forward.forward(u, lam, c, d, state)
        return y, end, state[:, None].clone() if saves else state.new_empty((len(u), 0, *lam.shape))
    u = u.contiguous()
    batch, seqlen, channels = u.shape
    n_pairs = lam.shape[0]
    _expect_shapes(u, lam, c, d, state)
    y = native.empty((batch, seqlen, channels), u.dtype)
    end = native.copy(state)
    count = _num_saves(seqlen, n_pairs) if saves else 0
    checkpoints = native.empty((batch, count, n_pairs, 2, channels), u.dtype)
    kept = [x.contiguous() for x in (lam, c, d)]
    native.kernel("s4d_forward", u.dtype)(
        u.data_ptr(),
        *[x.data_ptr() for x in kept],
        y.data_ptr(),
        end.data_ptr(),
        checkpoints.data_ptr() if count else 0,
        batch,
        seqlen,
        channels,
        n_pairs,
        checkpoint_interval(n_pairs),
        native.threads() if u.numel() * n_pairs >= 1 << 15 else 1,
    )
    return y, end, checkpoints


@torch.library.register_fake(s4d_scan_op)
def _(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, saves: bool) -> tuple[Tensor, Tensor, Tensor]:
    count = (1 if u.is_cuda else _num_saves(u.shape[1], lam.shape[0])) if saves else 0
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
    if u.is_cuda:
        from longspike.kernels.s4d_scan import triton_backward

        return triton_backward.backward(u, grad_y, grad_end, lam, c, d, checkpoints[:, 0])
    u, grad_y = u.contiguous(), grad_y.contiguous()
    batch, seqlen, channels = u.shape
    n_pairs = lam.shape[0]
    _expect_shapes(u, lam, c, d, grad_end)
    saved = (batch, _num_saves(seqlen, n_pairs), n_pairs, 2, channels)
    native.expect("s4d_scan_backward", u.dtype, grad_y=(grad_y, tuple(u.shape)), checkpoints=(checkpoints, saved))
    grad_u = native.empty((batch, seqlen, channels), u.dtype)
    grad_state = native.copy(grad_end)
    grad_lam = torch.empty((batch, n_pairs, 2, channels), dtype=u.dtype)
    grad_c = torch.empty_like(grad_lam)
    grad_d = torch.empty((batch, channels), dtype=u.dtype)
    kept = [x.contiguous() for x in (lam, c, d, checkpoints)]
    tensors = (u, grad_y, *kept, grad_u, grad_state, grad_lam, grad_c, grad_d)
    native.kernel("s4d_backward", u.dtype)(
        *[x.data_ptr() for x in tensors],
        batch,
        seqlen,
        channels,
        n_pairs,
        checkpoint_interval(n_pairs),
        native.threads(),
    )
    return grad_u, grad_lam.sum(0), grad_c.sum(0), grad_d.sum(0), grad_state


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

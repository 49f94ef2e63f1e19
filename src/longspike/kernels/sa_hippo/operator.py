"""The spike-aware memory as PyTorch operators over the compiled kernels, and on CUDA over the Triton ones."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._operators import operator, register_gradient
from longspike.kernels.sa_hippo.tables import Dynamics, formula, row_size

BLOCK = 64
GROUPS = 8  # partial sums of the gradients: fixed by the sizes, never by the number of threads
GROUP_BYTES = 1 << 28


def _addresses(*tensors: Tensor) -> list[int]:
    return [x.data_ptr() for x in tensors]


@operator("sa_hippo_tables")
def sa_hippo_tables_op(
    delta: Tensor,
    log_dt: Tensor,
    log_a_real: Tensor,
    a_imag: Tensor,
    log_decay: Tensor | None,
    r: Tensor,
    b: Tensor,
    structure: str,
    inputs: str,
) -> Tensor:
    """The rows (gaps, heads, size) of every gap, by the function that a stream calls too."""
    heads, n_pairs, _, rank = r.shape
    if structure == "diag" and rank:
        raise ValueError(f"sa_hippo_tables: structure 'diag' takes an `r` of rank 0; got rank {rank}.")
    kept = [x.contiguous() for x in (delta, log_dt, log_a_real, a_imag, r, b)]
    decay = None if log_decay is None else log_decay.contiguous()
    pairs = (heads, n_pairs)
    shapes = {"log_dt": (log_dt, (heads,)), "log_a_real": (log_a_real, pairs), "a_imag": (a_imag, pairs)}
    if decay is not None:
        shapes["log_decay"] = (decay, pairs)
    shapes |= {"r": (r, (*pairs, 2, rank)), "b": (b, (*pairs, 2)), "delta": (delta, (delta.numel(),))}
    native.expect("sa_hippo_tables", r.dtype, **shapes)
    tables = native.empty((delta.shape[0], heads, row_size(n_pairs, rank)), r.dtype)
    before, after = kept[:4], [*kept[4:], tables]
    native.kernel("sa_hippo_tables", r.dtype)(
        *_addresses(*before),
        0 if decay is None else decay.data_ptr(),
        *_addresses(*after),
        delta.shape[0],
        heads,
        n_pairs,
        rank,
        structure == "diag",
        inputs == "held",
        native.threads(),
    )
    return tables


@torch.library.register_fake(sa_hippo_tables_op)
def _(
    delta: Tensor,
    log_dt: Tensor,
    log_a_real: Tensor,
    a_imag: Tensor,
    log_decay: Tensor | None,
    r: Tensor,
    b: Tensor,
    structure: str,
    inputs: str,
) -> Tensor:
    heads, n_pairs, _, rank = r.shape
    return r.new_empty((delta.shape[0], heads, row_size(n_pairs, rank)))


def _tables_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:7])
    ctx.options = inputs[7:]


def _tables_backward(ctx, grad):  # type: ignore[no-untyped-def]
    saved = ctx.saved_tensors
    wanted = [k for k in range(7) if ctx.needs_input_grad[k]]
    with torch.enable_grad():
        leaves: list[Any] = [None if x is None else x.detach().requires_grad_(k in wanted) for k, x in enumerate(saved)]
        tables = formula(leaves[0], Dynamics(*leaves[1:]), *ctx.options)
        grads = torch.autograd.grad(
            tables, [leaves[k] for k in wanted], grad, allow_unused=True, materialize_grads=True
        )
    found = dict(zip(wanted, grads, strict=True))
    return *(found.get(k) for k in range(7)), None, None


register_gradient(sa_hippo_tables_op, _tables_backward, setup_context=_tables_context)


def _num_blocks(u: Tensor, offsets: Tensor) -> int:
    """Room for ceil(length/64) saved states of every sample, whatever the lengths."""
    return u.shape[0] // BLOCK + offsets.shape[0] - 1


def _expect_shapes(
    u: Tensor, index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> None:
    heads, n_pairs, _, rank = r.shape
    ticks, d_model = u.shape
    batch = offsets.shape[0] - 1
    native.expect(
        "sa_hippo",
        u.dtype,
        tables=(tables, (tables.shape[0], heads, row_size(n_pairs, rank))),
        r=(r, (heads, n_pairs, 2, rank)),
        c=(c, (n_pairs, 2, d_model)),
        d=(d, (d_model,)),
        state=(state, (batch, heads, n_pairs, 2, d_model // heads)),
    )
    native.expect("sa_hippo", torch.int64, index=(index, (ticks,)), offsets=(offsets, (batch + 1,)))
    if ticks and not 0 <= int(index.min()) <= int(index.max()) < tables.shape[0]:
        raise ValueError(f"sa_hippo: `index` must lie in 0 .. {tables.shape[0] - 1}, the rows of `tables`.")
    if int(offsets[0]) != 0 or int(offsets[-1]) != ticks or bool((offsets.diff() < 0).any()):
        raise ValueError(f"sa_hippo: `offsets` must rise from 0 to {ticks}, the ticks of `u`; got {offsets.tolist()}.")


@operator("sa_hippo")
def sa_hippo_op(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    saves: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the states after the last ticks, and (if `saves`) those before every block of 64 ticks for the backward."""
    if u.is_cuda:
        from longspike.kernels.sa_hippo import triton_recurrent

        return triton_recurrent.forward(u, index, offsets, tables, r, c, d, state, saves)
    _expect_shapes(u, index, offsets, tables, r, c, d, state)
    heads, n_pairs, _, rank = r.shape
    y = native.empty(tuple(u.shape), u.dtype)
    end = native.copy(state)
    blocks = _num_blocks(u, offsets) if saves else 0
    checkpoints = native.empty((blocks, *state.shape[1:]), u.dtype)
    kept = [x.contiguous() for x in (u, index, offsets, tables, r, c, d)]
    native.kernel("sa_hippo_forward", u.dtype)(
        *_addresses(*kept, y, end),
        checkpoints.data_ptr() if saves else 0,
        state.shape[0],
        u.shape[1],
        heads,
        n_pairs,
        rank,
        native.threads() if u.numel() * n_pairs >= 1 << 15 else 1,
    )
    return y, end, checkpoints


@torch.library.register_fake(sa_hippo_op)
def _(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    saves: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.empty_like(u, memory_format=torch.contiguous_format),
        torch.empty_like(state, memory_format=torch.contiguous_format),
        u.new_empty((_num_blocks(u, offsets) if saves else 0, *state.shape[1:])),
    )


@operator("sa_hippo_backward")
def sa_hippo_backward_op(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    grad_y: Tensor,
    grad_end: Tensor,
    checkpoints: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of u, tables, r, c, d and of the initial states; the states in between are computed again."""
    if u.is_cuda:
        from longspike.kernels.sa_hippo import triton_adjoint

        return triton_adjoint.backward(u, index, offsets, tables, r, c, d, grad_y, grad_end, checkpoints)
    _expect_shapes(u, index, offsets, tables, r, c, d, grad_end)
    saved = (_num_blocks(u, offsets), *grad_end.shape[1:])
    native.expect("sa_hippo_backward", u.dtype, grad_y=(grad_y, tuple(u.shape)), checkpoints=(checkpoints, saved))
    heads, n_pairs, _, rank = r.shape
    batch, gaps = offsets.shape[0] - 1, tables.shape[0]
    groups = max(1, min(GROUPS, batch, GROUP_BYTES // (8 * tables.numel() + 1)))
    grad_u = native.empty(tuple(u.shape), u.dtype)
    grad_state = native.copy(grad_end)
    sums = [torch.zeros((groups, *x.shape), dtype=torch.float64) for x in (tables, r, c, d)]
    kept = [x.contiguous() for x in (u, index, offsets, tables, r, c, d, grad_y, checkpoints)]
    native.kernel("sa_hippo_backward", u.dtype)(
        *_addresses(*kept, grad_u, grad_state, *sums),
        gaps,
        groups,
        batch,
        u.shape[1],
        heads,
        n_pairs,
        rank,
        native.threads(),
    )
    grad_tables, grad_r, grad_c, grad_d = (x.sum(0).to(u.dtype) for x in sums)
    return grad_u, grad_tables, grad_r, grad_c, grad_d, grad_state


@torch.library.register_fake(sa_hippo_backward_op)
def _(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    grad_y: Tensor,
    grad_end: Tensor,
    checkpoints: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return tuple(  # type: ignore[return-value]
        torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, tables, r, c, d, grad_end)
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:7], output[2])
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[2])


def _backward(ctx, grad_y, grad_end, _):  # type: ignore[no-untyped-def]
    *arguments, checkpoints = ctx.saved_tensors
    u, _, offsets, _, r = arguments[:5]
    grad_y = torch.zeros_like(u) if grad_y is None else grad_y
    if grad_end is None:
        heads, n_pairs = r.shape[:2]
        grad_end = u.new_zeros((offsets.shape[0] - 1, heads, n_pairs, 2, u.shape[1] // heads))
    grad_u, *grads, grad_state = sa_hippo_backward_op(*arguments, grad_y, grad_end, checkpoints)
    return grad_u, None, None, *grads, grad_state, None


register_gradient(sa_hippo_op, _backward, setup_context=_setup_context)

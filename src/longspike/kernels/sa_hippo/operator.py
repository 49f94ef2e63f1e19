"""The spike-aware memory as PyTorch operators over the compiled kernels, and on CUDA over the Triton ones."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._operators import on_cuda, operator, register_gradient
from longspike.kernels.sa_hippo.arguments import expect_saved, expect_shapes, expect_structure, num_saved
from longspike.kernels.sa_hippo.tables import Dynamics, formula, row_size

GROUPS = 8  # partial sums of the gradients: fixed by the sizes, never by the number of threads
GROUP_BYTES = 1 << 28


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
    pairs = (heads, n_pairs)
    shapes = {"log_dt": (log_dt, (heads,)), "log_a_real": (log_a_real, pairs), "a_imag": (a_imag, pairs)}
    if log_decay is not None:
        shapes["log_decay"] = (log_decay, pairs)
    shapes |= {"r": (r, (*pairs, 2, rank)), "b": (b, (*pairs, 2)), "delta": (delta, (delta.numel(),))}
    expect("sa_hippo_tables", r, **shapes)
    tables = native.empty((delta.shape[0], heads, row_size(n_pairs, rank)), r.dtype)
    kept = [None if x is None else x.contiguous() for x in (delta, log_dt, log_a_real, a_imag, log_decay, r, b)]
    numbers = (delta.shape[0], heads, n_pairs, rank, structure == "diag", inputs == "held", native.threads())
    native.call("sa_hippo_tables", r.dtype, (*kept, tables), numbers)
    return tables


@torch.library.register_fake(sa_hippo_tables_op)
def _(delta: Tensor, *arguments: Any) -> Tensor:
    r = arguments[4]
    heads, n_pairs, _, rank = r.shape
    return r.new_empty((delta.shape[0], heads, row_size(n_pairs, rank)))


def _tables_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:7])
    ctx.options = inputs[7:]


def _tables_backward(ctx, grad):  # type: ignore[no-untyped-def]
    """Of the formula, once more; with `create_graph` it goes on to what the gradient itself depends on."""
    wanted, is_kept = [k for k in range(7) if ctx.needs_input_grad[k]], torch.is_grad_enabled()
    with torch.enable_grad():
        held: list[Any] = [None if x is None else x.view_as(x) for x in ctx.saved_tensors]
        leaves: list[Any] = held if is_kept else [None if x is None else x.detach().requires_grad_() for x in held]
        tables = formula(leaves[0], Dynamics(*leaves[1:]), *ctx.options)
        wrt = [leaves[k] for k in wanted]
        options = {"allow_unused": True, "materialize_grads": True, "create_graph": is_kept}
        grads = torch.autograd.grad(tables, wrt, grad, **options)
    found = dict(zip(wanted, grads, strict=True))
    return *(found.get(k) for k in range(7)), None, None


register_gradient(sa_hippo_tables_op, _tables_backward, setup_context=_tables_context)


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
    expect_shapes(u, index, offsets, tables, r, c, d, state)
    expect_structure(u, index, offsets, tables)
    heads, n_pairs, _, rank = r.shape
    y, end = native.empty(tuple(u.shape), u.dtype), native.copy(state)
    count = num_saved(u.shape[0], state.shape[0]) if saves else 0
    checkpoints = native.empty((count, *state.shape[1:]), u.dtype)
    kept = [x.contiguous() for x in (u, index, offsets, tables, r, c, d)]
    numbers = (state.shape[0], u.shape[1], heads, n_pairs, rank, native.threads(u.numel() * n_pairs))
    native.call("sa_hippo_forward", u.dtype, (*kept, y, end, checkpoints), numbers)
    return y, end, checkpoints


@on_cuda(sa_hippo_op)
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    from longspike.kernels.sa_hippo import triton_recurrent

    return triton_recurrent.forward(*arguments)


@torch.library.register_fake(sa_hippo_op)
def _(u: Tensor, index: Tensor, offsets: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, state, saves = arguments
    return (
        torch.empty_like(u, memory_format=torch.contiguous_format),
        torch.empty_like(state, memory_format=torch.contiguous_format),
        u.new_empty((num_saved(u.shape[0], offsets.shape[0] - 1) if saves else 0, *state.shape[1:])),
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
    expect_shapes(u, index, offsets, tables, r, c, d, grad_end)
    expect_saved(u, offsets, grad_y, grad_end, checkpoints)
    expect_structure(u, index, offsets, tables)
    heads, n_pairs, _, rank = r.shape
    batch, gaps = offsets.shape[0] - 1, tables.shape[0]
    groups = max(1, min(GROUPS, batch, GROUP_BYTES // (8 * tables.numel() + 1)))
    grad_u = native.empty(tuple(u.shape), u.dtype)
    grad_state = native.copy(grad_end)
    sums = [torch.zeros((groups, *x.shape), dtype=torch.float64) for x in (tables, r, c, d)]
    kept = [x.contiguous() for x in (u, index, offsets, tables, r, c, d, grad_y, checkpoints)]
    numbers = (batch, u.shape[1], heads, n_pairs, rank, native.threads(), gaps, groups)
    native.call("sa_hippo_backward", u.dtype, (*kept, grad_u, grad_state, *sums), numbers)
    grad_tables, grad_r, grad_c, grad_d = (x.sum(0).to(u.dtype) for x in sums)
    return grad_u, grad_tables, grad_r, grad_c, grad_d, grad_state


@on_cuda(sa_hippo_backward_op)
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    from longspike.kernels.sa_hippo import triton_adjoint

    return triton_adjoint.backward(*arguments)


@torch.library.register_fake(sa_hippo_backward_op)
def _(*arguments: Any) -> tuple[Tensor, ...]:
    u, _, _, *parameters, _, grad_end, _ = arguments
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, *parameters, grad_end))


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

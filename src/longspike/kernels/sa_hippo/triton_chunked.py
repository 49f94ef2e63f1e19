"""The spike-aware memory in chunks of 64 ticks on a GPU: more work than tick by tick, in a shorter line.

    every chunk at once:  its end from the zero state, and its transition as a real d_state x d_state matrix per head
    chunk by chunk:       start of the next = transition @ start + end
    every chunk at once:  its outputs from its own start

Both parallel passes are the recurrent kernel with chunks for samples, so the line is 64 + chunks + 64 instead of all ticks;
the work is 2 + d_state/d_head times as much. Rounding differs from the recurrent form.
"""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels._operators import operator, register_gradient
from longspike.kernels.sa_hippo import triton_adjoint, triton_recurrent
from longspike.kernels.sa_hippo.arguments import num_saved
from longspike.kernels.sa_hippo.chunked import CHUNK
from longspike.kernels.sa_hippo.operator import sa_hippo_op
from longspike.kernels.sa_hippo.triton_starts import sa_hippo_starts_op


@operator("sa_hippo_transitions")
def sa_hippo_transitions_op(
    index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, saves: bool
) -> tuple[Tensor, Tensor]:
    """The transition over all ticks of every sample (batch, heads, n_pairs, 2, d_state), and the checkpoints."""
    return triton_recurrent.transitions(index, offsets, tables, r, saves)


@torch.library.register_fake(sa_hippo_transitions_op)
def _(index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, saves: bool) -> tuple[Tensor, Tensor]:
    (heads, n_pairs, _, _), batch = r.shape, offsets.shape[0] - 1
    blocks = num_saved(index.shape[0], batch) if saves else 0
    shape = (heads, n_pairs, 2, 2 * n_pairs)
    return r.new_empty((batch, *shape)), r.new_empty((blocks, *shape))


@operator("sa_hippo_transitions_backward")
def sa_hippo_transitions_backward_op(
    index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, grad: Tensor, checkpoints: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of tables and r."""
    return triton_adjoint.transitions_backward(index, offsets, tables, r, grad, checkpoints)


@torch.library.register_fake(sa_hippo_transitions_backward_op)
def _(
    index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, grad: Tensor, checkpoints: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(tables), torch.empty_like(r)


def _setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
    ctx.save_for_backward(*inputs[:4], output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
    *arguments, checkpoints = ctx.saved_tensors
    return None, None, *sa_hippo_transitions_backward_op(*arguments, grad, checkpoints), None


register_gradient(sa_hippo_transitions_op, _backward, setup_context=_setup_context)


def _bounds(offsets: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """The ticks of every chunk as offsets, and the chunks of every sample as offsets."""
    counts = (offsets.diff() + chunk - 1).div(chunk, rounding_mode="floor")
    of_sample = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    sample = torch.repeat_interleave(torch.arange(len(counts), device=offsets.device), counts)
    within = torch.arange(len(sample), device=offsets.device) - of_sample[sample]
    return torch.cat([offsets[sample] + chunk * within, offsets[-1:]]), of_sample


def forward(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """y (ticks, d_model) and every sample's state after its last tick; differentiable by autograd."""
    if u.shape[0] == 0:
        return torch.zeros_like(u), state
    saves = torch.is_grad_enabled() and any(x.requires_grad for x in (u, tables, r, c, d, state))
    bounds, of_sample = _bounds(offsets, chunk)
    silent = state.new_zeros((len(bounds) - 1, *state.shape[1:]))
    _, local, _ = sa_hippo_op(u, index, bounds, tables, r, c, d, silent, saves)
    carried, _ = sa_hippo_transitions_op(index, bounds, tables, r, saves)
    starts, end = sa_hippo_starts_op(local.flatten(2, 3), carried.flatten(2, 3), state.flatten(2, 3), of_sample)
    y, _, _ = sa_hippo_op(u, index, bounds, tables, r, c, d, starts.view(silent.shape), saves)
    return y, end.view(state.shape)

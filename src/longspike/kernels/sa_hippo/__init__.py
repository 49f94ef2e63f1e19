"""The spike-aware memory: one definition (`reference`), a compiled recurrence, parallel chunks, an FFT over equal gaps."""

from torch import Tensor

from longspike.kernels._derivatives import may_go_backward
from longspike.kernels._dispatch import choose
from longspike.kernels.sa_hippo import chunked, convolution, reference
from longspike.kernels.sa_hippo.arguments import expect_shapes, expect_structure
from longspike.kernels.sa_hippo.operator import sa_hippo_op, sa_hippo_tables_op
from longspike.kernels.sa_hippo.tables import Dynamics, formula


def sa_hippo_tables(delta: Tensor, dynamics: Dynamics, *, structure: str, inputs: str) -> Tensor:
    """The rows (gaps, heads, size) of every gap in `delta` (gaps,); compiled where the tensors allow it."""
    choice = choose("sa_hippo_tables", "auto", dynamics.r.device, dynamics.r.dtype)
    if choice.backend == "cpp":
        return sa_hippo_tables_op(delta, *dynamics, structure, inputs)
    return formula(delta, dynamics, structure, inputs)


def sa_hippo(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    *,
    method: str = "auto",
) -> tuple[Tensor, Tensor]:
    """y (ticks, d_model) and the state (batch, heads, n_pairs, 2, d_head) after every sample's last tick.

    Tick k has the row tables[index[k]] and sample i owns the ticks offsets[i] .. offsets[i+1]-1; shapes as in `reference`.
    """
    items = state.shape[0] * state.shape[1]
    facts = {"batch": items, "gaps": tables.shape[0], "offsets": offsets}
    choice = choose("sa_hippo", method, u.device, u.dtype, **facts)
    if choice.method == "recurrent":
        saves = may_go_backward(u, tables, r, c, d, state)
        y, end, _ = sa_hippo_op(u, index, offsets, tables, r, c, d, state, saves)
        return y, end
    expect_shapes(u, index, offsets, tables, r, c, d, state)
    if u.is_cpu:
        expect_structure(u, index, offsets, tables)
    if choice.method == "fft":
        return convolution.forward(u, offsets, tables, r, c, d, state)
    if choice.method == "chunked" and choice.backend == "triton":
        from longspike.kernels.sa_hippo import triton_chunked

        return triton_chunked.forward(u, index, offsets, tables, r, c, d, state)
    if choice.method == "chunked":
        return chunked.forward(u, index, offsets, tables, r, c, d, state)
    return reference.forward(u, index, offsets, tables, r, c, d, state)

"""The spike-aware memory: one definition (`reference`), chunks in parallel, an FFT over equal gaps."""

from torch import Tensor

from longspike.kernels._dispatch import choose_sa_hippo
from longspike.kernels.sa_hippo import chunked, convolution, reference
from longspike.kernels.sa_hippo.tables import Dynamics, formula


def sa_hippo_tables(delta: Tensor, dynamics: Dynamics, *, structure: str, inputs: str) -> Tensor:
    """The rows (gaps, heads, size) of every gap in `delta` (gaps,)."""
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
    """y (ticks, d_model) and the state (batch, heads, n_pairs, 2, d_head) after every sample's last tick."""
    longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
    choice = choose_sa_hippo(method, longest=longest, gaps=tables.shape[0], device=u.device, dtype=u.dtype)
    if choice.method == "fft":
        return convolution.forward(u, offsets, tables, r, c, d, state)
    if choice.method == "chunked":
        return chunked.forward(u, index, offsets, tables, r, c, d, state)
    return reference.forward(u, index, offsets, tables, r, c, d, state)

"""The spike-aware memory as a plain loop over ticks: the definition of correct.

    x <- g x - e (R W R*(e x)) + b u        y = 2 Re sum_n C_n x_n + D u

g, e, W, b are the row of the tick's gap (see `tables`); R* z = 2 Re sum_n conj(R_n) z_n. Ticks are flat and ragged:
u (ticks, d_model), index (ticks) chooses the row, sample i owns the ticks offsets[i] .. offsets[i+1]-1. Complex numbers
are pairs: r (heads, n_pairs, 2, rank), c (n_pairs, 2, d_model), state (batch, heads, n_pairs, 2, d_head).
"""

import torch
from torch import Tensor

from longspike.kernels.sa_hippo.tables import Rows, rows_of


def by_head(c: Tensor, num_heads: int) -> Tensor:
    """(n_pairs, 2, d_model) as (heads, n_pairs, 2, d_head)."""
    return c.unflatten(2, (num_heads, -1)).permute(2, 0, 1, 3)


def advance(state: Tensor, rows: Rows, r: Tensor) -> Tensor:
    """T x for states (..., heads, n_pairs, 2, channels) and rows of the same leading axes."""
    xr, xi = state[..., 0, :], state[..., 1, :]
    gr, gi = rows.g[..., 0, :, None], rows.g[..., 1, :, None]
    real, imag = gr * xr - gi * xi, gr * xi + gi * xr
    if r.shape[-1]:
        er, ei = rows.e[..., 0, :, None], rows.e[..., 1, :, None]
        rr, ri = r[:, :, 0], r[:, :, 1]
        read = 2 * (rr.mT @ (er * xr - ei * xi) + ri.mT @ (er * xi + ei * xr))
        v = rows.w @ read
        qr, qi = rr @ v, ri @ v
        real, imag = real - (er * qr - ei * qi), imag - (er * qi + ei * qr)
    return torch.stack([real, imag], dim=-2)


def tick(state: Tensor, rows: Rows, u: Tensor, r: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """y (..., heads, d_head) and the next state; u (..., heads, d_head), c by head, d (heads, d_head)."""
    state = advance(state, rows, r) + rows.b.mT[..., None] * u[..., None, None, :]
    y = 2 * (c[..., 0, :] * state[..., 0, :] - c[..., 1, :] * state[..., 1, :]).sum(dim=-2) + d * u
    return y, state


def forward(
    u: Tensor, index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """y (ticks, d_model) and every sample's state after its last tick; differentiable by autograd."""
    num_heads, n_pairs, _, rank = r.shape
    heads, bounds = by_head(c, num_heads), offsets.tolist()
    split = u.unflatten(1, (num_heads, -1))
    outputs, ends = [], []
    for x, first, last in zip(state.unbind(0), bounds[:-1], bounds[1:]):
        for k in range(first, last):
            rows = rows_of(tables[index[k]], n_pairs, rank)
            y, x = tick(x, rows, split[k], r, heads, d.view(num_heads, -1))
            outputs.append(y.flatten())
        ends.append(x)
    return torch.stack(outputs) if outputs else torch.zeros_like(u), torch.stack(ends) if ends else state

"""The transition of the spike-aware memory for every gap that occurs, as rows of numbers for the recurrence.

    Dt = delta exp(log_dt),   f = exp(-a Dt),   Lambda_S = f^2 Lambda,   R_S = diag(f) R,   A_S = Lambda_S - R_S R_S*
    h = Dt/2,   d = 1/(1 - h Lambda_S),   g = 2d - 1,   e = f d,   W = 2h (I + h R_S* diag(d) R_S)^-1

so that, by Woodbury's identity, (I - h A_S)^-1 (I + h A_S) x = g x - e (R W R*(e x)). Half of every conjugate pair is
stored: R* y means 2 Re sum_n conj(R_n) y_n, and W is real. Structure "diag" has no R: g = exp(Dt Lambda_S), e = 0.

The input enters as b u: b = B ("impulse"), or ("held") Dt (I - h A_S)^-1 B, and for "diag"
(exp(Dt Lambda_S) - 1)/Lambda_S B.
A row holds Re g, Im g, Re e, Im e, Re b, Im b (n_pairs each) and W (rank x rank).
"""

from typing import NamedTuple

import torch
from torch import Tensor

STRUCTURES = ("dplr", "diag")
INPUTS = ("impulse", "held")


class Dynamics(NamedTuple):
    """What a transition is made of, per head.

    log_dt (heads); log_a_real, a_imag (heads, n_pairs): Lambda = -exp(log_a_real) + i a_imag; log_decay (heads, n_pairs),
    the logarithm of a, or None for a = 0; r (heads, n_pairs, 2, rank); b (heads, n_pairs, 2).
    """

    log_dt: Tensor
    log_a_real: Tensor
    a_imag: Tensor
    log_decay: Tensor | None
    r: Tensor
    b: Tensor


class Rows(NamedTuple):
    """Views into tables (..., heads, size): g, e, b (..., heads, 2, n_pairs) and w (..., heads, rank, rank)."""

    g: Tensor
    e: Tensor
    b: Tensor
    w: Tensor


def row_size(n_pairs: int, rank: int) -> int:
    """Numbers in one row: the transition of one head over one gap."""
    return 6 * n_pairs + rank * rank


def rows_of(tables: Tensor, n_pairs: int, rank: int) -> Rows:
    """The named parts of tables (..., heads, size)."""
    shape = tables.shape[:-1]
    pairs = tables[..., : 6 * n_pairs].reshape(*shape, 3, 2, n_pairs)
    w = tables[..., 6 * n_pairs :].reshape(*shape, rank, rank)
    return Rows(pairs[..., 0, :, :], pairs[..., 1, :, :], pairs[..., 2, :, :], w)


def _exact(dt: Tensor, real: Tensor, imag: Tensor, b: Tensor, is_held: bool) -> tuple[Tensor, Tensor]:
    """exp(z) and b (exp(z) - 1)/Lambda_S for z = Dt Lambda_S; (exp(z) - 1)/z without cancellation."""
    z = torch.complex(dt * real, dt * imag)
    g = torch.exp(z)
    if not is_held:
        return g, b.expand(g.shape)
    x, y = z.real, z.imag
    minus_one = torch.complex(torch.expm1(x) * torch.cos(y) - 2 * torch.sin(y / 2) ** 2, torch.exp(x) * torch.sin(y))
    is_small = z.abs() < 1e-5
    ratio = minus_one / torch.where(is_small, torch.ones_like(z), z)
    return g, dt * torch.where(is_small, 1 + z / 2 + z * z / 6, ratio) * b


def formula(delta: Tensor, dynamics: Dynamics, structure: str, inputs: str) -> Tensor:
    """Tables (gaps, heads, size) of the gaps `delta` (gaps,), computed in float64 and rounded once; differentiable."""
    dtype = dynamics.r.dtype
    log_dt, log_a_real, imag, r, b = (x.double() for x in (*dynamics[:3], *dynamics[4:]))
    b, r = torch.complex(b[..., 0], b[..., 1]), torch.complex(r[:, :, 0], r[:, :, 1])
    dt = (delta.double()[:, None] * torch.exp(log_dt))[:, :, None]  # (gaps, heads, 1)
    real = -torch.exp(log_a_real)
    f = (
        torch.exp(-torch.exp(dynamics.log_decay.double()) * dt)
        if dynamics.log_decay is not None
        else torch.ones_like(dt)
    )
    real, imag = f**2 * real, f**2 * imag
    rank = r.shape[-1]
    if structure == "diag":
        g, b = _exact(dt, real, imag, b, inputs == "held")
        e, w = torch.zeros_like(g), torch.zeros((*g.shape[:2], rank, rank), dtype=torch.float64, device=g.device)
    else:
        h = dt / 2
        d = 1 / torch.complex(1 - h * real, -h * imag)
        g, e = 2 * d - 1, f * d
        middle = 2 * torch.einsum("hnj,uhn,hnk->uhjk", r.conj(), f * e, r).real
        identity = torch.eye(rank, dtype=torch.float64, device=g.device)
        w = 2 * h[..., None] * torch.linalg.inv(identity + h[..., None] * middle)
        if inputs == "held":
            read = 2 * torch.einsum("hnj,uhn->uhj", r.conj(), e * b).real
            read = torch.einsum("uhjk,uhk->uhj", w / 2, read)
            b = dt * (d * b - e * torch.einsum("hnj,uhj->uhn", r, torch.complex(read, torch.zeros_like(read))))
        b = b.expand(g.shape)
    parts = [part for x in (g, e, b) for part in (x.real, x.imag)]
    return torch.cat([*parts, w.flatten(2)], dim=-1).to(dtype)

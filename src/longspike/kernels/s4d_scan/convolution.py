"""The diagonal state-space scan as an FFT convolution, with state in and state out.

K[l] = sum_n Re(c_n lambda_n^l)      y = K * u + d u + sum_n Re(c_n lambda_n^(t+1) x_n[-1])
x_n[L-1] = lambda_n^L x_n[-1] + sum_t lambda_n^(L-1-t) u[t]

Powers have two levels, lambda^(i J + j) = (lambda^J)^i lambda^j with i, j < J, J about sqrt(L). Every sum over pairs
or steps is then a matrix product per channel, and no array of channels x pairs x steps comes into being.
"""

import math

import torch
from torch import Tensor


def times(a: Tensor, b: Tensor) -> Tensor:
    """The product of complex numbers (..., 2, channels)."""
    ar, ai, br, bi = a[..., 0, :], a[..., 1, :], b[..., 0, :], b[..., 1, :]
    return torch.stack([ar * br - ai * bi, ar * bi + ai * br], dim=-2)


def powers(lam: Tensor, count: int) -> Tensor:
    """lambda^0 .. lambda^(count-1) as (count, n_pairs, 2, channels), by doubling: log2(count) products."""
    table = torch.stack([torch.ones_like(lam[:, 0]), torch.zeros_like(lam[:, 0])], dim=1)[None]
    step = lam
    while table.shape[0] < count:
        table = torch.cat([table, times(table, step)])
        step = times(step, step)
    return table[:count]


def _responses(weights: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """sum_n Re(w_n lambda_n^l) for every row w of `weights` (rows, n_pairs, 2, channels): (channels, rows, I J)."""
    channels, rows = weights.shape[-1], weights.shape[0]
    moved = times(weights[:, None], high)  # (rows, I, n_pairs, 2, channels)
    sign = torch.tensor([1.0, -1.0], dtype=weights.dtype, device=weights.device)[:, None]
    left = (moved * sign).permute(4, 0, 1, 2, 3).reshape(channels, rows * high.shape[0], -1)
    right = low.permute(3, 1, 2, 0).reshape(channels, -1, low.shape[0])
    return (left @ right).view(channels, rows, -1)


def _sum_of_powers(u: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """sum_l lambda_n^l u[l] for u (batch, channels, I J), as (batch, n_pairs, 2, channels)."""
    batch, channels, _ = u.shape
    columns = (
        u.view(batch, channels, high.shape[0], low.shape[0]).permute(1, 3, 0, 2).reshape(channels, low.shape[0], -1)
    )
    inner = low.permute(3, 1, 2, 0).reshape(channels, -1, low.shape[0]) @ columns  # (channels, 2 n_pairs, batch I)
    inner = inner.view(channels, low.shape[1], 2, batch, -1).permute(3, 4, 1, 2, 0)
    return times(high, inner).sum(dim=1)


def forward(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """y (batch, seqlen, channels) and the state after the last step; differentiable by autograd."""
    seqlen = u.shape[1]
    if seqlen == 0:
        return torch.empty_like(u), state
    fine = math.isqrt(seqlen - 1) + 1
    coarse = (seqlen + fine - 1) // fine
    low = powers(lam, fine + 1)
    high, low = powers(low[-1], coarse), low[:-1]
    last = times(high[-1], low[seqlen - 1 - (coarse - 1) * fine])  # lambda^(seqlen - 1)

    rows = _responses(torch.cat([c[None], times(times(c, lam), state)]), high, low)[..., :seqlen]
    x, size = u.transpose(1, 2), 2 * seqlen
    y = torch.fft.irfft(torch.fft.rfft(x, n=size) * torch.fft.rfft(rows[:, 0], n=size), n=size)[..., :seqlen]
    y = (y + rows[:, 1:].transpose(0, 1)).transpose(1, 2) + d * u

    latest_first = torch.nn.functional.pad(x.flip(-1), (0, coarse * fine - seqlen))
    return y, times(times(last, lam), state) + _sum_of_powers(latest_first, high, low)

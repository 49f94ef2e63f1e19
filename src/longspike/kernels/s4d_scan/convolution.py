"""The diagonal state-space scan as an FFT convolution, with state in and state out.

K[l] = sum_n Re(c_n lambda_n^l)      y = K * u + d u + sum_n Re(c_n lambda_n^(t+1) x_n[-1])
x_n[L-1] = lambda_n^L x_n[-1] + sum_t lambda_n^(L-1-t) u[t]

Powers have two levels, lambda^(i J + j) = (lambda^J)^i lambda^j with i, j < J, J about sqrt(L). Every sum over pairs
or steps is then a matrix product per channel, and no array of channels x pairs x steps comes into being.
Inside, numbers are complex and channels come first.
"""

import math

import torch
from torch import Tensor


def _as_complex(x: Tensor) -> Tensor:
    """(..., 2, channels) as complex (channels, ...)."""
    return torch.view_as_complex(x.movedim(-1, 0).contiguous())


def _as_rows(z: Tensor) -> Tensor:
    """Complex (..., n_pairs) as real (..., 2 n_pairs)."""
    return torch.view_as_real(z.resolve_conj()).flatten(-2)


def _powers(lam: Tensor, count: int) -> Tensor:
    """lambda^0 .. lambda^(count-1) as (channels, count, n_pairs), by doubling: log2(count) products."""
    table, step = torch.ones_like(lam)[:, None], lam[:, None]
    while table.shape[1] < count:
        table, step = torch.cat([table, table * step], dim=1), step * step
    return table[:, :count]


def _responses(weights: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """sum_n Re(w_n lambda_n^l) for every row w of `weights` (channels, rows, n_pairs), as (channels, rows, I J)."""
    left = _as_rows((weights[:, :, None] * high[:, None]).conj())
    return (left.flatten(1, 2) @ _as_rows(low).mT).view(*weights.shape[:2], -1)


def _sum_of_powers(u: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """sum_l lambda_n^l u[l] for u (channels, batch, I J), as (channels, batch, n_pairs)."""
    channels, batch, _ = u.shape
    (coarse, n_pairs), fine = high.shape[1:], low.shape[1]
    inner = u.view(channels, batch * coarse, fine) @ _as_rows(low)
    return (torch.view_as_complex(inner.view(channels, batch, coarse, n_pairs, 2)) * high[:, None]).sum(dim=2)


def forward(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """y (batch, seqlen, channels) and the state after the last step; differentiable by autograd."""
    seqlen = u.shape[1]
    if u.numel() == 0:
        return torch.empty_like(u), state
    fine = math.isqrt(seqlen - 1) + 1
    coarse = (seqlen + fine - 1) // fine
    pole, read, before = _as_complex(lam), _as_complex(c)[:, None], _as_complex(state)
    low = _powers(pole, fine + 1)
    high, low = _powers(low[:, -1], coarse), low[:, :-1]

    # One product for the kernel (row 0) and for what each sample's initial state adds.
    rows = _responses(torch.cat([read, read * pole[:, None] * before], dim=1), high, low)[..., :seqlen]
    x, size = u.permute(2, 0, 1).contiguous(), 2 * seqlen
    spectrum = torch.fft.rfft(x, n=size) * torch.fft.rfft(rows[:, :1], n=size)
    y = torch.fft.irfft(spectrum, n=size)[..., :seqlen] + rows[:, 1:] + d[:, None, None] * x

    latest_first = torch.nn.functional.pad(x.flip(-1), (0, coarse * fine - seqlen))
    decay = pole * high[:, -1] * low[:, seqlen - 1 - (coarse - 1) * fine]  # lambda^seqlen
    end = decay[:, None] * before + _sum_of_powers(latest_first, high, low)
    return y.permute(1, 2, 0), torch.view_as_real(end).permute(1, 2, 3, 0)

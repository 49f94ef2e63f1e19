"""The diagonal state-space scan as an FFT convolution, with state in and state out.

K[l] = sum_n Re(c_n lambda_n^l)      y = K * u + d u + sum_n Re(c_n lambda_n^(t+1) x_n[-1])
x_n[L-1] = lambda_n^L x_n[-1] + sum_t lambda_n^(L-1-t) u[t]
"""

import torch
from torch import Tensor


def powers(lam: Tensor, count: int) -> Tensor:
    """lambda^0 .. lambda^(count-1) as (count, n_pairs, 2, channels), by doubling: log2(count) products."""
    table = torch.stack([torch.ones_like(lam[:, 0]), torch.zeros_like(lam[:, 0])], dim=1)[None]
    step = lam
    while table.shape[0] < count:
        real, imag = table[:, :, 0], table[:, :, 1]
        moved = torch.stack([real * step[:, 0] - imag * step[:, 1], real * step[:, 1] + imag * step[:, 0]], dim=2)
        table = torch.cat([table, moved])
        sr, si = step[:, 0], step[:, 1]
        step = torch.stack([sr * sr - si * si, 2 * sr * si], dim=1)
    return table[:count]


def forward(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """y (batch, seqlen, channels) and the state after the last step; differentiable by autograd."""
    seqlen = u.shape[1]
    if seqlen == 0:
        return torch.empty_like(u), state
    table = powers(lam, seqlen + 1)  # (seqlen + 1, n_pairs, 2, channels)
    kernel = (c[:, 0] * table[:-1, :, 0] - c[:, 1] * table[:-1, :, 1]).sum(dim=1)
    size = 2 * seqlen
    spectrum = torch.fft.rfft(u, n=size, dim=1) * torch.fft.rfft(kernel, n=size, dim=0)
    y = torch.fft.irfft(spectrum, n=size, dim=1)[:, :seqlen] + d * u

    rotated = torch.stack(
        [
            c[:, 0] * table[1:, :, 0] - c[:, 1] * table[1:, :, 1],
            c[:, 0] * table[1:, :, 1] + c[:, 1] * table[1:, :, 0],
        ],
        dim=2,
    )
    y = y + torch.einsum("lnh,bnh->blh", rotated[:, :, 0], state[:, :, 0])
    y = y - torch.einsum("lnh,bnh->blh", rotated[:, :, 1], state[:, :, 1])

    last = table[-1]
    carried = torch.stack(
        [
            last[:, 0] * state[:, :, 0] - last[:, 1] * state[:, :, 1],
            last[:, 0] * state[:, :, 1] + last[:, 1] * state[:, :, 0],
        ],
        dim=2,
    )
    return y, carried + torch.einsum("lnph,blh->bnph", table[:-1].flip(0), u)

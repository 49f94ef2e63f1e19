"""The diagonal state-space scan as a plain loop over time: the definition of correct.

    x_n[t] = lambda_n x_n[t-1] + u[t]        y[t] = sum_n Re(c_n x_n[t]) + d u[t]

Complex numbers are pairs of real rows: lambda, c are (n_pairs, 2, channels), the state (batch, n_pairs, 2, channels).
"""

import torch
from torch import Tensor


def advance(state: Tensor, lam: Tensor) -> Tensor:
    """lambda * x for states (..., n_pairs, 2, channels)."""
    real, imag = state[..., 0, :], state[..., 1, :]
    lr, li = lam[:, 0], lam[:, 1]
    return torch.stack([lr * real - li * imag, lr * imag + li * real], dim=-2)


def read(state: Tensor, c: Tensor) -> Tensor:
    """sum_n Re(c_n x_n) for states (..., n_pairs, 2, channels)."""
    return (c[:, 0] * state[..., 0, :] - c[:, 1] * state[..., 1, :]).sum(dim=-2)


def forward(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """y (batch, seqlen, channels) and the state after the last step; differentiable by autograd."""
    outputs = []
    for u_t in u.unbind(dim=1):
        moved = advance(state, lam)
        state = torch.stack([moved[..., 0, :] + u_t[:, None], moved[..., 1, :]], dim=-2)
        outputs.append(read(state, c) + d * u_t)
    y = torch.stack(outputs, dim=1) if outputs else torch.empty_like(u)
    return y, state

"""Where the poles of a diagonal state-space model start, and HiPPO-LegS whose spectrum they follow.

Reference: Gu et al. 2022, On the parameterization and initialization of diagonal state space models, arXiv 2206.11893.
"""

import math

import torch
from torch import Tensor

INITIALISATIONS = ("lin", "inv", "legs")


def hippo_legs(d_state: int) -> Tensor:
    """HiPPO-LegS, float64 (d_state, d_state): -sqrt((2n+1)(2k+1)) below the diagonal, -(n+1) on it, 0 above.

    Example:
        >>> hippo_legs(2).tolist()
        [[-1.0, 0.0], [-1.7320508075688772, -2.0]]
    """
    root = torch.sqrt(2 * torch.arange(d_state, dtype=torch.float64) + 1)
    below = torch.tril(root[:, None] * root[None, :], diagonal=-1)
    return 0.0 - below - torch.diag(torch.arange(1, d_state + 1, dtype=torch.float64))


def legs_spectrum(d_state: int) -> Tensor:
    """Eigenvalues with positive imaginary part of LegS' normal part A + P P^T, P[n] = sqrt(n + 1/2).

    A + P P^T = -I/2 + skew, so every real part is -1/2 and the imaginary parts are eigenvalues of a Hermitian matrix.
    Returns (d_state/2), complex128.
    """
    p = torch.sqrt(torch.arange(d_state, dtype=torch.float64) + 0.5)
    normal = hippo_legs(d_state) + p[:, None] * p[None, :]
    skew = (normal - normal.T) / 2
    imag = torch.linalg.eigvalsh(-1j * skew.to(torch.complex128))
    return torch.complex(torch.full_like(imag, -0.5), imag)[d_state // 2 :]


def initial_poles(d_state: int, init: str) -> Tensor:
    """The poles A_n, (d_state/2) complex128.

    S4D-Lin: -1/2 + i*pi*n. S4D-Inv: -1/2 + i*(N/pi)*(N/(2n+1) - 1). S4D-LegS: the spectrum of HiPPO-LegS.
    """
    n = torch.arange(d_state // 2, dtype=torch.float64)
    half = torch.full_like(n, -0.5)
    if init == "lin":
        return torch.complex(half, math.pi * n)
    if init == "inv":
        return torch.complex(half, d_state / math.pi * (d_state / (2 * n + 1) - 1))
    return legs_spectrum(d_state)

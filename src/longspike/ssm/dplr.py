"""HiPPO-LegS as a diagonal plus a matrix of rank one, in conjugate pairs.

Reference: Gu et al. 2022, Efficiently modeling long sequences with structured state spaces, arXiv 2111.00396, theorem 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike.ssm.initialisation import hippo_legs


class LegsDPLR(NamedTuple):
    """A = V (Lambda - p p*) V* and B = V b; complex128, the half of every conjugate pair with positive imaginary part.

    Attributes:
        lam: (d_state/2), Re = -1/2.
        p, b: (d_state/2), p = V* P and b = V* B.
        v: (d_state, d_state/2), half the columns of the unitary V; the others are their conjugates.
    """

    lam: Tensor
    p: Tensor
    b: Tensor
    v: Tensor


def legs_dplr(d_state: int) -> LegsDPLR:
    """The diagonal-plus-low-rank form of HiPPO-LegS.

    With P[n] = sqrt(n + 1/2), A + P P^T = -I/2 + S with S skew-symmetric, so -iS is Hermitian and V is unitary.
    A column of V is known up to its phase; here every p[n] is real and positive, and since B = sqrt(2) P so is b.

    Example:
        >>> legs = legs_dplr(2)
        >>> [round(float(x.abs()), 4) for x in (legs.lam[0], legs.p[0], legs.b[0])]
        [1.0, 1.0, 1.4142]
    """
    p = torch.sqrt(torch.arange(d_state, dtype=torch.float64) + 0.5)
    normal = hippo_legs(d_state) + p[:, None] * p[None, :]
    skew = (normal - normal.T) / 2
    imag, columns = torch.linalg.eigh(-1j * skew.to(torch.complex128))
    imag, columns = imag[d_state // 2 :], columns[:, d_state // 2 :]
    weights = columns.mH @ p.to(torch.complex128)
    v = columns * (weights / weights.abs())[None, :]
    rotated = (v.mH @ p.to(torch.complex128)).real
    low_rank = torch.complex(rotated, torch.zeros_like(rotated))
    return LegsDPLR(torch.complex(torch.full_like(imag, -0.5), imag), low_rank, 2**0.5 * low_rank, v)

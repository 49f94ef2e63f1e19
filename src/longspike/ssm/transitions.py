"""Transitions of the spike-aware memory as dense matrices: the exact exponential, its Taylor series, and definitions.

    A_S(Dt) = Lambda f^2 - R_S R_S*,   f = exp(-a Dt),   R_S = diag(f) R        (d_state x d_state, complex)

Pairs come as halves (..., n_pairs); a full matrix has the stored half first, then its conjugate. Every function here costs
O(d_state^3) for a gap; the bilinear transition in O(d_state rank) is in `longspike.kernels.sa_hippo`.
"""

import warnings

import torch
from torch import Tensor

from longspike.kernels.sa_hippo.tables import Dynamics

TRANSITIONS = ("bilinear", "expm", "taylor2")


def effective_time(dt: Tensor, decay: Tensor) -> Tensor:
    """Dt exp(-2 a Dt): how far a mode of decay a moves over Dt. Largest at Dt = 1/(2a), where it is 1/(2 a e).

    Example:
        >>> effective_time(torch.tensor([0.0, 0.5, 5.0]), torch.tensor(1.0))
        tensor([0.0000, 0.1839, 0.0002])
    """
    return dt * torch.exp(-2 * decay * dt)


def _whole(half: Tensor, dim: int) -> Tensor:
    return torch.cat([half, half.conj()], dim=dim)


def dense_dynamics(delta: Tensor, dynamics: Dynamics) -> tuple[Tensor, Tensor, Tensor]:
    """Dt (gaps, heads), A_S (gaps, heads, d_state, d_state) and B (heads, d_state), float64 and complex128."""
    dt = delta.double()[:, None] * torch.exp(dynamics.log_dt.double())
    half = torch.complex(-torch.exp(dynamics.log_a_real.double()), dynamics.a_imag.double())
    r = _whole(torch.complex(dynamics.r[:, :, 0].double(), dynamics.r[:, :, 1].double()), 1)
    b = _whole(torch.view_as_complex(dynamics.b.double().contiguous()), 1)
    if dynamics.log_decay is None:
        f = torch.ones_like(dt)[..., None]
    else:
        f = torch.exp(-torch.exp(dynamics.log_decay.double()) * dt[..., None])
        f = torch.cat([f, f], dim=-1)
    scaled = f[..., None] * r
    return dt, torch.diag_embed(f**2 * _whole(half, 1)) - scaled @ scaled.mH, b


def bilinear_dense(a: Tensor, dt: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """T = (I - Dt A/2)^-1 (I + Dt A/2) and (I - Dt A/2)^-1 Dt B, by solving."""
    half = dt[..., None, None] / 2 * a
    identity = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    held = torch.linalg.solve(identity - half, (dt[..., None] * b)[..., None])[..., 0]
    return torch.linalg.solve(identity - half, identity + half), held


def exponential_dense(a: Tensor, dt: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """T = exp(Dt A) and the zero-order hold's integral of exp(s A) B over 0 .. Dt, from one augmented exponential."""
    column = b.expand(a.shape[:-1])[..., None]
    upper = dt[..., None, None] * torch.cat([a, column], dim=-1)
    augmented = torch.cat([upper, torch.zeros_like(upper[..., :1, :])], dim=-2)
    result = torch.linalg.matrix_exp(augmented)
    return result[..., :-1, :-1], result[..., :-1, -1]


def taylor2_dense(a: Tensor, dt: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """T = I + Dt A + (Dt A)^2/2 and Dt (I + Dt A/2) B: the series of `exponential_dense` to second order.

    Warns once per call, with the numbers, outside the region where the series can be stable: |Dt A| > 2 or a spectral
    radius above 1. HiPPO-LegS is far from normal, so a radius below 1 alone promises little: with d_state = 64 and
    |Dt A| = 26 the radius is 0.99 and the state grows a hundred-million-fold within ten ticks.
    """
    z = dt[..., None, None] * a
    identity = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    t = identity + z + z @ z / 2
    norm = torch.linalg.matrix_norm(z.detach(), ord=2).flatten()
    radius = torch.linalg.eigvals(t.detach()).abs().amax(dim=-1).flatten()
    if norm.numel() and (float(norm.max()) > 2 or float(radius.max()) > 1 + 1e-9):
        worst = int(norm.argmax())
        warnings.warn(
            f"taylor2: |A_S Dt| = {float(norm[worst]):.3g} exceeds 2 or the spectral radius, {float(radius[worst]):.3g} "
            "there, exceeds 1: the series is outside its stable region and the state may grow without bound. "
            "Use transition='bilinear', or a smaller dt_max.",
            stacklevel=2,
        )
    return t, (dt[..., None] * (b + (z @ b[..., None])[..., 0] / 2))


def dense_transition(delta: Tensor, dynamics: Dynamics, transition: str, inputs: str) -> tuple[Tensor, Tensor]:
    """T (gaps, heads, n_pairs, d_state) in its stored rows and the input's vector (gaps, heads, n_pairs), complex."""
    dt, a, b = dense_dynamics(delta, dynamics)
    rule = {"bilinear": bilinear_dense, "expm": exponential_dense, "taylor2": taylor2_dense}[transition]
    t, held = rule(a, dt, b)
    n_pairs = a.shape[-1] // 2
    b = held if inputs == "held" else b.expand(held.shape)
    return t[..., :n_pairs, :], b[..., :n_pairs]


def run_dense(
    u: Tensor, index: Tensor, offsets: Tensor, t: Tensor, b: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """y and the end states of ragged ticks, as `kernels.sa_hippo.reference.forward`, with dense transitions."""
    num_heads, dtype = b.shape[1], torch.promote_types(u.dtype, torch.complex64)
    t, b = t.to(dtype), b.to(dtype)
    read = torch.view_as_complex(c.unflatten(2, (num_heads, -1)).permute(2, 0, 3, 1).contiguous())
    skip, split = d.view(num_heads, -1), u.unflatten(1, (num_heads, -1))
    outputs, ends, bounds = [], [], offsets.tolist()
    for sample, first, last in zip(state.unbind(0), bounds[:-1], bounds[1:]):
        x = torch.view_as_complex(sample.transpose(2, 3).contiguous())  # (heads, n_pairs, d_head)
        for k in range(first, last):
            x = t[index[k]] @ _whole(x, 1) + b[index[k]][..., None] * split[k][:, None]
            outputs.append((2 * (read * x).sum(dim=1).real + skip * split[k]).flatten())
        ends.append(torch.view_as_real(x).transpose(2, 3))
    return torch.stack(outputs) if outputs else torch.zeros_like(u), torch.stack(ends) if ends else state

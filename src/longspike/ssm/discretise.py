"""From continuous to discrete time, on pairs of real numbers (complex autograd and mixed precision do not mix)."""

import torch
from torch import Tensor

DISCRETISATIONS = ("zoh", "bilinear")


def zero_order_hold(a_real: Tensor, a_imag: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """A_bar = exp(dt*A) and B_bar = (exp(dt*A) - 1)/A for B = 1.

    Shapes: A (n_pairs, channels), dt (channels); both results (n_pairs, 2, channels), real then imaginary part.
    exp(z) - 1 is computed without cancellation: expm1(x)*cos(y) - 2*sin(y/2)^2 + i*exp(x)*sin(y).
    """
    x, y = a_real * dt, a_imag * dt
    growth, sine, cosine = torch.exp(x), torch.sin(y), torch.cos(y)
    minus_one = torch.expm1(x) * cosine - 2 * torch.sin(y / 2) ** 2
    imag = growth * sine
    norm = a_real**2 + a_imag**2
    b_real = (minus_one * a_real + imag * a_imag) / norm
    b_imag = (imag * a_real - minus_one * a_imag) / norm
    return torch.stack([growth * cosine, imag], dim=1), torch.stack([b_real, b_imag], dim=1)


def bilinear(a_real: Tensor, a_imag: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """A_bar = (1 + dt*A/2)/(1 - dt*A/2) and B_bar = dt/(1 - dt*A/2) for B = 1; shapes as in `zero_order_hold`."""
    x, y = a_real * dt / 2, a_imag * dt / 2
    norm = (1 - x) ** 2 + y**2
    inverse_real, inverse_imag = (1 - x) / norm, y / norm
    a_bar = [(1 + x) * inverse_real - y * inverse_imag, (1 + x) * inverse_imag + y * inverse_real]
    return torch.stack(a_bar, dim=1), torch.stack([dt * inverse_real, dt * inverse_imag], dim=1)

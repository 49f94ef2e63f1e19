"""S4D in torch operators alone, as convolution: the usual complex formulation, and the fastest form we know.

    K[l] = 2 Re sum_n C_n (exp(dt A_n) - 1)/A_n exp(l dt A_n);   y = K * x + D x

Both take the parameters of a `longspike.nn.S4D` with zero-order hold and return what it returns, without the state.
"""

import torch
from torch import Tensor

from longspike.ssm.s4d import S4D

INNER = 128


def _rates_and_weights(layer: S4D) -> tuple[Tensor, Tensor]:
    """dt A and C B_bar, complex, both (n_pairs, channels)."""
    poles = torch.complex(-torch.exp(layer.log_A_real), layer.A_imag)
    rates = poles * torch.exp(layer.log_dt)
    return rates, torch.complex(layer.C[:, 0], layer.C[:, 1]) * (torch.exp(rates) - 1) / poles


def _convolve(layer: S4D, x: Tensor, kernel: Tensor) -> Tensor:
    """kernel (channels, seqlen) over x (batch, seqlen, channels), by FFT along contiguous time."""
    seqlen = x.shape[1]
    spectrum = torch.fft.rfft(x.transpose(1, 2), n=2 * seqlen) * torch.fft.rfft(kernel, n=2 * seqlen)
    y = torch.fft.irfft(spectrum, n=2 * seqlen)[..., :seqlen]
    return y.transpose(1, 2) + layer.D * x


def complex_fft_s4d(layer: S4D, x: Tensor) -> Tensor:
    """The usual formulation: a complex Vandermonde matrix over all steps (channels, n_pairs, seqlen) is summed."""
    rates, weights = _rates_and_weights(layer)
    steps = torch.arange(x.shape[1], device=x.device)
    return _convolve(layer, x, 2 * (weights[..., None] * torch.exp(rates[..., None] * steps)).sum(dim=0).real)


def two_level_fft_s4d(layer: S4D, x: Tensor) -> Tensor:
    """The kernel as a product of two small real matrices a channel: exp((128 i + j) z) = exp(128 i z) exp(j z)."""
    rates, weights = (z.t() for z in _rates_and_weights(layer))  # (channels, n_pairs)
    seqlen = x.shape[1]
    outer_steps = INNER * torch.arange((seqlen + INNER - 1) // INNER, device=x.device)
    outer = weights[..., None] * torch.exp(rates[..., None] * outer_steps)
    inner = torch.exp(rates[..., None] * torch.arange(INNER, device=x.device))
    left = torch.cat([outer.real, -outer.imag], dim=1).transpose(1, 2)  # (channels, outer steps, 2 n_pairs)
    kernel = 2 * torch.bmm(left, torch.cat([inner.real, inner.imag], dim=1))
    return _convolve(layer, x, kernel.flatten(1)[:, :seqlen])

"""The cases on which every operator is held against its definition, and definitions of our own."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longspike.nn import Surrogate

SEQLENS = (0, 1, 63, 64, 65, 130, 1000)  # around the block of 64 steps, whole blocks and not
RESETS = ("subtract", "zero", "none")
GRADIENTS = ("full", "detach_reset", "instant")
SURROGATES = tuple(
    Surrogate(name, scale)
    for name, scale in (("triangle", 0.7), ("fast_sigmoid", 3.0), ("atan", 1.3), ("boxcar", 0.6), ("sigmoid", 5.0))
)
LAYOUTS = ("contiguous", "transposed", "sliced", "expanded")
LIF_NAMES = ("current", "beta", "threshold", "rho", "gamma", "v", "r", "spike")


def in_layout(x: Tensor, layout: str) -> Tensor:
    """The numbers of x (the first sample repeated for "expanded") behind other strides."""
    if layout == "transposed":
        return x.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "sliced":
        wide = torch.full((x.shape[0], x.shape[1], 2 * x.shape[2] + 1), float("nan"), dtype=x.dtype)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    if layout == "expanded":
        return x[:1].expand(x.shape)
    return x


class LIFCase(NamedTuple):
    """Arguments of a neuron call: current, (beta, threshold, rho, gamma) per channel, (v, r, spike) before."""

    current: Tensor
    parameters: tuple[Tensor, Tensor, Tensor, Tensor]
    state: tuple[Tensor, Tensor, Tensor]

    def leaves(self) -> list[Tensor]:
        """Copies that require gradients, in the order of LIF_NAMES."""
        return [x.detach().clone().requires_grad_() for x in (self.current, *self.parameters, *self.state)]

    def named(self) -> dict[str, Tensor]:
        """The parameters as keyword arguments of `refractory_lif`."""
        return dict(zip(("beta", "threshold", "rho", "gamma"), self.parameters, strict=True))


def lif_case(
    batch: int,
    seqlen: int,
    channels: int,
    *,
    dtype: torch.dtype = torch.float32,
    layout: str = "contiguous",
    slowest: float = 0.98,
    seed: int = 1,
) -> LIFCase:
    """Every channel another neuron: some without refractoriness, some whose trace lasts a single step."""
    g = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=g, dtype=torch.float64)

    current = (0.3 + 0.8 * torch.randn(batch, seqlen, channels, generator=g, dtype=torch.float64)).to(dtype)
    beta, threshold = uniform(0.05, slowest, channels), uniform(0.4, 1.6, channels)
    rho, gamma = uniform(0, 1, channels), uniform(0, 0.9, channels)
    rho[::3], gamma[1::4] = 0, 0
    state = (uniform(-1, 2, batch, channels), uniform(0, 1, batch, channels), uniform(0, 2, batch, channels).floor())
    return LIFCase(
        in_layout(current, layout),
        tuple(x.to(dtype) for x in (beta, threshold, rho, gamma)),
        tuple(x.to(dtype) for x in state),
    )


def numpy_lif(case: LIFCase, reset: str) -> np.ndarray:
    """Spikes by the docstring's equations, one scalar at a time, in the case's own dtype."""
    x = case.current.numpy()
    spikes = np.zeros_like(x)
    for b in range(x.shape[0]):
        for h in range(x.shape[2]):
            beta, theta, rho, gamma = (p.numpy()[h] for p in case.parameters)
            v, r, s = (part.numpy()[b, h] for part in case.state)
            for t in range(x.shape[1]):
                u = {"subtract": v - theta * s, "zero": v * (1 - s), "none": v}[reset]
                r, v = gamma * r + s, beta * u + x[b, t, h]
                s = x.dtype.type(v - rho * r > theta)
                spikes[b, t, h] = s
    return spikes


class _Spike(torch.autograd.Function):
    """A step forward, the surrogate's slope backward."""

    @staticmethod
    def forward(ctx, z, surrogate):
        ctx.save_for_backward(z)
        ctx.surrogate = surrogate
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.surrogate.slope(ctx.saved_tensors[0]), None


def autograd_lif(leaves: list[Tensor], reset: str, surrogate: Surrogate, gradient: str) -> list[Tensor]:
    """Spikes and the final v, r, s by a loop that autograd differentiates; no code shared with the library."""
    current, beta, threshold, rho, gamma, v, r, s = leaves
    spikes = []
    for x in current.unbind(1):
        if gradient == "instant":
            v, r, s = v.detach(), r.detach(), s.detach()
        fired = s.detach() if gradient == "detach_reset" else s
        u = {"subtract": v - threshold * fired, "zero": v * (1 - fired), "none": v}[reset]
        r = gamma * r + s
        v = beta * u + x
        s = _Spike.apply(v - rho * r - threshold, surrogate)
        spikes.append(s)
    return [torch.stack(spikes, 1) if spikes else current * 0, v, r, s]


def weighted_sum(outputs: list[Tensor], seed: int = 5) -> Tensor:
    """A loss in which every entry of every output has its own weight."""
    g = torch.Generator().manual_seed(seed)
    total = torch.zeros((), dtype=outputs[0].dtype)
    for x in outputs:
        total = total + (x * torch.randn(x.shape, generator=g, dtype=torch.float64).to(x.dtype)).sum()
    return total


def relative_error(a: Tensor, b: Tensor) -> float:
    """max |a - b| over the largest |b|, at least 1e-30."""
    if b.numel() == 0:
        return 0.0
    return float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp(min=1e-30))


class S4DCase(NamedTuple):
    """Arguments of `s4d_scan`."""

    u: Tensor
    lam: Tensor
    c: Tensor
    d: Tensor
    state: Tensor

    def leaves(self) -> list[Tensor]:
        """Copies that require gradients."""
        return [x.detach().clone().requires_grad_() for x in self]


def s4d_case(
    batch: int,
    seqlen: int,
    channels: int,
    n_pairs: int,
    *,
    dtype: torch.dtype = torch.float32,
    layout: str = "contiguous",
    seed: int = 3,
) -> S4DCase:
    """Poles inside the unit circle, from quick to slow."""
    g = torch.Generator().manual_seed(seed)
    radius = 0.3 + 0.69 * torch.rand(n_pairs, channels, generator=g, dtype=torch.float64)
    angle = 3 * torch.rand(n_pairs, channels, generator=g, dtype=torch.float64)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)  # noqa: E731
    return S4DCase(
        in_layout(draw(batch, seqlen, channels), layout),
        torch.stack([radius * angle.cos(), radius * angle.sin()], 1).to(dtype),
        draw(n_pairs, 2, channels),
        draw(channels),
        draw(batch, n_pairs, 2, channels),
    )


def numpy_s4d(case: S4DCase) -> tuple[np.ndarray, np.ndarray]:
    """y and the final state (batch, n_pairs, channels) by the complex recurrence, complex128."""
    u, lam, c, d, state = (x.detach().double().numpy() for x in case)
    lam, c, x = lam[:, 0] + 1j * lam[:, 1], c[:, 0] + 1j * c[:, 1], state[:, :, 0] + 1j * state[:, :, 1]
    y = np.zeros_like(u)
    for t in range(u.shape[1]):
        x = lam * x + u[:, t, None]
        y[:, t] = (c * x).sum(1).real + d * u[:, t]
    return y, x

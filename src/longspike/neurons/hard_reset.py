"""The hard-reset LIF neuron of SpikingSSMs, exact: as a loop, and parallel over time by following its orbit.

u'[t] = beta*u[t-1] + current[t];   s[t] = 1 if u'[t] > 1 else 0;   u[t] = (1 - s[t])*u'[t]
"""

import math

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_choice, check_positive_int, check_sequence
from longspike._core.sequence import AbstractSequenceLayer
from longspike.errors import DerivativeError
from longspike.kernels._derivatives import may_go_backward, refuse_tangents
from longspike.kernels.refractory_lif.pmbc import leaky_scan
from longspike.neurons.lif import LIFState, refractory_lif, zero_state
from longspike.neurons.surrogate import Surrogate, as_surrogate


def hard_reset_orbit(current: Tensor, *, beta: float) -> Tensor:
    """Spikes of the hard-reset neuron, parallel over time, from a silent start.

    With c the leaky scan of the current, the membrane after a reset at t is c[t'] - beta^(t'-t)*c[t], so the next spike
    nxt(t) = min {t' > t : c[t'] - beta^(t'-t)*c[t] > 1} depends on nothing earlier. The spikes are the orbit of nxt from
    the first crossing, found by pointer doubling in ceil(log2 seqlen) gathers. Computed in float64; forward only.

    Args: current (batch, seqlen, channels), without a gradient; beta in (0, 1).
    Returns: spikes in {0, 1} shaped like `current`.
    Raises: DerivativeError if a derivative is wanted.
    """
    check_sequence("hard_reset_orbit", "current", current)
    refuse_tangents("hard_reset_orbit", (current,))
    if may_go_backward(current):
        raise DerivativeError(
            "hard_reset_orbit has no gradient; got a current that requires one. Use HardResetLIF, or current.detach()."
        )
    check_bounds("hard_reset_orbit", "beta", beta, low=0, high=1, closed_low=False, closed_high=False)
    seqlen = current.shape[1]
    if seqlen == 0:
        return torch.empty_like(current)
    if not bool(current.isfinite().all()):
        raise ValueError("hard_reset_orbit: `current` must be finite; got NaN or infinity.")
    decay = torch.full((current.shape[2],), beta, dtype=torch.float64, device=current.device)
    c = leaky_scan(current.double(), decay).transpose(1, 2).contiguous()
    following = _next_spike(c, beta)  # (batch, channels, seqlen + 1); `seqlen` means never
    crossing = torch.cat([c > 1, torch.ones_like(c[..., :1], dtype=torch.bool)], dim=-1)
    first = crossing.to(torch.int8).argmax(dim=-1, keepdim=True)
    fired = torch.zeros_like(following, dtype=torch.bool).scatter_(-1, first, True)
    jump = following
    for _ in range(math.ceil(math.log2(max(seqlen, 2))) + 1):  # after k rounds: the first 2^k spikes of the orbit
        landed = torch.where(fired, jump, seqlen)
        fired = fired.scatter(-1, landed, True)
        jump = jump.gather(-1, jump)
    return fired[..., :seqlen].transpose(1, 2).to(current.dtype)


def _next_spike(c: Tensor, beta: float) -> Tensor:
    """nxt(t) for every t, with the end as a fixed point.

    Within a window of W steps the reset still matters (beta^W above float64's resolution of c); beyond it the next spike
    is the next t' with c[t'] > 1.
    """
    seqlen = c.shape[-1]
    window = min(max(seqlen - 1, 0), math.ceil(math.log(1e-18) / math.log(beta)))
    plain = torch.where(c > 1, torch.arange(seqlen, device=c.device), seqlen)
    plain = torch.cat([plain, torch.full_like(plain[..., :1], seqlen)], dim=-1)
    plain = plain.flip(-1).cummin(dim=-1).values.flip(-1)  # first plain crossing at or after t
    positions = torch.arange(seqlen + 1, device=c.device)
    following = plain[..., (positions + window + 1).clamp(max=seqlen)]
    for m in range(window, 0, -1):  # the nearest wins, so it is written last
        crosses = c[..., m:] - beta**m * c[..., : seqlen - m] > 1
        near = following[..., : seqlen - m]
        following[..., : seqlen - m] = torch.where(crosses, positions[m:seqlen], near)
    return following


class HardResetLIF(AbstractSequenceLayer[LIFState]):
    """Hard-reset LIF neurons with a trained threshold that divides the current: y / exp(ln_vth), per channel.

    Args:
        channels: number of neurons. beta: decay in (0, 1), fixed; SpikingSSMs uses 0.125.
        trains_threshold: train ln_vth ("VT" in the paper; "VF" is fixed).
        surrogate, gradient, method: as in `longspike.functional.refractory_lif`; SpikingSSMs' own code computes the
            "instant" gradient.

    Reference: Shen et al. 2024, SpikingSSMs, arXiv 2408.14909.
    """

    def __init__(
        self,
        channels: int,
        *,
        beta: float = 0.125,
        trains_threshold: bool = True,
        surrogate: str | Surrogate = "triangle",
        gradient: str = "full",
        method: str = "auto",
    ) -> None:
        super().__init__()
        check_positive_int("HardResetLIF", "channels", channels)
        check_bounds("HardResetLIF", "beta", beta, low=0, high=1, closed_low=False, closed_high=False)
        check_choice("HardResetLIF", "method", method, ("auto", "sequential", "speculative", "reference"))
        self.channels, self.beta, self.gradient, self.method = channels, beta, gradient, method
        self.surrogate = as_surrogate(surrogate)
        self.ln_vth = nn.Parameter(torch.zeros(channels), requires_grad=trains_threshold)

    def init_state(self, batch: int) -> LIFState:
        """The silent state of `batch` samples."""
        return zero_state(batch, self.channels, dtype=self.ln_vth.dtype, device=self.ln_vth.device)

    def forward(self, x: Tensor, state: LIFState | None = None) -> tuple[Tensor, LIFState]:
        """Spikes of currents (batch, seqlen, channels), and the state after the last step."""
        check_sequence("HardResetLIF", "x", x, channels=self.channels)
        return refractory_lif(
            x / self.ln_vth.exp().to(x.dtype),
            beta=self.beta,
            threshold=1.0,
            rho=0.0,
            gamma=0.0,
            reset="zero",
            surrogate=self.surrogate,
            gradient=self.gradient,
            state=state,
            method=self.method,
        )

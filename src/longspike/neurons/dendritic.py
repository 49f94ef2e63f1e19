"""Dendritic LIF neurons on dense sequences: branches with time constants of their own before one soma.

i_d[t] = exp(-1/tau_d)*i_d[t-1] + (W_d x[t]);   m[t] = exp(-1/tau_soma)*v[t-1] + sum_d g_d*i_d[t]
s[t] = 1 if m[t] > threshold else 0;            v[t] = m[t]*(1 - s[t])
"""

import math
from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_choice, check_positive_int, check_sequence
from longspike._core.dtypes import compute_dtype
from longspike._core.sequence import AbstractLayer, AbstractSequenceLayer
from longspike._core.states import as_state, check_part
from longspike.kernels._dispatch import DENDRITE_METHODS
from longspike.kernels.dendrite import dendritic_lif
from longspike.kernels.mixing import linear
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate, as_surrogate

TYPICAL_MEMBRANE = 0.6  # in thresholds: a normal variable of this deviation exceeds 1 in 5 % of cases
TYPICAL_UPDATES = 16  # of one position, in a burst of events or a short sequence


class DendriticState(NamedTuple):
    """What dendritic neurons remember: i (batch, num_branches, channels), and v after the reset (batch, channels)."""

    i: Tensor
    v: Tensor


def branch_taus(where: str, num_branches: int, tau_min: float, tau_max: float, tau_soma: float) -> Tensor:
    """num_branches time constants, log-spaced from tau_min to tau_max; raise unless all are positive and ordered."""
    check_positive_int(where, "num_branches", num_branches)
    for name, value in (("tau_min", tau_min), ("tau_soma", tau_soma)):
        check_bounds(where, name, value, low=0, high=math.inf, closed_low=False, closed_high=False)
    check_bounds(where, "tau_max", tau_max, low=tau_min, high=math.inf, closed_high=False)
    return torch.logspace(math.log10(tau_min), math.log10(tau_max), num_branches)


def membrane_deviation(rate: Tensor, rate_soma: Tensor, g: Tensor) -> float:
    """Standard deviation of a membrane after TYPICAL_UPDATES updates of every branch by white noise of variance 1.

    Without a reset, noise that came j updates ago is in the membrane with the weight

        h_d(j) = g_d * sum_{k <= j} exp(-rate_soma)^(j-k) * exp(-rate_d)^k;   variance = sum_d sum_j h_d(j)^2
    """
    a, b = torch.exp(-rate.double()), torch.exp(-rate_soma.double())
    branch, response, variance = torch.ones_like(a), torch.zeros_like(a), 0.0
    for _ in range(TYPICAL_UPDATES):
        response = b * response + g.double() * branch
        branch = a * branch
        variance += float((response**2).sum())
    return math.sqrt(variance)


class AbstractDendrites(AbstractLayer):
    """The parameters of dendritic neurons: time constants of the branches and of the soma, and the coupling g.

    Starts with time constants log-spaced from tau_min to tau_max and g = 1/num_branches.
    """

    DYNAMICS = ("log_tau", "log_tau_soma", "g")  # trained with a small step and no weight decay

    def __init__(
        self,
        channels: int,
        *,
        num_branches: int,
        tau_min: float,
        tau_max: float,
        tau_soma: float,
        threshold: float,
        surrogate: str | Surrogate,
        method: str,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        check_positive_int(where, "channels", channels)
        check_bounds(where, "threshold", threshold, low=0, high=math.inf, closed_low=False, closed_high=False)
        check_choice(where, "method", method, DENDRITE_METHODS)
        self.channels, self.num_branches = channels, num_branches
        self.threshold, self.surrogate, self.method = threshold, as_surrogate(surrogate), method
        self.log_tau = nn.Parameter(branch_taus(where, num_branches, tau_min, tau_max, tau_soma).log())
        self.log_tau_soma = nn.Parameter(torch.tensor(math.log(tau_soma)))
        self.g = nn.Parameter(torch.full((num_branches,), 1 / num_branches))

    @abstractmethod
    def dynamics(self) -> tuple[Tensor, Tensor, Tensor]:
        """rate (num_branches) and rate_soma (), decays per step as exp(-rate); g (num_branches)."""

    def checked(self, i: Tensor, v: Tensor, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """i and v of `count` neurons a channel, in `dtype`; raise unless they fit."""
        where, shape = type(self).__name__, (count, self.num_branches, self.channels)
        i, v = check_part(where, "state.i", i, shape), check_part(where, "state.v", v, (count, self.channels))
        return i.to(dtype), v.to(dtype)

    def typical_scale(self, *, gap: float = 1.0) -> float:
        """The input's deviation at which membranes deviate by TYPICAL_MEMBRANE thresholds, updated every `gap` steps."""
        with torch.no_grad():
            rate, rate_soma, g = self.dynamics()
            return TYPICAL_MEMBRANE * self.threshold / membrane_deviation(gap * rate, gap * rate_soma, g)


class DendriticLIF(AbstractDendrites, AbstractSequenceLayer[DendriticState]):
    """A layer of dendritic LIF neurons: linear maps into num_branches branches, one soma a channel.

    Starts with g = 1/num_branches and normal weights, so scaled that after 16 steps of white input of unit variance the
    membranes, without a reset, would deviate by 0.6 thresholds and 5 % of them would exceed it.

    Args:
        in_features, channels: sizes.
        num_branches: branches of a neuron. tau_min, tau_max: their time constants in steps, log-spaced and trained.
        tau_soma: time constant of the soma in steps, trained. threshold: > 0, a constant.
        surrogate: slope of the backward pass, in the spike and in the reset.
        method: "compiled", "reference" or "auto".

    Reference: Zheng et al. 2024, Nature Communications 15:277; Chakraborty and Mukhopadhyay 2025, arXiv 2504.01257.

    Example:
        >>> layer = DendriticLIF(5, 3, num_branches=4, tau_min=2, tau_max=100, tau_soma=10)
        >>> spikes, state = layer(torch.randn(2, 7, 5))
        >>> tuple(spikes.shape), tuple(state.i.shape)
        ((2, 7, 3), (2, 4, 3))
    """

    def __init__(
        self,
        in_features: int,
        channels: int,
        *,
        num_branches: int,
        tau_min: float,
        tau_max: float,
        tau_soma: float,
        threshold: float = 1.0,
        surrogate: str | Surrogate = "triangle",
        method: str = "auto",
    ) -> None:
        super().__init__(
            channels,
            num_branches=num_branches,
            tau_min=tau_min,
            tau_max=tau_max,
            tau_soma=tau_soma,
            threshold=threshold,
            surrogate=surrogate,
            method=method,
        )
        check_positive_int("DendriticLIF", "in_features", in_features)
        self.in_features = in_features
        scale = self.typical_scale() / math.sqrt(in_features)
        self.weight = nn.Parameter(scale * torch.randn(num_branches, channels, in_features))

    def dynamics(self) -> tuple[Tensor, Tensor, Tensor]:
        """rate (num_branches) and rate_soma (), decays per step as exp(-rate); g (num_branches)."""
        return torch.exp(-self.log_tau), torch.exp(-self.log_tau_soma), self.g

    def init_state(self, batch: int) -> DendriticState:
        """The silent state of `batch` samples."""
        i = torch.zeros(batch, self.num_branches, self.channels, dtype=self.weight.dtype, device=self.weight.device)
        return DendriticState(i, i.new_zeros(batch, self.channels))

    def forward(self, x: Tensor, state: DendriticState | None = None) -> tuple[Tensor, DendriticState]:
        """Spikes (batch, seqlen, channels) of inputs (batch, seqlen, in_features), and the state after the last step."""
        check_sequence("DendriticLIF", "x", x, channels=self.in_features)
        dtype, x = x.dtype, x.to(compute_dtype(x.dtype))
        state = self.init_state(x.shape[0]) if state is None else as_state("DendriticLIF", DendriticState, state)
        weight = self.weight.to(x.dtype).view(-1, self.in_features)
        drive = linear(x, weight, None, method=self.method).view(*x.shape[:2], self.num_branches, self.channels)
        membrane, (i, v) = dendritic_lif(
            drive,
            tuple(p.to(x.dtype) for p in self.dynamics()),  # type: ignore[arg-type]
            self.checked(*state, x.shape[0], x.dtype),
            threshold=self.threshold,
            surrogate=self.surrogate.name,
            scale=self.surrogate.value,
            method=self.method,
        )
        return spike(membrane - self.threshold, self.surrogate).to(dtype), DendriticState(i, v)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.channels}, num_branches={self.num_branches}, threshold={self.threshold}"

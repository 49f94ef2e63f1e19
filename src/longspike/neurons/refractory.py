"""The refractory LIF neuron as a module: trained threshold and refractory magnitude, one per channel."""

import math

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_choice, check_positive_int, check_sequence
from longspike._core.dtypes import compute_dtype, in_dtype
from longspike._core.sequence import AbstractSequenceLayer
from longspike.kernels._dispatch import LIF_METHODS
from longspike.kernels.refractory_lif import Certificate, certificate_from
from longspike.neurons.lif import GRADIENTS, RESETS, LIFState, check_state, lif_unchecked, zero_state
from longspike.neurons.surrogate import Surrogate, as_surrogate


class RefractoryLIF(AbstractSequenceLayer[LIFState]):
    """Refractory LIF neurons (see `longspike.functional.refractory_lif` for the equations).

    Threshold and refractory magnitude are positive by construction: threshold = exp(log_threshold),
    rho = exp(log_rho). The decays are fixed unless they are trained, then beta = sigmoid(logit_beta), gamma likewise.

    Args:
        channels: number of neurons.
        beta, gamma: decays per step, in (0, 1). threshold > 0. rho >= 0; 0 leaves the refractory part out.
        reset, surrogate, gradient, method: as in the function.
        trains_beta, trains_gamma: train the decays too.
    """

    def __init__(
        self,
        channels: int,
        *,
        beta: float = 0.125,
        threshold: float = 1.0,
        rho: float = 0.5,
        gamma: float = 0.5,
        reset: str = "subtract",
        surrogate: str | Surrogate = "triangle",
        gradient: str = "full",
        method: str = "auto",
        trains_beta: bool = False,
        trains_gamma: bool = False,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        check_positive_int(where, "channels", channels)
        check_bounds(where, "beta", beta, low=0, high=1, closed_low=False, closed_high=False)
        check_bounds(where, "gamma", gamma, low=0, high=1, closed_low=False, closed_high=False)
        check_bounds(where, "threshold", threshold, low=0, high=math.inf, closed_low=False, closed_high=False)
        check_bounds(where, "rho", rho, low=0, high=math.inf, closed_high=False)
        check_choice(where, "reset", reset, RESETS)
        check_choice(where, "gradient", gradient, GRADIENTS)
        check_choice(where, "method", method, LIF_METHODS)
        self.channels, self.reset, self.gradient, self.method = channels, reset, gradient, method
        self.surrogate = as_surrogate(surrogate)
        self.log_threshold = nn.Parameter(torch.full((channels,), math.log(threshold)))
        self.log_rho = nn.Parameter(torch.full((channels,), math.log(rho))) if rho > 0 else None
        for name, value, is_trained in (("beta", beta, trains_beta), ("gamma", gamma, trains_gamma)):
            logit = torch.full((channels,), math.log(value / (1 - value)))
            if is_trained:
                self.register_parameter(f"logit_{name}", nn.Parameter(logit))
            else:
                self.register_buffer(f"fixed_{name}", torch.full((channels,), value))
        self.trains_beta, self.trains_gamma = trains_beta, trains_gamma

    def dynamics(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(beta, threshold, rho, gamma), each (channels)."""
        threshold = self.log_threshold.exp()
        rho = torch.zeros_like(threshold) if self.log_rho is None else self.log_rho.exp()
        beta = torch.sigmoid(self.get_parameter("logit_beta")) if self.trains_beta else self.fixed_beta
        gamma = torch.sigmoid(self.get_parameter("logit_gamma")) if self.trains_gamma else self.fixed_gamma
        return beta, threshold, rho, gamma  # type: ignore[return-value]

    def init_state(self, batch: int) -> LIFState:
        """The silent state of `batch` samples."""
        return zero_state(batch, self.channels, dtype=self.log_threshold.dtype, device=self.log_threshold.device)

    def forward(self, x: Tensor, state: LIFState | None = None) -> tuple[Tensor, LIFState]:
        """Spikes of currents (batch, seqlen, channels), and the state after the last step."""
        spikes, end, _ = self._run(x, state)
        return spikes, end

    def certified(self, x: Tensor, state: LIFState | None = None) -> tuple[Tensor, LIFState, Certificate]:
        """`forward`, and what the method did: of speculative chunks, how many lanes had to run again (`repaired`)."""
        spikes, end, numbers = self._run(x, state)
        return spikes, end, certificate_from(numbers)

    def operands(self, x: Tensor, state: LIFState | None) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], LIFState]:
        """What an operator over currents like x takes: `dynamics` and the state, silent by default, in its dtype.

        Raises: ValueError unless the state fits x.
        """
        dtype = compute_dtype(x.dtype)
        return tuple([in_dtype(p, dtype) for p in self.dynamics()]), check_state(state, x)  # type: ignore[return-value]

    def _run(self, x: Tensor, state: LIFState | None) -> tuple[Tensor, LIFState, Tensor]:
        check_sequence("RefractoryLIF", "x", x, channels=self.channels)
        return lif_unchecked(
            x,
            *self.operands(x, state),
            reset=self.reset,
            surrogate=self.surrogate,
            gradient=self.gradient,
            method=self.method,
        )

    def extra_repr(self) -> str:
        return f"{self.channels}, reset={self.reset}, surrogate={self.surrogate.name}, gradient={self.gradient}"

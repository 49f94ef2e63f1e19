"""Activations without a membrane, to compare with: Heaviside, graded spikes, Bernoulli, GELU; the same calls as a neuron."""

import torch
from torch import Tensor

from longspike._core.checks import check_bounds, check_floats, check_positive_int, describe
from longspike._core.sequence import AbstractSequenceLayer
from longspike.kernels._spiking.modes import refuse_nan
from longspike.kernels.spikes import spikes
from longspike.neurons.surrogate import Surrogate, as_surrogate

NoState = tuple[()]


def spike(x: Tensor, surrogate: Surrogate, *, threshold: float = 0.0) -> Tensor:
    """1 where x > threshold, with the surrogate's slope at x - threshold as derivative."""
    return spikes(x, threshold=threshold, surrogate=surrogate.name, scale=surrogate.value)


class AbstractActivation(AbstractSequenceLayer[NoState]):
    """A neuron without memory: its state is empty, and a step needs no axis of time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_positive_int(type(self).__name__, "channels", channels)
        self.channels = channels

    def check(self, x: Tensor, state: NoState | None) -> None:
        """Raise unless x is (..., channels) of floats and the state is empty."""
        where = type(self).__name__
        check_floats(where, "x", x)
        if x.dim() == 0 or x.shape[-1] != self.channels:
            raise ValueError(f"{where}: `x` must have {self.channels} channels on its last axis; got {describe(x)}.")
        if state is not None and state != ():
            raise ValueError(f"{where}: `state` must be (): nothing is remembered; got {describe(state)}.")

    def init_state(self, batch: int) -> NoState:
        """Nothing is remembered."""
        return ()

    def step(self, x_t: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        """The output (batch, channels) of one step."""
        return self(x_t, state)


class Heaviside(AbstractActivation):
    """s[t] = 1 if current[t] > threshold: the neuron of Binary S4D, no membrane and no reset.

    Reference: Stan and Rhodes 2024, Learning long sequences in spiking neural networks, arXiv 2401.00955.
    """

    def __init__(self, channels: int, *, threshold: float = 0.0, surrogate: str | Surrogate = "triangle") -> None:
        super().__init__(channels)
        check_bounds("Heaviside", "threshold", threshold, closed_low=False, closed_high=False)
        self.threshold, self.surrogate = threshold, as_surrogate(surrogate)

    def forward(self, x: Tensor, state: NoState | None = None) -> tuple[Tensor, NoState]:
        """Spikes shaped like x."""
        self.check(x, state)
        return spike(x, self.surrogate, threshold=self.threshold), ()


class Graded(AbstractActivation):
    """s[t] = the number of thresholds 1/2, 3/2, ... that current[t] exceeds, of `levels`: spikes of several strengths.

        s = sum over k < levels of [x > k + 1/2]          unsigned: 0 to levels, the rounded and clipped current
        s = that - sum over k < levels of [-x > k + 1/2]  signed: ternary spikes -1, 0, 1 with one level

    The derivative is the sum of the surrogate's slopes at all thresholds. A spike of strength k stands for k binary
    ones: it is |k| additions behind the neuron, and counts as |k| in a firing rate, which can therefore exceed 1.

    References: Guo et al. 2024, Ternary Spike, arXiv 2312.06372; Luo et al. 2024, Integer-valued training, arXiv 2407.20708.

    Args:
        levels: strengths of each sign, at least 1. is_signed: whether there are negative spikes.
    """

    def __init__(
        self, channels: int, *, levels: int = 1, is_signed: bool = False, surrogate: str | Surrogate = "triangle"
    ) -> None:
        super().__init__(channels)
        check_positive_int("Graded", "levels", levels)
        self.levels, self.is_signed, self.surrogate = levels, is_signed, as_surrogate(surrogate)

    def forward(self, x: Tensor, state: NoState | None = None) -> tuple[Tensor, NoState]:
        """Spikes shaped like x."""
        self.check(x, state)
        spikes = self._strength(x)
        return (spikes - self._strength(-x) if self.is_signed else spikes), ()

    def _strength(self, x: Tensor) -> Tensor:
        strength = spike(x, self.surrogate, threshold=0.5)
        for level in range(1, self.levels):
            strength = strength + spike(x, self.surrogate, threshold=level + 0.5)
        return strength


class Bernoulli(AbstractActivation):
    """s[t] = 1 with probability clamp(current[t], 0, 1), in evaluation too: the neuron of P-SpikeSSM.

    The gradient is that of the expected spike. Draws from PyTorch's global generator, as dropout does; so two runs
    agree only when seeded alike, and a stream cannot repeat a batch.

    Reference: Bal and Sengupta 2024, P-SpikeSSM, arXiv 2406.02923.
    """

    def forward(self, x: Tensor, state: NoState | None = None) -> tuple[Tensor, NoState]:
        """Spikes shaped like x."""
        self.check(x, state)
        refuse_nan("Bernoulli", "x", x)
        probability = x.clamp(0, 1)
        drawn = (torch.rand_like(probability) < probability).to(x.dtype)
        return probability + (drawn - probability).detach(), ()


class GELU(AbstractActivation):
    """The dense activation of S4D: what spikes are compared with."""

    def forward(self, x: Tensor, state: NoState | None = None) -> tuple[Tensor, NoState]:
        """Activations shaped like x."""
        self.check(x, state)
        return torch.nn.functional.gelu(x), ()

"""The neuron inside a block, chosen by name: one code path compares them all."""

from collections.abc import Callable
from dataclasses import dataclass

from longspike._core.mistakes import Mistakes
from longspike._core.sequence import AbstractSequenceLayer
from longspike.neurons.hard_reset import HardResetLIF
from longspike.neurons.lif import GRADIENTS, RESETS
from longspike.neurons.memoryless import GELU, Bernoulli, Heaviside
from longspike.neurons.refractory import RefractoryLIF
from longspike.neurons.sdn import SDN
from longspike.neurons.surrogate import surrogate_of

NEURONS = ("refractory", "hard_reset", "sdn", "heaviside", "bernoulli", "gelu")


@dataclass(frozen=True, kw_only=True, slots=True)
class NeuronConfig:
    """Which neuron, and its constants; those that a kind does not have are left at their defaults.

    Attributes:
        kind: "refractory" (SPikE-SSM), "hard_reset" (SpikingSSMs, exact), "sdn" (SpikingSSMs' approximation),
            "heaviside" (Binary S4D), "bernoulli" (P-SpikeSSM) or "gelu" (S4D, no spikes).
        beta, threshold, rho, gamma, reset, trains_beta, trains_gamma: of the refractory neuron.
        surrogate, surrogate_scale, gradient: of the backward pass.
    """

    kind: str = "refractory"
    beta: float = 0.125
    threshold: float = 1.0
    rho: float = 0.5
    gamma: float = 0.5
    reset: str = "subtract"
    trains_beta: bool = False
    trains_gamma: bool = False
    surrogate: str = "triangle"
    surrogate_scale: float | None = None
    gradient: str = "full"

    def __post_init__(self) -> None:
        mistakes = Mistakes("NeuronConfig", self)
        mistakes.choices({"kind": NEURONS, "reset": RESETS, "gradient": GRADIENTS})
        mistakes.numbers("beta", "gamma", high=1)
        mistakes.numbers("threshold")
        mistakes.numbers("rho", closed_low=True)
        mistakes.part(lambda: surrogate_of(self))
        mistakes.raise_any()

    @property
    def is_spiking(self) -> bool:
        """Whether the outputs are zeros and ones."""
        return self.kind != "gelu"


def _refractory(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return RefractoryLIF(
        channels,
        beta=config.beta,
        threshold=config.threshold,
        rho=config.rho,
        gamma=config.gamma,
        reset=config.reset,
        surrogate=surrogate_of(config),
        gradient=config.gradient,
        trains_beta=config.trains_beta,
        trains_gamma=config.trains_gamma,
    )


def _hard_reset(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return HardResetLIF(channels, beta=config.beta, surrogate=surrogate_of(config), gradient=config.gradient)


def _sdn(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return SDN(channels, surrogate=surrogate_of(config))


def _heaviside(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return Heaviside(channels, surrogate=surrogate_of(config))


_BUILDERS: dict[str, Callable[[int, NeuronConfig], AbstractSequenceLayer]] = {
    "refractory": _refractory,
    "hard_reset": _hard_reset,
    "sdn": _sdn,
    "heaviside": _heaviside,
    "bernoulli": lambda channels, config: Bernoulli(channels),
    "gelu": lambda channels, config: GELU(channels),
}


def build_neuron(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    """The neuron module that `config` describes."""
    return _BUILDERS[config.kind](channels, config)

"""The neuron inside a block, chosen by name: one code path compares them all."""

from collections.abc import Callable
from dataclasses import dataclass

from longspike._core.mistakes import Mistakes
from longspike._core.sequence import AbstractSequenceLayer
from longspike.neurons.hard_reset import HardResetLIF
from longspike.neurons.lif import GRADIENTS, RESETS
from longspike.neurons.memoryless import GELU, Bernoulli, Graded, Heaviside
from longspike.neurons.population import Population
from longspike.neurons.refractory import RefractoryLIF
from longspike.neurons.sdn import SDN
from longspike.neurons.surrogate import surrogate_of

NEURONS = ("refractory", "hard_reset", "sdn", "heaviside", "ternary", "multi_bit", "bernoulli", "gelu")
MOST_LEVELS, MOST_PER_CHANNEL = 255, 64


@dataclass(frozen=True, kw_only=True, slots=True)
class NeuronConfig:
    """Which neuron, and its constants; those that a kind does not have are left at their defaults.

    Attributes:
        kind: "refractory" (SPikE-SSM), "hard_reset" (SpikingSSMs, exact), "sdn" (SpikingSSMs' approximation),
            "heaviside" (Binary S4D), "ternary" (spikes -1, 0, 1) or "multi_bit" (0 to `levels`), both without a membrane,
            "bernoulli" (P-SpikeSSM) or "gelu" (S4D, no spikes).
        beta, threshold, rho, gamma, reset, trains_beta, trains_gamma: of the refractory neuron.
        levels: strengths of a spike of "multi_bit" besides 0; 3 are two bits.
        per_channel: neurons of each channel, with trained offsets between them (`Population`).
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
    levels: int = 3
    per_channel: int = 1
    surrogate: str = "triangle"
    surrogate_scale: float | None = None
    gradient: str = "full"

    def __post_init__(self) -> None:
        mistakes = Mistakes("NeuronConfig", self)
        mistakes.choices({"kind": NEURONS, "reset": RESETS, "gradient": GRADIENTS})
        mistakes.numbers("beta", "gamma", high=1)
        mistakes.numbers("threshold")
        mistakes.integers("levels", low=1, high=MOST_LEVELS)
        mistakes.integers("per_channel", low=1, high=MOST_PER_CHANNEL)
        mistakes.numbers("rho", closed_low=True)
        mistakes.part(lambda: surrogate_of(self))
        mistakes.raise_any()

    @property
    def is_spiking(self) -> bool:
        """Whether the outputs are spikes: zeros and ones, or a few strengths."""
        return self.kind != "gelu"

    @property
    def strongest(self) -> int:
        """The largest spike, in binary spikes."""
        return self.levels if self.kind == "multi_bit" else 1

    @property
    def spike_bits(self) -> int:
        """Bits that tell which spike there is, if any."""
        return 2 if self.kind == "ternary" else self.strongest.bit_length()


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


def _ternary(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return Graded(channels, is_signed=True, surrogate=surrogate_of(config))


def _multi_bit(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    return Graded(channels, levels=config.levels, surrogate=surrogate_of(config))


_BUILDERS: dict[str, Callable[[int, NeuronConfig], AbstractSequenceLayer]] = {
    "refractory": _refractory,
    "hard_reset": _hard_reset,
    "sdn": _sdn,
    "heaviside": _heaviside,
    "ternary": _ternary,
    "multi_bit": _multi_bit,
    "bernoulli": lambda channels, config: Bernoulli(channels),
    "gelu": lambda channels, config: GELU(channels),
}


def build_neuron(channels: int, config: NeuronConfig) -> AbstractSequenceLayer:
    """The neuron module that `config` describes: `config.per_channel` neurons for each channel."""
    neuron = _BUILDERS[config.kind](channels * config.per_channel, config)
    return neuron if config.per_channel == 1 else Population(channels, config.per_channel, neuron)

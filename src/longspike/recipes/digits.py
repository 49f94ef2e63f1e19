"""Recipes for scikit-learn's digits: the demo, and the same network with other neurons."""

from dataclasses import replace

from longspike.models.presets import preset
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig

_DROPOUT = 0.05


def digits() -> Recipe:
    """The demo: refractory LIF neurons, few spikes."""
    return Recipe(
        name="digits",
        description="8x8 digits, 64 steps, refractory LIF: the demo",
        data="digits",
        model=replace(preset("digits"), dropout=_DROPOUT),
        training=TrainingConfig(epochs=60, batch_size=32, lr=0.01, label_smoothing=0.1, rate_target=0.08),
        expected="98.1 to 98.6 % of the test set (seeds 0 to 2) at 5 % firing; half a minute on 2 idle cores",
    )


def _with_neuron(suffix: str, description: str, *, spikes: bool = True) -> Recipe:
    base = digits()
    return replace(
        base,
        name=f"digits-{suffix}",
        description=f"8x8 digits with {description}",
        model=replace(preset(f"digits-{suffix}"), dropout=_DROPOUT),
        training=base.training if spikes else replace(base.training, rate_target=None),
        expected="a comparison, not a tuned result; like `digits` in everything but the neuron",
    )


def digits_hard_reset() -> Recipe:
    """SpikingSSMs' neuron, exact."""
    return _with_neuron("hard-reset", "hard-reset LIF (SpikingSSMs, exact)")


def digits_sdn() -> Recipe:
    """SpikingSSMs' neuron, approximated by its surrogate dynamic network."""
    return _with_neuron("sdn", "SpikingSSMs' surrogate dynamic network")


def digits_binary_s4d() -> Recipe:
    """A threshold without a membrane."""
    return _with_neuron("binary-s4d", "a plain threshold (Binary S4D)")


def digits_bernoulli() -> Recipe:
    """Spikes drawn at random."""
    return _with_neuron("bernoulli", "Bernoulli spikes (P-SpikeSSM)")


def digits_s4d() -> Recipe:
    """No spikes: the dense network to compare with."""
    return _with_neuron("s4d", "GELU instead of spikes (S4D)", spikes=False)

"""Named configurations: a literal table. Widths and depths of the published ones: Shen et al. 2024, SpikingSSMs."""

from longspike._core.mistakes import did_you_mean
from longspike.errors import ConfigError
from longspike.layers.neuron import NeuronConfig
from longspike.models.config import SpikeSSMConfig

_PRESETS = {
    # Ours, for two CPU cores.
    "digits": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16),
    "smnist-small": SpikeSSMConfig(d_model=64, num_layers=3, d_state=16, dropout=0.05),
    "psmnist-small": SpikeSSMConfig(d_model=64, num_layers=3, d_state=32, dropout=0.05),
    "scifar-small": SpikeSSMConfig(d_model=96, num_layers=3, d_state=16, dropout=0.1),
    # Published sizes, for a GPU.
    "smnist": SpikeSSMConfig(d_model=400, num_layers=2, d_state=64, dropout=0.1, norm="post"),
    "psmnist": SpikeSSMConfig(d_model=256, num_layers=4, d_state=64, dropout=0.1, norm="post"),
    "scifar": SpikeSSMConfig(d_model=512, num_layers=6, d_state=64, dropout=0.1, norm="post", is_bidirectional=True),
    # The same block with other neurons, to compare with.
    "digits-hard-reset": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16, neuron=NeuronConfig(kind="hard_reset")),
    "digits-sdn": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16, neuron=NeuronConfig(kind="sdn")),
    "digits-binary-s4d": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16, neuron=NeuronConfig(kind="heaviside")),
    "digits-bernoulli": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16, neuron=NeuronConfig(kind="bernoulli")),
    "digits-s4d": SpikeSSMConfig(d_model=64, num_layers=2, d_state=16, neuron=NeuronConfig(kind="gelu")),
}


def presets() -> tuple[str, ...]:
    """The names that `SpikeSSM.from_preset` knows.

    Example:
        >>> "digits" in presets()
        True
    """
    return tuple(_PRESETS)


def preset(name: str) -> SpikeSSMConfig:
    """The configuration of a name."""
    if name not in _PRESETS:
        hint = did_you_mean(name, _PRESETS)
        raise ConfigError(f"there is no preset {name!r}.{hint} The presets are: {', '.join(_PRESETS)}.")
    return _PRESETS[name]

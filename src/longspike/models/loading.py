"""From a configuration or a saved folder to a model."""

import math
import os
from pathlib import Path
from typing import Any

from longspike._core.checks import describe
from longspike.errors import CheckpointError, ConfigError
from longspike.models import checkpoint
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames import Flames
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig
from longspike.models.flames_sequence import FlamesSequence
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.pair_config import SpikeSSMPairConfig
from longspike.models.shapes import AnyConfig, main_shapes
from longspike.models.spike_lm import SpikeLM
from longspike.models.spike_ssm import SpikeSSM
from longspike.models.spike_ssm_pair import SpikeSSMPair

_MODELS: dict[str, tuple[type, type]] = {
    "SpikeSSM": (SpikeSSM, SpikeSSMConfig),
    "SpikeLM": (SpikeLM, SpikeLMConfig),
    "SpikeSSMPair": (SpikeSSMPair, SpikeSSMPairConfig),
    "Flames": (Flames, FlamesConfig),
    "FlamesSequence": (FlamesSequence, FlamesSequenceConfig),
}


def build(config: AnyConfig) -> SpikeSSM | SpikeLM | SpikeSSMPair | Flames | FlamesSequence:
    """The network that a configuration describes.

    Raises: TypeError for anything else; ConfigError if its weights do not fit into the memory of this machine.
    """
    if type(config) in {kind for _, kind in _MODELS.values()}:
        _check_memory(config)
    for model, kind in _MODELS.values():
        if isinstance(config, kind):
            return model(config)  # type: ignore[no-any-return]
    *names, last = (kind.__name__ for _, kind in _MODELS.values())
    raise TypeError(f"build: `config` must be a {', '.join(names)} or {last}; got {describe(config)}.")


def _check_memory(config: Any) -> None:
    needed = 4 * sum(math.prod(shape) for _, shape in main_shapes(config))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ConfigError(
            f"build: the weights of this network take at least {needed / 1e9:,.0f} GB; this machine has "
            f"{there / 1e9:,.0f} GB of memory. Make it smaller."
        )


def load(path: str | Path) -> Any:
    """The model saved at `path`, a `SpikeSSM`, `SpikeLM`, `SpikeSSMPair`, `Flames` or `FlamesSequence`, to evaluate.

    Args: path: the folder of the model, or that of the training run, which holds it as `model`.
    Raises: CheckpointError if the folder is not a model, is damaged, or was written by another format version.
    """
    path = checkpoint.model_folder(path)
    description = checkpoint.read_description(path)
    if description["model"] not in _MODELS:
        raise CheckpointError(
            f"{path} holds a {description['model'][:80]}, which this longspike does not know. Upgrade it."
        )
    kind, config_kind = _MODELS[description["model"]]
    config: Any = checkpoint.read_config(description, config_kind)
    checkpoint.check_shapes(path, main_shapes(config))
    model = kind(config)
    checkpoint.load_weights(model, path)
    model.input_spec = checkpoint.read_input_spec(description)
    return model.eval()

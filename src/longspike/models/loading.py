"""From a configuration or a saved folder to a model."""

from pathlib import Path
from typing import Any

from longspike._core.checks import describe
from longspike.errors import CheckpointError
from longspike.models import checkpoint
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames import Flames
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig
from longspike.models.flames_sequence import FlamesSequence
from longspike.models.spike_ssm import SpikeSSM

_MODELS: dict[str, tuple[type, type]] = {
    "SpikeSSM": (SpikeSSM, SpikeSSMConfig),
    "Flames": (Flames, FlamesConfig),
    "FlamesSequence": (FlamesSequence, FlamesSequenceConfig),
}


def build(config: SpikeSSMConfig | FlamesConfig | FlamesSequenceConfig) -> SpikeSSM | Flames | FlamesSequence:
    """The network that a configuration describes.

    Raises: TypeError for anything else.
    """
    for model, kind in _MODELS.values():
        if isinstance(config, kind):
            return model(config)  # type: ignore[no-any-return]
    raise TypeError(
        "build: `config` must be a SpikeSSMConfig, FlamesConfig or FlamesSequenceConfig; got " + describe(config) + "."
    )


def load(path: str | Path) -> Any:
    """The model saved at `path`, a `SpikeSSM`, `Flames` or `FlamesSequence`, in evaluation mode.

    Raises: CheckpointError if the folder is not a model, is damaged, or was written by another format version.
    """
    description = checkpoint.read_description(path)
    if description["model"] not in _MODELS:
        raise CheckpointError(f"{path} holds a {description['model']}, which this longspike does not know. Upgrade it.")
    kind, config_kind = _MODELS[description["model"]]
    model = kind(checkpoint.read_config(description, config_kind))
    checkpoint.load_weights(model, path)
    return model.eval()

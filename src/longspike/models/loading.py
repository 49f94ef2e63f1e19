"""From a saved folder to a model."""

from pathlib import Path

from longspike._core.errors import CheckpointError
from longspike.models import checkpoint
from longspike.models.spike_ssm import SpikeSSM

_MODELS = {"SpikeSSM": SpikeSSM}


def load(path: str | Path) -> SpikeSSM:
    """The model saved at `path`, in evaluation mode.

    Raises: CheckpointError if the folder is not a model, is damaged, or was written by another format version.
    """
    description = checkpoint.read_description(path)
    config = checkpoint.read_config(description)
    if description["model"] not in _MODELS:
        raise CheckpointError(f"{path} holds a {description['model']}, which this longspike does not know. Upgrade it.")
    model = _MODELS[description["model"]](config)
    checkpoint.load_weights(model, path)
    return model.eval()

"""A network that begins where another one ended."""

import hashlib
from pathlib import Path

from torch import Tensor, nn

from longspike._core.files import find_folder
from longspike.errors import ConfigError
from longspike.models import checkpoint

READ_OUTS = ("decoder.", "head.")
"""Where the parts begin whose sizes follow from what is to be learnt."""


def start_from(model: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Give `model` the weights of a saved one; a read-out of another shape keeps those that it has.

    Args: path: the folder of the model, or that of the training run, which holds it as `model`.
    Returns: the names of the tensors that were kept.
    Raises: CheckpointError if the folder is not a model or is damaged; ConfigError if other parts have other shapes.
    """
    path = checkpoint.model_folder(path)
    checkpoint.read_description(path)
    own, given = model.state_dict(), checkpoint.read_weights(path)
    kept = checkpoint.differences(own, given)
    wrong = [name for name in kept if not name.startswith(READ_OUTS)]
    if wrong:
        told = ", ".join(_told(name, own, given) for name in wrong[:3])
        raise ConfigError(
            f"from_model: {path} is another network: {told}. Give `model` the "
            f"fields that are in {path / checkpoint.CONFIG}, or choose another one; only the read-out may differ."
        )
    weights = {name: x.to(own[name].dtype) for name, x in given.items() if name in own and name not in kept}
    model.load_state_dict(own | weights)
    return tuple(name for name in kept if name in own)


def fingerprint(path: str | Path) -> str:
    """The SHA-256 of the weights of a saved model."""
    folder = find_folder(checkpoint.model_folder(path))
    return hashlib.sha256((folder / checkpoint.WEIGHTS).read_bytes()).hexdigest()


def _told(name: str, own: dict[str, Tensor], given: dict[str, Tensor]) -> str:
    here, there = (tuple(tensors[name].shape) if name in tensors else "absent" for tensors in (own, given))
    return f"{name} is {here} here and {there} there"

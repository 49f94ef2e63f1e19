"""A saved model: a folder with model.safetensors and config.json, versioned, never a pickle."""

import errno
import json
import os
import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from longspike._core.decoding import Decoder
from longspike._core.files import find_folder, replace_folder
from longspike.errors import CheckpointError

FORMAT_VERSION = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"
Config = TypeVar("Config")


def save(model: nn.Module, config: Any, path: str | Path, *, metadata: dict[str, Any]) -> None:
    """Write the folder whole or not at all: whatever happens, the old model or the new one can be loaded.

    Raises: CheckpointError if `path` is something else; FileWriteError if it cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / CONFIG).is_file():
        raise CheckpointError(f"{path} exists and is not a saved model; choose another path.")
    description = {
        "format": "longspike",
        "format_version": FORMAT_VERSION,
        "longspike_version": version("longspike"),
        "model": type(model).__name__,
        "config": asdict(config),
        "metadata": metadata,
    }
    text = json.dumps(description, indent=2) + "\n"
    weights = {name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}

    def write(folder: Path) -> None:
        (folder / CONFIG).write_text(text)
        try:
            safetensors.torch.save_file(weights, folder / WEIGHTS)
        except SafetensorError as error:  # it keeps the system's number only in its words
            found = re.search(r"os error (\d+)", str(error))
            raise OSError(int(found[1]) if found else errno.EIO, str(error)) from error
        os.chmod(folder / WEIGHTS, (folder / CONFIG).stat().st_mode)  # safetensors writes for the owner alone

    replace_folder(path, write)


def read_description(path: str | Path) -> dict[str, Any]:
    """The contents of a saved model's config.json, checked."""
    path = Path(path)
    file = find_folder(path) / CONFIG
    if not file.is_file():
        raise CheckpointError(f"{path} is not a saved model: there is no {CONFIG} in it. `longspike train` writes one.")
    try:
        description = json.loads(file.read_text())
        is_ours = description["format"] == "longspike" and isinstance(description.get("model", ""), str)
        found = description["format_version"]
        missing = {"model", "config", "metadata"} - set(description)
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # no JSON or text, huge numbers, deep nesting
        raise CheckpointError(
            f"{file} is damaged or not a longspike model ({error!r}). Save the model again."
        ) from None
    if not is_ours or missing:
        raise CheckpointError(f"{file} is not a longspike model. Save the model again.")
    if found != FORMAT_VERSION:
        raise CheckpointError(
            f"{file} has format version {found}; this longspike ({version('longspike')}) reads version {FORMAT_VERSION}. "
            f"Load it with longspike {description.get('longspike_version', 'of its time')} and save it again."
        )
    return description


def class_names(path: str | Path, num_outputs: int) -> list[str]:
    """The names of the classes as saved with a model, or numbers where it was saved with none that fit."""
    given = read_description(path)["metadata"].get("class_names")
    if isinstance(given, list) and len(given) == num_outputs:
        return [str(name) for name in given]
    return [str(k) for k in range(num_outputs)]


def read_config(description: dict[str, Any], kind: type[Config]) -> Config:
    """The configuration in a description; unknown or invalid fields are an error."""
    decoder = Decoder(fills_in=True)
    config: Config = decoder.decode(kind, description["config"], "config")
    if mistakes := decoder.misread + decoder.invalid:
        raise CheckpointError(f"the saved configuration is not valid: {' '.join(mistakes)}")
    return config


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` from the folder's weights; every tensor must be there with its shape, and finite."""
    file = find_folder(path) / WEIGHTS
    if not file.is_file():
        raise CheckpointError(f"{path} is not complete: there is no {WEIGHTS} in it.")
    try:
        weights = safetensors.torch.load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{file} is truncated or damaged ({error}). Copy or save the model again.") from None
    expected = model.state_dict()
    wrong = sorted(set(expected) ^ set(weights)) + sorted(
        name
        for name in set(expected) & set(weights)
        if expected[name].shape != weights[name].shape
        or expected[name].is_floating_point() != weights[name].is_floating_point()
    )
    if wrong:
        raise CheckpointError(f"{file} does not fit its configuration; these tensors differ: {', '.join(wrong[:5])}.")
    if len({x.dtype for name, x in weights.items() if expected[name].is_floating_point()}) > 1:
        raise CheckpointError(f"{file} does not fit its configuration; its weights have several dtypes.")
    broken = sorted(name for name, x in weights.items() if x.is_floating_point() and not bool(x.isfinite().all()))
    if broken:
        raise CheckpointError(f"{file} holds NaN or infinity in {', '.join(broken[:5])}; the training diverged.")
    model.load_state_dict(weights, assign=True)

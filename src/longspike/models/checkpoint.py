"""A saved model: a folder with model.safetensors and config.json, versioned, never a pickle."""

import errno
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from longspike._core.checks import FLOAT_DTYPES
from longspike._core.decoding import Decoder
from longspike._core.files import find_folder, replace_folder
from longspike.errors import CheckpointError
from longspike.models.input_spec import InputSpec

FORMAT_VERSION = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"
LARGEST_CONFIG = 1 << 24
"""Bytes of config.json; a recipe and the names of ten thousand classes take less than one of them in ten."""
Config = TypeVar("Config")


def save(model: nn.Module, config: Any, path: str | Path, *, input_spec: InputSpec, metadata: dict[str, Any]) -> None:
    """Write the folder whole or not at all: whatever happens, the old model or the new one can be loaded.

    Raises:
        CheckpointError: `path` is something else. FileWriteError: it cannot be written.
        ValueError: the network has been changed, pruned for example, so that `load` could not make it again.
    """
    path = Path(path)
    if path.exists() and not (path / CONFIG).is_file():
        raise CheckpointError(f"{path} exists and is not a saved model; choose another path.")
    check_loadable(model, config)
    description = {
        "format": "longspike",
        "format_version": FORMAT_VERSION,
        "longspike_version": version("longspike"),
        "model": type(model).__name__,
        "config": asdict(config),
        "input": asdict(input_spec),
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


def model_folder(path: str | Path) -> Path:
    """`path`, or the model in it if it is the folder of a run."""
    path = Path(path)
    inner = path / "model"
    return path if (find_folder(path) / CONFIG).is_file() or not (find_folder(inner) / CONFIG).is_file() else inner


def read_description(path: str | Path) -> dict[str, Any]:
    """The contents of a saved model's config.json, checked."""
    path = Path(path)
    try:
        file = find_folder(path) / CONFIG
        if not file.is_file():
            raise CheckpointError(
                f"{path} is not a saved model: there is no {CONFIG} in it. `longspike train` writes one."
            )
        if file.stat().st_size > LARGEST_CONFIG:
            raise CheckpointError(f"{file} is no {CONFIG} of longspike: it has more than {LARGEST_CONFIG:,} bytes.")
        text = file.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        description = json.loads(text)
        is_ours = description["format"] == "longspike" and isinstance(description.get("model", ""), str)
        found = description["format_version"]
        missing = {"model", "config", "metadata"} - set(description)
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # no JSON or text, huge numbers, deep nesting
        raise CheckpointError(
            f"{file} is damaged or not a longspike model ({_short(error)}). Save the model again."
        ) from None
    if not is_ours or missing or not isinstance(description["metadata"], dict):
        raise CheckpointError(f"{file} is not a longspike model. Save the model again.")
    if found != FORMAT_VERSION:
        raise CheckpointError(
            f"{file} has format version {str(found)[:20]}; this longspike ({version('longspike')}) reads version "
            f"{FORMAT_VERSION}. Load it with longspike {str(description.get('longspike_version', 'of its time'))[:20]} and "
            "save it again."
        )
    return description


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read: {os.strerror(error.errno or errno.EIO)}.")


def _short(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 120 else text[:117] + "..."


def read_input_spec(description: dict[str, Any]) -> InputSpec:
    """What the input means, as saved; what is not said there, as far as the metadata says it."""
    metadata, told = description["metadata"], description.get("input", {})
    normalisation, names = metadata.get("normalisation"), metadata.get("class_names")
    known = {**normalisation} if isinstance(normalisation, dict) else {}
    known |= {"class_names": [str(name) for name in names]} if isinstance(names, list) else {}
    given = {name: value for name, value in told.items() if value is not None} if isinstance(told, dict) else told
    return _decoded(InputSpec, known | given if isinstance(given, dict) else given, "input")


def read_config(description: dict[str, Any], kind: type[Config]) -> Config:
    """The configuration in a description; unknown or invalid fields are an error."""
    return _decoded(kind, description["config"], "config")


def _decoded(kind: type[Config], tree: Any, key: str) -> Config:
    decoder = Decoder(fills_in=True)
    value: Config = decoder.decode(kind, tree, key)
    if mistakes := decoder.misread + decoder.invalid:
        raise CheckpointError(f"the saved configuration is not valid: {' '.join(mistakes)}")
    return value


def check_shapes(path: str | Path, shapes: Iterable[tuple[str, tuple[int, ...]]]) -> None:
    """Raise unless the header of the folder's weights names all these tensors; the weights themselves are not read.

    A network is built after this check alone, so that it takes memory in proportion to what the file holds.

    Raises: CheckpointError.
    """
    file = find_folder(path) / WEIGHTS
    try:
        if not file.is_file():
            raise CheckpointError(f"{path} is not complete: there is no {WEIGHTS} in it.")
        with file.open("rb"):  # safetensors calls a file that may not be read absent
            pass
        with safetensors.safe_open(file, framework="pt") as stored:
            held = set(stored.keys())
            for name, shape in shapes:
                found = tuple(stored.get_slice(name).get_shape()) if name in held else None
                if found != shape:
                    what = "is not in it" if found is None else f"has shape {found} in it"
                    raise CheckpointError(
                        f"{file} does not fit its configuration; these tensors differ: {name} must have shape {shape} and "
                        f"{what}."
                    )
    except OSError as error:
        raise _unreadable(file, error) from None
    except SafetensorError as error:
        raise CheckpointError(f"{file} is truncated or damaged ({_short(error)}). Save the model again.") from None


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in the folder's weights.

    Raises: CheckpointError if the file is absent, damaged, or holds a number that is not finite.
    """
    file = find_folder(path) / WEIGHTS
    try:
        weights = safetensors.torch.load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is truncated or damaged ({_short(error)}). Copy or save the model again."
        ) from None
    broken = sorted(name for name, x in weights.items() if x.is_floating_point() and not bool(x.isfinite().all()))
    if broken:
        raise CheckpointError(f"{file} holds NaN or infinity in {', '.join(broken[:5])}; the training diverged.")
    return weights


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` from the folder's weights; every tensor must be there with its shape, and finite."""
    file, weights, expected = find_folder(path) / WEIGHTS, read_weights(path), model.state_dict()
    wrong = differences(expected, weights)
    if wrong:
        raise CheckpointError(f"{file} does not fit its configuration; these tensors differ: {', '.join(wrong[:5])}.")
    dtypes = {x.dtype for name, x in weights.items() if expected[name].is_floating_point()}
    if len(dtypes) > 1:
        raise CheckpointError(f"{file} does not fit its configuration; its weights have several dtypes.")
    if not dtypes <= set(FLOAT_DTYPES):
        raise CheckpointError(f"{file} holds weights of {dtypes.pop()}; a network has one of {_names(FLOAT_DTYPES)}.")
    model.load_state_dict(weights, assign=True)


def differences(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """The names that only one of them has, then those whose tensors have another shape or kind."""
    return sorted(set(expected) ^ set(given)) + sorted(
        name
        for name in set(expected) & set(given)
        if expected[name].shape != given[name].shape
        or expected[name].is_floating_point() != given[name].is_floating_point()
    )


def _names(dtypes: Iterable[torch.dtype]) -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)


def check_loadable(model: nn.Module, config: Any) -> None:
    """Raise ValueError unless `load` will make this network again: its parts, their dtype, weights that are there."""
    where, state = f"{type(model).__name__}.save", model.state_dict()
    with torch.random.fork_rng(devices=[]):
        expected = type(model)(config).state_dict()
    if wrong := differences(expected, state):
        raise ValueError(
            f"{where}: the network is no longer what its config says; these tensors differ: {', '.join(wrong[:3])}. "
            "Undo what changed its parts first, for example with prune.remove or remove_parametrizations."
        )
    dtypes = {x.dtype for name, x in state.items() if expected[name].is_floating_point()}
    if len(dtypes) > 1 or not dtypes <= set(FLOAT_DTYPES):
        raise ValueError(
            f"{where}: all weights must have one dtype of {_names(FLOAT_DTYPES)}; got {_names(sorted(dtypes, key=str))}. "
            "Convert the network with model.float()."
        )
    if any(x.is_meta for x in state.values()):
        raise ValueError(f"{where}: the network is on the meta device and has no weights. Load them first.")

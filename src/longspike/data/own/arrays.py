"""Arrays of NumPy: an .npz file with values and labels, or an .npy file of values, mapped where it is large."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from longspike._core.limits import unpacked_limit, unpacks_to_too_much
from longspike._core.mistakes import shown
from longspike.data.own.array_labels import sample_labels, step_labels
from longspike.data.own.column_names import LABELS, LENGTHS, SHORT_LABELS, VALUES, plain_name
from longspike.data.own.reading import Reading
from longspike.data.own.samples import NONE, ONE_EACH, OPTIONAL, PER_STEP, UNREAD, Samples
from longspike.errors import ConfigError, DataFileError

MAPPED_BYTES = 1 << 28
"""An .npy file that is larger is read from the disk as it is needed."""
STORED = ("uint8", "int16", "float32", "float64")
"""Dtypes that a mapped file may have."""


def read_arrays(path: Path, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """The samples of an array (samples, steps) or (samples, steps, channels), and the reading with what was inferred.

    An .npz file has it as x, X, data or values, the labels as y, labels, classes or target, and the valid steps of each
    sample as lengths, if they differ. Beside an .npy file of values lies one of labels: y.npy beside x.npy, labels.npy, or
    NAME_labels.npy; `reading.label` names another. Nothing is unpickled.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError, ConfigError.
    """
    arrays = _beside(path, reading.label) if path.suffix == ".npy" else _packed(path)
    name = _chosen(path, arrays, (reading.values or (None,))[0], VALUES, "values", is_needed=True)
    is_needed = labels in (*ONE_EACH, PER_STEP)
    label = _chosen(path, arrays, reading.label, (*LABELS, *SHORT_LABELS), "label", is_needed=is_needed)
    label = None if labels in (NONE, UNREAD) else label
    length = _chosen(path, arrays, None, LENGTHS, "lengths", is_needed=False)
    found = _as_samples(arrays[str(name)], None if label is None else arrays[label], labels)
    values, given = _values(path, found[0]), found[1]
    lengths = None if length is None else _lengths(path, arrays[length], values)
    if isinstance(values, np.memmap) and lengths is not None:
        raise DataFileError(f"{path} is too large for samples of different lengths. Cut them to one length.")
    is_one_each = labels in ONE_EACH or (labels == OPTIONAL and given is not None and given.shape[:1] == (len(values),))
    samples = Samples(
        values=values if lengths is None else [row[:n] for row, n in zip(values, lengths, strict=True)],
        places=tuple(f"sample {k}" for k in range(len(values))),
        channels=tuple(f"channel {c + 1}" for c in range(values.shape[2])),
        labels=sample_labels(path, given, len(values), labels=labels) if given is not None and is_one_each else None,
        step_labels=step_labels(path, given, values.shape[:2], lengths)
        if given is not None and labels == PER_STEP
        else None,
        left_out=tuple(each for each in arrays if each not in (name, label, length)),
    )
    kept = reading.label if label is None else label
    return samples, replace(reading, kind="arrays", values=(str(name),), label=kept)


def _as_samples(array: np.ndarray, given: np.ndarray | None, labels: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and labels with an axis of samples, where they are those of one long sample."""
    is_series = labels == NONE and array.ndim in (1, 2)
    if labels == PER_STEP and given is not None:
        is_series = given.ndim == 1 and array.ndim in (1, 2) and len(array) == len(given)
    if not is_series:
        return array, given
    return (array[:, None] if array.ndim == 1 else array)[None], None if given is None else given[None]


def read_array(path: Path) -> np.ndarray:
    """The array in an .npy file; mapped, for reading, if it is large.

    Raises: DataFileError if it is damaged, or holds objects.
    """
    try:
        is_large = path.stat().st_size > MAPPED_BYTES
        return np.load(path, allow_pickle=False, mmap_mode="c" if is_large else None)
    except (OSError, ValueError, EOFError) as error:
        raise DataFileError(
            f"{path} cannot be read as an array ({_short(error)}). Save numbers with np.save."
        ) from None


def _packed(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > unpacked_limit(path.stat().st_size):
                raise DataFileError(f"{path} {unpacks_to_too_much(path.stat().st_size)}.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"{path} cannot be read as arrays ({_short(error)}). Save numbers with np.savez.") from None


def _beside(path: Path, label: str | None) -> dict[str, np.ndarray]:
    """An .npy file of values as x, and the one of labels that lies beside it, by its file's name."""
    said = () if label is None else (path.parent / label, Path(label))
    stem = path.stem
    renamed = [
        stem.replace(old, new, 1)
        for old, new in (("x", "y"), ("X", "y"), ("X", "Y"), ("data", "labels"))
        if old in stem
    ]
    usual = [path.with_name(f"{name}.npy") for name in (f"{stem}_labels", f"{stem}_y", *renamed, "labels", "y")]
    arrays = {"x": read_array(path)}
    for file in said or usual:
        if file.is_file() and file != path:
            return arrays | {file.name if label is None else label: read_array(file)}
    return arrays


def _chosen(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    said: str | None,
    known: tuple[str, ...],
    option: str,
    *,
    is_needed: bool,
) -> str | None:
    """The name of the array that is said, or known by its name, or the only one of its kind."""
    if said is not None:
        if said not in arrays and is_needed:
            raise ConfigError(f"--{option} {said}: {path} has no such array. It has {', '.join(arrays)}.")
        return said if said in arrays else None
    found = [name for name in arrays if plain_name(name.removesuffix(".npy")) in known]
    if option == "values" and not found:
        others = (*LABELS, *SHORT_LABELS, *LENGTHS)
        found = [name for name, array in arrays.items() if 1 <= array.ndim <= 3 and plain_name(name) not in others]
    elif option == "label" and not found:
        found = [name for name in arrays if name.endswith(".npy")]
    if len(found) == 1:
        return found[0]
    if not is_needed:
        return None
    where = "beside it, y.npy for example" if path.suffix == ".npy" else "in it"
    what = (
        f"several arrays could be the {option}: {', '.join(found)}"
        if found
        else f"no array of the {option} lies {where}"
    )
    raise ConfigError(f"{path}: {what}. It has {', '.join(arrays)}. Name one with --{option}.")


def _values(path: Path, array: np.ndarray) -> np.ndarray:
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.dtype.kind not in "biuf" or array.shape[2] == 0:
        raise DataFileError(
            f"{path} must hold real numbers of shape (samples, steps) or (samples, steps, channels); got {shown(array)}."
        )
    if isinstance(array, np.memmap) and array.dtype.name not in STORED:
        raise DataFileError(
            f"{path} is mapped from the disk, for which its dtype must be {', '.join(STORED)}; got {array.dtype}."
        )
    return (
        array if array.dtype.name in ("uint8", "float32") or isinstance(array, np.memmap) else array.astype(np.float32)
    )


def _lengths(path: Path, array: np.ndarray, values: np.ndarray) -> list[int]:
    is_right = array.shape == (len(values),) and array.dtype.kind in "iu"
    if not is_right or (len(array) and not (array.min() >= 1 and array.max() <= values.shape[1])):
        raise DataFileError(
            f"{path}: `lengths` must be {len(values)} whole numbers from 1 to {values.shape[1]}, the valid steps; got "
            f"{shown(array)}."
        )
    return [int(n) for n in array]


def _short(error: Exception) -> str:
    return str(error).split("\n")[0][:100]

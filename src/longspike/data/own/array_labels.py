"""Labels in arrays of NumPy, as texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspike._core.mistakes import shown
from longspike.data.own.samples import OPTIONAL, VALUE
from longspike.errors import DataFileError


def sample_labels(path: Path, array: np.ndarray, num_samples: int, *, labels: str) -> tuple[str, ...]:
    """The class of each sample as a text, from whole numbers, texts, truth values, or a row of 0 and one 1 a sample.

    Where numbers are learnt (`VALUE`), or may be (`OPTIONAL`), real numbers are taken too.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError for anything else.
    """
    is_one_hot = array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf"
    if (
        is_one_hot
        and len(array) == num_samples
        and ((array == 0) | (array == 1)).all()
        and (array.sum(axis=1) == 1).all()
    ):
        array = array.argmax(axis=1)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.shape != (num_samples,) or array.dtype.kind not in "biufUS":
        raise DataFileError(
            f"{path}: the labels must be whole numbers or texts of shape ({num_samples},), one a sample; got "
            f"{shown(array)}."
        )
    is_whole = array.dtype.kind != "f" or bool((array == np.round(array)).all())
    if labels in (VALUE, OPTIONAL) and not is_whole:
        return tuple(map(repr, array.astype(np.float64).tolist()))
    return tuple(map(str, _plain(path, array).tolist()))


def step_labels(
    path: Path, array: np.ndarray, shape: tuple[int, ...], lengths: Sequence[int] | None
) -> tuple[np.ndarray, ...]:
    """The class of each step of each sample as a text; -1 and empty texts are steps without one.

    Args: shape: (samples, steps). lengths: valid steps of each sample, if they differ.
    Raises: DataFileError for anything else.
    """
    if array.shape != shape or array.dtype.kind not in "biufUS":
        raise DataFileError(
            f"{path}: the labels must be whole numbers or texts of shape {shape}, one a step; got {shown(array)}."
        )
    texts = _plain(path, array).astype(str).astype(object)
    texts[texts == "-1"] = ""
    return tuple(texts if lengths is None else (row[:n] for row, n in zip(texts, lengths, strict=True)))


def _plain(path: Path, array: np.ndarray) -> np.ndarray:
    """Whole numbers or texts."""
    if array.dtype.kind == "S":
        return array.astype(str)
    if array.dtype.kind != "f":
        return array
    if not (array == np.round(array)).all():
        raise DataFileError(f"{path}: the labels must be classes, whole numbers or texts; got real numbers.")
    return array.astype(np.int64)

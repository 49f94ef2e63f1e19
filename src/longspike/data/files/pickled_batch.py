"""Reader of CIFAR's pickled batches that can run none of the code a pickle may name.

A pickle is a program: it names functions and calls them. This reader knows four names (numpy's array and dtype
constructors and the byte encoder) and answers each with an inert stand-in, so nothing of numpy is built by the file.
Every other name is an error.
"""

import io
import math
import os
import pickle
from pathlib import Path
from typing import BinaryIO

import numpy as np

from longspike._core.limits import LARGEST_PICKLE_BYTES
from longspike.errors import DataFileError
from longspike.events.faults import check_regular, shortened


class _PickledDtype:
    """Stands in for numpy.dtype; only its name is kept."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else name

    def __setstate__(self, state: object) -> None:
        """Byte order and field layout: without meaning for uint8, the only type that is read."""


class _PickledArray:
    """Stands in for numpy.ndarray and its reconstruction; holds the array once the pickle has set its state."""

    array: np.ndarray | None = None

    def __init__(self, *_: object) -> None:
        """numpy passes a class, an empty shape and a type code here; the state brings the real ones."""

    def __setstate__(self, state: tuple[int, tuple[int, ...], _PickledDtype, bool, bytes]) -> None:
        _, shape, dtype, is_fortran, content = state
        if dtype.name not in ("u1", "|u1", "uint8"):
            raise pickle.UnpicklingError(f"an array of dtype {dtype.name!r}; only uint8 is read")
        if math.prod(shape) != len(content):
            raise pickle.UnpicklingError(f"an array of shape {shape} with {len(content)} bytes")
        self.array = np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): _PickledArray,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledDtype,
}


class _BatchUnpickler(pickle._Unpickler):  # type: ignore[name-defined, misc]
    """An unpickler that knows only the names of `STAND_INS` and `_codecs.encode`.

    It is the one in Python: the compiled one allocates what a few bytes claim (a memo of 2^32 places, a text of 4 GB)
    before it looks whether the file holds it.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._num_left = LARGEST_PICKLE_BYTES

    def find_class(self, module: str, name: str) -> object:
        """The stand-in of a name; nothing is ever imported."""
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"the forbidden name {module}.{name}")
        return STAND_INS[module, name]

    def _encode(self, text: str, encoding: str) -> bytes:
        """Stands in for _codecs.encode, by which old protocols write bytes."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}; only latin1 is read")
        self._num_left -= len(text)
        if self._num_left < 0:
            raise pickle.UnpicklingError(f"more than {LARGEST_PICKLE_BYTES} bytes of text")
        return text.encode("latin1")


def _load(stream: BinaryIO) -> dict[str, object]:
    """The pickled dictionary with its keys as text and its arrays as arrays."""
    if os.fstat(stream.fileno()).st_size > LARGEST_PICKLE_BYTES:
        raise pickle.UnpicklingError(f"more than {LARGEST_PICKLE_BYTES} bytes")
    content = _BatchUnpickler(stream.read()).load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"a {type(content).__name__} in place of a dictionary")
    return {
        key.decode("latin1") if isinstance(key, bytes) else str(key): (
            value.array if isinstance(value, _PickledArray) else value
        )
        for key, value in content.items()
    }


def read_pickled_batch(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one file of CIFAR's Python version.

    Returns: images, uint8, (num_samples, 3, height 32, width 32), channels red, green, blue; labels, int64,
    (num_samples,).
    Raises: DataFileError, naming the path, if the file is missing, truncated, names anything that a batch does not
    need, or lacks the arrays.
    """
    path = Path(path)
    check_regular(path)
    try:
        with open(path, "rb") as stream:
            content = _load(stream)
    except OSError as error:
        raise DataFileError(
            f"{path} cannot be read ({error.strerror}). Check that it exists and its rights."
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise DataFileError(
            f"{path} is not a batch of CIFAR's Python version: it holds {shortened(str(error))}. Download it again, and "
            "from the published address: pickles from elsewhere can be programs."
        ) from error
    images, labels = content.get("data"), content.get("labels")
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != 3072:
        raise DataFileError(f"{path} must hold `data`, uint8, of shape (num_samples, 3072). Download it again.")
    if (
        not isinstance(labels, list)
        or len(labels) != len(images)
        or not all(type(label) is int and 0 <= label <= 9 for label in labels)
    ):
        raise DataFileError(f"{path} must hold `labels`, one of 0 to 9 for each of {len(images)} images.")
    return images.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)

"""The table of data sets, and loading one by its name."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longspike._core.checks import check_choice
from longspike.data.cifar10 import cifar10_layouts, load_cifar10_patches, load_scifar
from longspike.data.digits import load_digits
from longspike.data.locate import Layout, search
from longspike.data.mnist import load_psmnist, load_smnist, mnist_layouts
from longspike.data.splits import DataBundle


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry:
    """A data set of the registry.

    Args:
        description: one line.
        seqlen, d_input, num_classes: the sizes of what `load` returns.
        files: what has to lie below the data folder, in words.
        load: makes the bundle from the data folder.
        layouts: the places that are searched below a data folder; None if the data comes with a package.
        package: the optional package that brings the data; None if files do.
    """

    description: str
    seqlen: int
    d_input: int
    num_classes: int
    files: str
    load: Callable[[Path], DataBundle]
    layouts: Callable[[Path], tuple[Layout, ...]] | None = None
    package: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetStatus:
    """Whether a data set can be loaded, found out without loading it.

    Args:
        is_present: all files (or the package) are there.
        folder: where; None if not present or brought by a package.
        missing: the names that the fullest place lacks, or the package.
        places: every place that was looked at and is not complete, with what it lacks; a line each.
    """

    name: str
    is_present: bool
    folder: Path | None
    missing: tuple[str, ...]
    places: tuple[str, ...]


MNIST_WORDS = "MNIST/raw/, mnist/ or the folder itself: the four *-ubyte files, plain or .gz"
CIFAR10_WORDS = "cifar-10-batches-py/: the six batches; else cifar10-jpeg/{train,test}/<class>/: images"

DATASETS: dict[str, DatasetEntry] = {
    "digits": DatasetEntry(
        description="8x8 digits in raster order, embedded in scikit-learn; no download",
        seqlen=64,
        d_input=1,
        num_classes=10,
        files="none; the package scikit-learn",
        load=load_digits,
        package="sklearn",
    ),
    "smnist": DatasetEntry(
        description="MNIST pixel by pixel in raster order",
        seqlen=784,
        d_input=1,
        num_classes=10,
        files=MNIST_WORDS,
        load=load_smnist,
        layouts=mnist_layouts,
    ),
    "psmnist": DatasetEntry(
        description="MNIST pixel by pixel in one fixed permutation (seed 92916)",
        seqlen=784,
        d_input=1,
        num_classes=10,
        files=MNIST_WORDS,
        load=load_psmnist,
        layouts=mnist_layouts,
    ),
    "scifar": DatasetEntry(
        description="CIFAR-10 in grey, pixel by pixel in raster order",
        seqlen=1024,
        d_input=1,
        num_classes=10,
        files=CIFAR10_WORDS,
        load=load_scifar,
        layouts=cifar10_layouts,
    ),
    "cifar10-patches": DatasetEntry(
        description="CIFAR-10 in colour, 16 patches of 8x8 pixels in raster order",
        seqlen=16,
        d_input=192,
        num_classes=10,
        files=CIFAR10_WORDS,
        load=load_cifar10_patches,
        layouts=cifar10_layouts,
    ),
}


def available() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(DATASETS)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the argument, else the environment variable LONGSPIKE_DATA, else ~/.cache/longspike/data."""
    return Path(root or os.environ.get("LONGSPIKE_DATA") or "~/.cache/longspike/data").expanduser()


def load(name: str, *, root: str | os.PathLike[str] | None = None) -> DataBundle:
    """Load a data set into memory.

    Args:
        name: one of `available()`.
        root: the data folder; None means `data_root()`.
    Raises: ValueError for an unknown name; DataFileError, with every place looked at and the remedies, if files are
    missing or not what they claim to be; MissingExtraError if an optional package is.

    Example:
        >>> bundle = load("digits")
        >>> len(bundle.train), len(bundle.val), len(bundle.test)
        (1347, 90, 360)
    """
    check_choice("load", "name", name, available())
    return DATASETS[name].load(data_root(root))


def status(name: str, root: str | os.PathLike[str] | None = None) -> DatasetStatus:
    """Whether `load(name, root=root)` would find its files; none of them is opened.

    Raises: ValueError for an unknown name.
    """
    check_choice("status", "name", name, available())
    entry = DATASETS[name]
    if entry.layouts is None:
        is_present = entry.package is None or importlib.util.find_spec(entry.package) is not None
        missing = () if is_present or entry.package is None else (entry.package,)
        return DatasetStatus(name=name, is_present=is_present, folder=None, missing=missing, places=())
    result = search(entry.layouts(data_root(root)))
    return DatasetStatus(
        name=name,
        is_present=result.layout is not None,
        folder=None if result.layout is None else result.layout.folder,
        missing=result.missing,
        places=result.gaps,
    )

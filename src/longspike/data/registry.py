"""The table of data sets, and loading one by its name."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from longspike._core.checks import check_choice
from longspike.data import (
    celex_har,
    cifar10_dvs,
    dvs_gesture,
    event_digits,
    har_dvs,
    ncaltech101,
    nmnist,
    spike_speech,
    spoken_digits,
)
from longspike.data.cifar10 import cifar10_layouts, load_cifar10_patches, load_scifar
from longspike.data.digits import load_digits
from longspike.data.event_splits import EventBundle
from longspike.data.locate import Layout, search
from longspike.data.mnist import load_psmnist, load_smnist, mnist_layouts
from longspike.data.splits import DataBundle
from longspike.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry:
    """A data set of the registry.

    Sequences have a seqlen and a d_input, events a sensor_size.

    Args:
        description: one line.
        num_classes: the published number of classes.
        seqlen, d_input: of sequences, the sizes of what `load` returns; None for events.
        sensor_size: of events, (width, height); None for sequences.
        files: what has to lie below the data folder, in words.
        load: makes the bundle from the data folder.
        layouts: the places that are searched below a data folder; None if the data comes with a package.
        package: the optional package that brings the data; None if files do.
        page: the publisher's address, if `longspike data download` does not fetch the files; None if it does.
    """

    description: str
    num_classes: int
    files: str
    load: Callable[[Path], DataBundle] | Callable[[Path], EventBundle]
    seqlen: int | None = None
    d_input: int | None = None
    sensor_size: tuple[int, int] | None = None
    layouts: Callable[[Path], tuple[Layout, ...]] | None = None
    package: str | None = None
    page: str | None = None


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
    "event-digits": DatasetEntry(
        description="the 8x8 digits before a simulated event camera; no download",
        sensor_size=event_digits.SENSOR_SIZE,
        num_classes=10,
        files="none; the package scikit-learn",
        load=event_digits.load_event_digits,
        package="sklearn",
    ),
    "spoken-digits": DatasetEntry(
        description="Free Spoken Digit Dataset as spikes of this package's gammatone front end",
        sensor_size=spoken_digits.SENSOR_SIZE,
        num_classes=10,
        files="fsdd/recordings/<digit>_<speaker>_<take>.wav",
        load=spoken_digits.load_spoken_digits,
        layouts=spoken_digits.spoken_digits_layouts,
        page=spoken_digits.PAGE,
    ),
    "nmnist": DatasetEntry(
        description="N-MNIST, digits before a moving event camera",
        sensor_size=nmnist.SENSOR_SIZE,
        num_classes=10,
        files="NMNIST/{Train,Test}/<label>/*.bin",
        load=nmnist.load_nmnist,
        layouts=nmnist.nmnist_layouts,
        page=nmnist.PAGE,
    ),
    "dvs-gesture": DatasetEntry(
        description="DVS128 Gesture, hand and arm gestures",
        sensor_size=dvs_gesture.SENSOR_SIZE,
        num_classes=11,
        files="DvsGesture/: *.aedat, *_labels.csv, trials_to_train.txt, trials_to_test.txt",
        load=dvs_gesture.load_dvs_gesture,
        layouts=dvs_gesture.dvs_gesture_layouts,
        page=dvs_gesture.PAGE,
    ),
    "shd": DatasetEntry(
        description="Spiking Heidelberg Digits, spoken digits through an inner-ear model",
        sensor_size=spike_speech.SENSOR_SIZE,
        num_classes=20,
        files="SHD/, hsd/ or the folder itself: shd_train.h5, shd_test.h5",
        load=spike_speech.load_shd,
        layouts=spike_speech.shd_layouts,
        page=spike_speech.PAGE,
    ),
    "ssc": DatasetEntry(
        description="Spiking Speech Commands, spoken words through an inner-ear model",
        sensor_size=spike_speech.SENSOR_SIZE,
        num_classes=35,
        files="SSC/, hsd/ or the folder itself: ssc_train.h5, ssc_valid.h5, ssc_test.h5",
        load=spike_speech.load_ssc,
        layouts=spike_speech.ssc_layouts,
        page=spike_speech.PAGE,
    ),
    "ncaltech101": DatasetEntry(
        description="N-Caltech101, photographs before a moving event camera",
        sensor_size=ncaltech101.SENSOR_SIZE,
        num_classes=101,
        files="Caltech101/<class>/image_*.bin",
        load=ncaltech101.load_ncaltech101,
        layouts=ncaltech101.ncaltech101_layouts,
        page=ncaltech101.PAGE,
    ),
    "cifar10-dvs": DatasetEntry(
        description="CIFAR10-DVS, moved images of CIFAR-10 before an event camera",
        sensor_size=cifar10_dvs.SENSOR_SIZE,
        num_classes=10,
        files="CIFAR10DVS/<class>/cifar10_<class>_<n>.aedat",
        load=cifar10_dvs.load_cifar10_dvs,
        layouts=cifar10_dvs.cifar10_dvs_layouts,
        page=cifar10_dvs.PAGE,
    ),
    "har-dvs": DatasetEntry(
        description="HARDVS, human activities",
        sensor_size=har_dvs.SENSOR_SIZE,
        num_classes=300,
        files="HARDVS/: {train,val,test}_label.txt and the compact event files <class>/*.npz",
        load=har_dvs.load_har_dvs,
        layouts=har_dvs.har_dvs_layouts,
        page=har_dvs.PAGE,
    ),
    "celex-har": DatasetEntry(
        description="CeleX-HAR, human actions in high definition; published format not verified",
        sensor_size=celex_har.SENSOR_SIZE,
        num_classes=150,
        files="CeleX-HAR/{train,test}/<class>/: recordings converted to CSV or npz",
        load=celex_har.load_celex_har,
        layouts=celex_har.celex_har_layouts,
        page=celex_har.PAGE,
    ),
}


def available() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(DATASETS)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the argument, else the environment variable LONGSPIKE_DATA, else ~/.cache/longspike/data."""
    return Path(root or os.environ.get("LONGSPIKE_DATA") or "~/.cache/longspike/data").expanduser()


def load(name: str, *, root: str | os.PathLike[str] | None = None) -> DataBundle | EventBundle:
    """Load a data set: sequences as a `DataBundle`, events as an `EventBundle`.

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


def _check_kind(where: str, name: str, size: str, kind: str) -> None:
    """Raise unless `name` is a data set whose entry has the size `size`: the mark of its kind."""
    names = tuple(each for each, entry in DATASETS.items() if getattr(entry, size) is not None)
    if name in available() and name not in names:
        raise ConfigError(
            f"{where}: `name` must be a data set of {kind}; {name!r} is not one. Use one of {', '.join(names)}."
        )


def load_sequences(name: str, *, root: str | os.PathLike[str] | None = None) -> DataBundle:
    """As `load`, for what reads sequences only.

    Raises: also ConfigError (a ValueError), before anything is read, if the data set holds events.
    """
    _check_kind("load_sequences", name, "seqlen", "sequences")
    return cast(DataBundle, load(name, root=root))


def load_events(name: str, *, root: str | os.PathLike[str] | None = None) -> EventBundle:
    """As `load`, for what reads events only.

    Raises: also ConfigError (a ValueError), before anything is read, if the data set holds sequences.
    """
    _check_kind("load_events", name, "sensor_size", "events")
    return cast(EventBundle, load(name, root=root))


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

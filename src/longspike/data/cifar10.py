"""CIFAR-10 in grey, read pixel by pixel (scifar), from the Python batches or from a folder of images."""

from pathlib import Path

import numpy as np
import torch

from longspike.data.grey import grey_of_rgb
from longspike.data.holdout import hold_out
from longspike.data.image_folder import read_grey_folder
from longspike.data.locate import Layout, require_layout
from longspike.data.pickled_batch import read_pickled_batch
from longspike.data.splits import DataBundle, Split

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH_FOLDER, IMAGE_FOLDER = "cifar-10-batches-py", "cifar10-jpeg"
BATCH_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
HEIGHT = WIDTH = 32
SEQLEN = 1024
VAL_SHARE = 10
"""One training image in this many is held out for validation: 5,000 of 50,000."""
GREY_MEAN, GREY_STD = 122.6, 61.0
"""Of the grey training images, values 0 to 255; the figures in common use for sequential CIFAR."""
SOURCE = "Krizhevsky 2009, no terms stated; grey; validation held out from the 50,000 training images."


def cifar10_layouts(root: Path) -> tuple[Layout, ...]:
    """Where CIFAR-10 is looked for below `root`: the Python batches, else the folder of images."""
    images = tuple((f"{part}/{name}",) for part in ("train", "test") for name in CLASS_NAMES)
    return (
        Layout(folder=root / BATCH_FOLDER, needs=tuple((name,) for name in BATCH_FILES)),
        Layout(folder=root / IMAGE_FOLDER, needs=images),
    )


def _split(grey: np.ndarray, labels: np.ndarray) -> Split:
    """Grey images, uint8, (num_samples, 32, 32), as normalised sequences."""
    return Split(
        values=torch.from_numpy(grey).reshape(-1, SEQLEN, 1),
        lengths=torch.full((len(labels),), SEQLEN),
        labels=torch.from_numpy(labels),
        scale=1.0 / GREY_STD,
        shift=-GREY_MEAN / GREY_STD,
    )


def _read_batches(paths: tuple[Path, ...]) -> Split:
    """The split that pickled batches hold together."""
    parts = [read_pickled_batch(path) for path in paths]
    grey = np.concatenate([grey_of_rgb(images) for images, _ in parts])
    return _split(grey, np.concatenate([labels for _, labels in parts]))


def _read_images(folder: Path) -> Split:
    """The split that a folder of images holds."""
    return _split(*read_grey_folder(folder, class_names=CLASS_NAMES, height=HEIGHT, width=WIDTH))


def load_scifar(root: Path) -> DataBundle:
    """CIFAR-10 as sequences of 1,024 grey pixels in raster order; x = (grey - 122.6) / 61.0.

    grey = 0.299 R + 0.587 G + 0.114 B, rounded to bytes (see `grey_of_rgb`). Read from root/cifar-10-batches-py if it
    is complete, else from root/cifar10-jpeg/{train,test}/<class>/, whose decoded images are cached (see
    `read_grey_folder`). Images that were compressed again are another data set: its source says "CIFAR-10 (JPEG)", and
    so should every result.

    Raises: DataFileError if the files are missing or not what they claim to be.
    """
    layout, paths = require_layout("scifar", cifar10_layouts(root))
    if layout.folder.name == BATCH_FOLDER:
        train, test = _read_batches(paths[:-1]), _read_batches(paths[-1:])
        source = f"CIFAR-10: {SOURCE}"
    else:
        train, test = _read_images(layout.folder / "train"), _read_images(layout.folder / "test")
        source = f"CIFAR-10 (JPEG), re-encoded images: {SOURCE}"
    kept, held_out = hold_out(train.labels, num_held_out=len(train) // VAL_SHARE)
    return DataBundle(
        name="scifar",
        train=train.select(kept),
        val=train.select(held_out),
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=1,
        class_names=CLASS_NAMES,
        source=source,
    )

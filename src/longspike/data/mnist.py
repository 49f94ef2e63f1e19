"""MNIST read pixel by pixel: smnist in raster order, psmnist in one fixed permutation."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike.data.holdout import hold_out
from longspike.data.idx import read_idx
from longspike.data.locate import Layout, require_layout
from longspike.data.splits import DataBundle, Split
from longspike.errors import DataFileError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FOLDERS = ("MNIST/raw", "mnist", ".")
IMAGE_SHAPE = (28, 28)
SEQLEN = 784
NUM_CLASSES = 10
VAL_SHARE = 10
"""One training image in this many is held out for validation: 6,000 of 60,000."""
PIXEL_MEAN, PIXEL_STD = 0.1307, 0.3081
"""Over the 60,000 training images, pixels scaled to [0, 1]; the figures in common use."""
PERMUTATION_SEED = 92916
SOURCE = (
    "MNIST (LeCun, Cortes and Burges 1998), commonly stated terms CC BY-SA 3.0; "
    "validation held out from the 60,000 training images."
)


def mnist_layouts(root: Path) -> tuple[Layout, ...]:
    """Where MNIST is looked for below `root`: torchvision's folder, `mnist`, and `root` itself; with or without .gz."""
    needs = tuple((name, f"{name}.gz") for name in FILES)
    return tuple(Layout(folder=root / folder, needs=needs) for folder in FOLDERS)


def psmnist_permutation() -> Tensor:
    """The pixel order of psmnist, int64, (784,): step t shows pixel permutation[t] of the raster order.

    numpy.random.RandomState(92916).permutation(784): the permutation of the orthogonal recurrent networks of Helfrich
    et al. (2018) and Lezcano-Casado and Martinez-Rubio (2019). numpy documents that stream as frozen. Results on
    psmnist depend on the permutation and compare only with results on the same one.
    """
    return torch.from_numpy(np.random.RandomState(PERMUTATION_SEED).permutation(SEQLEN).astype(np.int64))


def _read_part(image_path: Path, label_path: Path) -> tuple[Tensor, Tensor]:
    """Images as byte sequences (num_samples, 784, 1) and labels (num_samples,), int64."""
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != IMAGE_SHAPE:
        raise DataFileError(
            f"{image_path} must hold uint8 images of shape (num_samples, 28, 28); got {images.dtype} of shape "
            f"{images.shape}. Download it again."
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataFileError(
            f"{label_path} must hold one uint8 label per image of {image_path.name}, shape {images.shape[:1]}; got "
            f"{labels.dtype} of shape {labels.shape}. Download both files again."
        )
    if labels.size and int(labels.max()) >= NUM_CLASSES:
        raise DataFileError(f"{label_path} must hold labels 0 to 9; got {int(labels.max())}. Download it again.")
    return torch.from_numpy(images).reshape(-1, SEQLEN, 1), torch.from_numpy(labels).long()


def _bundle(name: str, root: Path, order: Tensor | None) -> DataBundle:
    """The data set with its pixels in `order`; None keeps the raster order."""
    _, (train_images, train_labels, test_images, test_labels) = require_layout(name, mnist_layouts(root))
    parts = [_read_part(train_images, train_labels), _read_part(test_images, test_labels)]
    train, test = (
        Split(
            values=values if order is None else values.index_select(1, order),
            lengths=torch.full((len(labels),), SEQLEN),
            labels=labels,
            scale=1.0 / (255.0 * PIXEL_STD),
            shift=-PIXEL_MEAN / PIXEL_STD,
        )
        for values, labels in parts
    )
    kept, held_out = hold_out(train.labels, num_held_out=len(train) // VAL_SHARE)
    return DataBundle(
        name=name,
        train=train.select(kept),
        val=train.select(held_out),
        test=test,
        num_classes=NUM_CLASSES,
        d_input=1,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=SOURCE,
    )


def load_smnist(root: Path) -> DataBundle:
    """MNIST as sequences of 784 pixels in raster order; x = (pixel / 255 - 0.1307) / 0.3081.

    Args:
        root: a folder that holds the four files in one of the places of `mnist_layouts`.
    Raises: DataFileError if a file is missing or not what it claims to be.
    """
    return _bundle("smnist", root, None)


def load_psmnist(root: Path) -> DataBundle:
    """MNIST as sequences of 784 pixels in the order of `psmnist_permutation`; otherwise as `load_smnist`."""
    return _bundle("psmnist", root, psmnist_permutation())

"""MNIST read pixel by pixel: smnist in raster order, psmnist in one fixed permutation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike.data.bundle import DataBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.files.download import RemoteFile
from longspike.data.files.idx import read_idx
from longspike.data.files.locate import Layout, require_files
from longspike.data.splits import Split
from longspike.errors import DataFileError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LAYOUTS = (Layout(folders=("MNIST/raw", "mnist", "."), needs=tuple((name, f"{name}.gz") for name in FILES)),)
"""Torchvision's folder, `mnist`, and the data folder itself; with or without .gz."""
CHECKSUMS = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
"""SHA-256 of FILES as .gz on the mirror that torchvision uses."""
IMAGE_SHAPE = (28, 28)
SEQLEN = 784
NUM_CLASSES = 10
PIXEL_MEAN, PIXEL_STD = 0.1307, 0.3081
"""Over the 60,000 training images, pixels scaled to [0, 1]; the figures in common use."""
PERMUTATION_SEED = 92916
SOURCE = (
    "MNIST (LeCun, Cortes and Burges 1998), commonly stated terms CC BY-SA 3.0; "
    "validation held out from the 60,000 training images."
)


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
    _, (train_images, train_labels, test_images, test_labels) = require_files(name, root, LAYOUTS)
    parts = [_read_part(train_images, train_labels), _read_part(test_images, test_labels)]
    published, test = (
        Split(
            values=values if order is None else values.index_select(1, order),
            lengths=torch.full((len(labels),), SEQLEN),
            labels=labels,
            scale=1.0 / (255.0 * PIXEL_STD),
            shift=-PIXEL_MEAN / PIXEL_STD,
        )
        for values, labels in parts
    )
    train, val = without_validation(published)  # 54,000 and 6,000
    return DataBundle(
        name=name,
        train=train,
        val=val,
        test=test,
        num_classes=NUM_CLASSES,
        d_input=1,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=SOURCE,
        permutation=None if order is None else tuple(order.tolist()),
    )


def load_smnist(root: Path) -> DataBundle:
    """MNIST as sequences of 784 pixels in raster order; x = (pixel / 255 - 0.1307) / 0.3081.

    Args:
        root: a folder that holds the four files in one of the places of `LAYOUTS`.
    Raises: DataFileError if a file is missing or not what it claims to be.
    """
    return _bundle("smnist", root, None)


def load_psmnist(root: Path) -> DataBundle:
    """MNIST as sequences of 784 pixels in the order of `psmnist_permutation`; otherwise as `load_smnist`."""
    return _bundle("psmnist", root, psmnist_permutation())


def _entry(description: str, load: Callable[[Path], DataBundle]) -> DatasetEntry:
    return DatasetEntry(
        description=description,
        seqlen=SEQLEN,
        d_input=1,
        num_classes=NUM_CLASSES,
        files="MNIST/raw/, mnist/ or the folder itself: the four *-ubyte files, plain or .gz",
        load=load,
        layouts=LAYOUTS,
        downloads=tuple(
            RemoteFile(
                url=f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz",
                sha256=sha256,
                target=f"MNIST/raw/{name}.gz",
            )
            for name, sha256 in zip(FILES, CHECKSUMS, strict=True)
        ),
    )


ENTRIES = {
    "smnist": _entry("MNIST pixel by pixel in raster order", load_smnist),
    "psmnist": _entry("MNIST pixel by pixel in one fixed permutation (seed 92916)", load_psmnist),
}

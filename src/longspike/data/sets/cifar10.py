"""CIFAR-10 from the Python batches or a folder of images: grey pixel by pixel (scifar), colour in patches or columns."""

from pathlib import Path

import numpy as np
import torch

from longspike.data.bundle import DataBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.files.download import RemoteFile
from longspike.data.files.image_folder import read_colour_folder, read_grey_folder
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.pickled_batch import read_pickled_batch
from longspike.data.holdout import SHARE, divide_at_random
from longspike.data.image_augment import CropAndFlip, patches_of_images
from longspike.data.splits import Split

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH_FOLDER, IMAGE_FOLDER = "cifar-10-batches-py", "cifar10-jpeg"
BATCH_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
LAYOUTS = (
    Layout(folders=(BATCH_FOLDER,), needs=tuple((name,) for name in BATCH_FILES)),
    Layout(
        folders=(IMAGE_FOLDER,),
        needs=tuple((f"{part}/{name}",) for part in ("train", "test") for name in CLASS_NAMES),
    ),
)
"""The Python batches, else the folder of images."""
ARCHIVE = RemoteFile(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    target=".",
    is_archive=True,
)
HEIGHT = WIDTH = 32
SEQLEN = 1024
LRA_SEED = 42
GREY_MEAN, GREY_STD = 122.6, 61.0
"""Of the grey training images, values 0 to 255; the figures in common use for sequential CIFAR."""
PATCH, NUM_PATCHES = 8, 16
COLOUR_MEAN, COLOUR_STD = 120.7, 64.15
"""Of the colour training images over all channels, values 0 to 255; the figures in common use."""
CIFAR10_AUGMENT = CropAndFlip(height=HEIGHT, width=WIDTH, patch=PATCH, padding=4)
"""Random crop of the image padded by 4, and mirror image, for a loader of `load_cifar10_patches`' training split."""
CIFAR10_COLUMNS_AUGMENT = CropAndFlip(height=HEIGHT, width=WIDTH, patch=HEIGHT, patch_width=1, padding=4)
"""The same for `load_cifar10_columns`."""


def grey_of_rgb(images: np.ndarray) -> np.ndarray:
    """Luma of 8-bit colour images: grey = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.

    Evaluated in 16-bit fixed point as Pillow's mode "L" does, so both routes to CIFAR give the same bytes:
    grey = (19595 R + 38470 G + 7471 B + 32768) >> 16.

    Args:
        images: (num_samples, 3, height, width), uint8.
    Returns: (num_samples, height, width), uint8.
    """
    red, green, blue = (images[:, channel].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)


def _grey_split(grey: np.ndarray, labels: np.ndarray) -> Split:
    """Grey images, uint8, (num_samples, 32, 32), as normalised sequences."""
    return Split(
        values=torch.from_numpy(grey).reshape(-1, SEQLEN, 1),
        lengths=torch.full((len(labels),), SEQLEN),
        labels=torch.from_numpy(labels),
        scale=1.0 / GREY_STD,
        shift=-GREY_MEAN / GREY_STD,
    )


def _patch_split(images: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Split:
    """Colour images, uint8, (num_samples, 32, 32, 3), as normalised sequences of patches of `size` rows and columns."""
    values = patches_of_images(torch.from_numpy(images), patch=size[0], patch_width=size[1])
    return Split(
        values=values,
        lengths=torch.full((len(labels),), values.shape[1]),
        labels=torch.from_numpy(labels),
        scale=1.0 / COLOUR_STD,
        shift=-COLOUR_MEAN / COLOUR_STD,
    )


def _read_batches(paths: tuple[Path, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The images (num_samples, 3, 32, 32) and labels that pickled batches hold together."""
    images, labels = zip(*(read_pickled_batch(path) for path in paths), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _source(folder: Path, form: str) -> str:
    """Origin and terms; images that were compressed again are named as such."""
    origin = "CIFAR-10" if folder.name == BATCH_FOLDER else "CIFAR-10 (JPEG), re-encoded images"
    terms = "Krizhevsky 2009, no terms stated"
    return f"{origin}: {terms}; {form}; validation held out from the 50,000 training images."


def _bundle(name: str, parts: tuple[Split, Split], test: Split, *, source: str) -> DataBundle:
    """The data set; parts: train and validation, 45,000 and 5,000."""
    train, val = parts
    return DataBundle(
        name=name,
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=train.d_input,
        class_names=CLASS_NAMES,
        source=source,
    )


def _read_grey(name: str, root: Path) -> tuple[Split, Split, str]:
    """The published training and test images in grey, and the source."""
    folder, paths = require_files(name, root, LAYOUTS)
    if folder.name == BATCH_FOLDER:
        parts = [(grey_of_rgb(images), labels) for images, labels in map(_read_batches, (paths[:-1], paths[-1:]))]
    else:
        parts = [
            read_grey_folder(folder / part, class_names=CLASS_NAMES, height=HEIGHT, width=WIDTH)
            for part in ("train", "test")
        ]
    train, test = (_grey_split(*part) for part in parts)
    return train, test, _source(folder, "grey")


def load_scifar(root: Path) -> DataBundle:
    """CIFAR-10 as sequences of 1,024 grey pixels in raster order; x = (grey - 122.6) / 61.0.

    grey = 0.299 R + 0.587 G + 0.114 B, rounded to bytes (see `grey_of_rgb`). Read from root/cifar-10-batches-py if it
    is complete, else from root/cifar10-jpeg/{train,test}/<class>/, whose decoded images are cached (see
    `read_grey_folder`). Images that were compressed again are another data set: its source says "CIFAR-10 (JPEG)", and
    so should every result.

    Raises: DataFileError if the files are missing or not what they claim to be.
    """
    published, test, source = _read_grey("scifar", root)
    return _bundle("scifar", without_validation(published), test, source=source)


def load_lra_image(root: Path) -> DataBundle:
    """As `load_scifar`, the Long Range Arena's task "Image", with the validation set that the S4 line holds out.

    That is `divide_at_random` of the training images in their order with seed 42; it is theirs where the six batches are
    read, and another one of the same kind with a folder of images, which has lost the order.
    """
    published, test, source = _read_grey("lra-image", root)
    num_val = max(1, len(published) // SHARE)
    kept, held_out = divide_at_random(len(published), (len(published) - num_val, num_val), seed=LRA_SEED)
    return _bundle("lra-image", (published.select(kept), published.select(held_out)), test, source=source)


def load_cifar10_patches(root: Path) -> DataBundle:
    """CIFAR-10 in colour as sequences of 16 patches of 8x8 pixels; x = (value - 120.7) / 64.15.

    The patches follow each other in raster order; the 192 features of a step are its patch's bytes by row, column and
    channel (red, green, blue), see `patches_of_images`. One mean and one deviation serve all channels. Read from the
    places and with the hold-out of `load_scifar`; its words on images that were compressed again hold here too.
    `CIFAR10_AUGMENT` is the augmentation that goes with it.

    Raises: DataFileError if the files are missing or not what they claim to be.
    """
    return _colour_bundle("cifar10-patches", root, (PATCH, PATCH), "16 patches of 8x8")


def load_cifar10_columns(root: Path) -> DataBundle:
    """CIFAR-10 in colour as sequences of 32 columns from left to right; x = (value - 120.7) / 64.15.

    The 96 features of a step are its column's bytes by row and channel. In everything else as `load_cifar10_patches`;
    `CIFAR10_COLUMNS_AUGMENT` is the augmentation that goes with it. This is the protocol of Fang et al. 2023, Parallel
    Spiking Neurons, arXiv 2304.12760, but for the validation images, which they train on.
    """
    return _colour_bundle("cifar10-columns", root, (HEIGHT, 1), "32 columns")


def _colour_bundle(name: str, root: Path, size: tuple[int, int], form: str) -> DataBundle:
    folder, paths = require_files(name, root, LAYOUTS)
    if folder.name == BATCH_FOLDER:
        batches = (_read_batches(part) for part in (paths[:-1], paths[-1:]))
        parts = [(images.transpose(0, 2, 3, 1), labels) for images, labels in batches]
    else:
        parts = [
            read_colour_folder(folder / part, class_names=CLASS_NAMES, height=HEIGHT, width=WIDTH)
            for part in ("train", "test")
        ]
    train, test = (_patch_split(*part, size) for part in parts)
    return _bundle(name, without_validation(train), test, source=_source(folder, f"colour, {form}"))


_FILES = "cifar-10-batches-py/: the six batches; else cifar10-jpeg/{train,test}/<class>/: images"
ENTRIES = {
    "scifar": DatasetEntry(
        description="CIFAR-10 in grey, pixel by pixel in raster order",
        seqlen=SEQLEN,
        d_input=1,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_scifar,
        layouts=LAYOUTS,
        downloads=(ARCHIVE,),
    ),
    "lra-image": DatasetEntry(
        description="scifar with the validation set of the S4 line (Long Range Arena, Image)",
        seqlen=SEQLEN,
        d_input=1,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_lra_image,
        layouts=LAYOUTS,
        downloads=(ARCHIVE,),
    ),
    "cifar10-patches": DatasetEntry(
        description="CIFAR-10 in colour, 16 patches of 8x8 pixels in raster order",
        seqlen=NUM_PATCHES,
        d_input=3 * PATCH**2,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_cifar10_patches,
        layouts=LAYOUTS,
        downloads=(ARCHIVE,),
    ),
    "cifar10-columns": DatasetEntry(
        description="CIFAR-10 in colour, 32 columns from left to right",
        seqlen=WIDTH,
        d_input=3 * HEIGHT,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_cifar10_columns,
        layouts=LAYOUTS,
        downloads=(ARCHIVE,),
    ),
}

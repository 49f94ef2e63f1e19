"""Grey or colour images from a folder of image files, decoded once and cached."""

import math
from pathlib import Path

import numpy as np

from longspike._core.extras import require
from longspike.data.files.cache import cache_folder, fingerprint, read_array, write_array
from longspike.data.files.class_folders import list_class_files
from longspike.errors import DataFileError

SUFFIXES = (".jpg", ".jpeg", ".png")
CACHE_VERSION = "grey 1"
"""Part of the cache's key; to be raised when decoding changes."""


def list_images(folder: Path, class_names: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """The image files below folder/<class>/, by class in the order given and by name within a class.

    Returns: the paths, and their labels, int64, (num_samples,).
    Raises: DataFileError if a class has no folder or no image.
    """
    return list_class_files(folder, class_names, kind="images", suffixes=SUFFIXES)


def decode(paths: list[Path], *, height: int, width: int, mode: str) -> np.ndarray:
    """Decode images with Pillow.

    Args:
        mode: Pillow's "L", grey = 0.299 R + 0.587 G + 0.114 B, or "RGB".
    Returns: (num_samples, height, width, channels), uint8; channels 1 or 3.
    Raises: DataFileError, naming the file, if one is no image or of another size; MissingExtraError without Pillow.
    """
    image_module = require("PIL.Image", extra="data", purpose="Reading a folder of images")
    images = np.empty((len(paths), height, width, len(mode)), dtype=np.uint8)
    for target, path in zip(images, paths, strict=True):
        try:
            with image_module.open(path) as image:
                if image.size == (width, height):
                    target[:] = np.asarray(image.convert(mode)).reshape(target.shape)
        except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:  # what Pillow raises
            raise DataFileError(f"{path} cannot be decoded as an image ({error}). Unpack the images again.") from error
        if image.size != (width, height):
            raise DataFileError(f"{path} must be {width}x{height} pixels; got {image.size[0]}x{image.size[1]}.")
    return images


def _read_folder(
    folder: Path, *, class_names: tuple[str, ...], height: int, width: int, mode: str, cache_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Images (num_samples, height, width, channels) and labels, decoded at the first call and cached afterwards.

    The cache is one file, <cache_name>-<fingerprint>.npy, in `cache_folder()`; a changed, added or removed image gives
    another fingerprint. An unreadable cache file is replaced. Nothing is written beside the images.
    """
    paths, labels = list_images(folder, class_names)
    shape = (len(paths), height, width, len(mode))
    cache_path = cache_folder() / f"{cache_name}-{fingerprint(paths, version=CACHE_VERSION)}.npy"
    images = read_array(cache_path)
    if images is None or images.size != math.prod(shape) or images.dtype != np.uint8:
        images = decode(paths, height=height, width=width, mode=mode)
        write_array(cache_path, images)
    return images.reshape(shape), labels


def read_grey_folder(
    folder: Path, *, class_names: tuple[str, ...], height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Grey images and labels of folder/<class>/*.jpg|jpeg|png; cached as grey-<fingerprint>.npy (see `_read_folder`).

    Returns: images, uint8, (num_samples, height, width); labels, int64, (num_samples,).
    Raises: DataFileError if an image is missing or damaged, or the cache cannot be written.
    """
    images, labels = _read_folder(
        folder, class_names=class_names, height=height, width=width, mode="L", cache_name="grey"
    )
    return images[..., 0], labels


def read_colour_folder(
    folder: Path, *, class_names: tuple[str, ...], height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `read_grey_folder` in colour: images (num_samples, height, width, 3), channels red, green, blue."""
    return _read_folder(folder, class_names=class_names, height=height, width=width, mode="RGB", cache_name="colour")

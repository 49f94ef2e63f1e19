"""Images as sequences of patches or columns, and the random crop and mirror image by which CIFAR is commonly augmented."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_positive_int, describe


def patches_of_images(images: Tensor, *, patch: int, patch_width: int | None = None) -> Tensor:
    """Cut images into patches of `patch` rows and `patch_width` columns, in raster order; within one row, column, channel.

    x[b, (r // rows) * (width // columns) + c // columns, ((r % rows) * columns + c % columns) * channels + k]
    = images[b, r, c, k].

    Args:
        images: (batch, height, width, channels), height and width multiples of a patch's.
        patch: rows of a patch, in pixels. patch_width: its columns; None for as many. Patches as high as the image and one
            pixel wide are its columns, from left to right.
    Returns: (batch, num_patches, rows * columns * channels), of the same dtype.
    Raises: ValueError if the patches do not fill the image.

    Example:
        >>> patches_of_images(torch.arange(8).reshape(1, 2, 4, 1), patch=2).tolist()
        [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    rows, columns = patch, patch if patch_width is None else patch_width
    if images.dim() != 4 or images.shape[1] % rows or images.shape[2] % columns:
        raise ValueError(
            f"patches_of_images: `images` must have shape (batch, height, width, channels), height a multiple of {rows} "
            f"and width of {columns}; got {describe(images)}. Crop or pad the images."
        )
    batch, height, width, channels = images.shape
    cut = images.reshape(batch, height // rows, rows, width // columns, columns, channels)
    return cut.transpose(2, 3).reshape(batch, height // rows * (width // columns), rows * columns * channels)


def images_of_patches(values: Tensor, *, height: int, width: int, patch: int, patch_width: int | None = None) -> Tensor:
    """The images that `patches_of_images` cut: its inverse, (batch, height, width, channels)."""
    rows, columns = patch, patch if patch_width is None else patch_width
    channels = values.shape[2] // (rows * columns)
    cut = values.reshape(len(values), height // rows, width // columns, rows, columns, channels)
    return cut.transpose(2, 3).reshape(len(values), height, width, channels)


def crop_and_flip(images: Tensor, *, top: Tensor, left: Tensor, is_flipped: Tensor, padding: int) -> Tensor:
    """Move each image within a black border, and mirror it left to right where asked.

    y[b, r, c] = padded[b, r + top[b], c' + left[b]],  c' = width - 1 - c if is_flipped[b] else c,
    padded = the image within `padding` zeros on each side; top = left = padding keeps it in place.

    Args:
        images: (batch, height, width, channels).
        top, left: (batch,), int64, 0 .. 2 * padding.
        is_flipped: (batch,), bool.
    """
    batch, height, width, _ = images.shape
    padded = torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding))
    rows, columns = torch.arange(height), torch.arange(width)
    columns = torch.where(is_flipped[:, None], columns.flip(0), columns) + left[:, None]
    return padded[torch.arange(batch)[:, None, None], (rows + top[:, None])[:, :, None], columns[:, None, :]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CropAndFlip:
    """A random crop of the padded image and a mirror image of every second one, for images cut into patches.

    Each sample draws top and left, uniform in 0 .. 2 * padding, and is_flipped, true with probability 1/2, from its
    own generator and in that order; see `crop_and_flip`. The whole image moves, then it is cut again, so pixels pass
    from patch to patch. For the `augment` of a loader, on stored bytes: the border is 0, black, before normalisation.

    Args:
        height, width: of the image, in pixels, multiples of `patch`.
        patch: edge of a patch; 1 takes sequences of single pixels.
        padding: pixels of border on each side.
        patch_width: columns of a patch that is not square; its rows are then `patch`.
    Reference: He, Zhang, Ren and Sun 2016, Deep Residual Learning for Image Recognition, section 4.2.

    Example:
        >>> values = torch.arange(2 * 16 * 192).remainder(251).to(torch.uint8).reshape(2, 16, 192)
        >>> augment = CropAndFlip(height=32, width=32, patch=8, padding=4)
        >>> augment(values, [np.random.default_rng(seed) for seed in (0, 1)]).shape
        torch.Size([2, 16, 192])
    """

    height: int
    width: int
    patch: int
    padding: int
    patch_width: int | None = None

    def __post_init__(self) -> None:
        """Check that the patches fill the image."""
        for name in ("height", "width", "patch", "padding"):
            check_positive_int("CropAndFlip", name, getattr(self, name))
        if self.patch_width is not None:
            check_positive_int("CropAndFlip", "patch_width", self.patch_width)
        rows, columns = self._size
        if self.height % rows or self.width % columns:
            raise ValueError(
                f"CropAndFlip: `height` and `width` must be multiples of a patch's {rows} and {columns}; got "
                f"{self.height} and {self.width}. Choose a patch that divides both."
            )

    @property
    def _size(self) -> tuple[int, int]:
        return self.patch, self.patch if self.patch_width is None else self.patch_width

    def __call__(self, values: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Changed copies of the samples.

        Args:
            values: (batch, num_patches, patch * patch * channels); left as they are.
            rngs: one generator per sample.
        Raises: ValueError if the values are not images of this size or a generator is missing.
        """
        rows, columns = self._size
        num_patches = self.height * self.width // (rows * columns)
        if values.dim() != 3 or values.shape[1] != num_patches or values.shape[2] % (rows * columns):
            raise ValueError(
                f"CropAndFlip: `values` must have shape (batch, {num_patches}, {rows * columns} * channels), images of "
                f"{self.width}x{self.height} in patches of {columns}x{rows}; got {describe(values)}. "
                "Set height, width and patch to those of the data."
            )
        if len(rngs) != len(values):
            raise ValueError(f"CropAndFlip: `rngs` must have {len(values)} generators, one a sample; got {len(rngs)}.")
        draws = torch.tensor([[*rng.integers(2 * self.padding + 1, size=2), rng.integers(2)] for rng in rngs])
        top, left, flip = draws.reshape(-1, 3).long().unbind(1)
        size = {"patch": rows, "patch_width": columns}
        images = images_of_patches(values, height=self.height, width=self.width, **size)
        moved = crop_and_flip(images, top=top, left=left, is_flipped=flip.bool(), padding=self.padding)
        return patches_of_images(moved, **size)

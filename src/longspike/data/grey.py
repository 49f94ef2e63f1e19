"""Grey values of colour images."""

import numpy as np


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

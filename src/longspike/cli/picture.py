"""The events of late as a picture in characters."""

from functools import lru_cache
from itertools import groupby

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

FADING = 0.6
"""What is left of an event's brightness in the next picture."""
LEVELS = 6
"""Of brightness: few enough that styles repeat."""
ON, OFF = (90, 160, 255), (255, 120, 50)
SHADES = " .:+#@"
"""Brightness where there are no colours."""


class EventPicture:
    """The events of late on a coarse grid, fading from picture to picture; a cell of the terminal is two pixels high.

    On in blue, off in orange; without colours both together as characters of rising weight.
    """

    def __init__(self, sensor_size: tuple[int, int], *, columns: int = 46, rows: int = 14) -> None:
        width, height = sensor_size
        scale = max(width / columns, height / (2 * rows))
        self.width = min(max(round(width / scale), 1), columns)
        self.height = 2 * min(max(round(height / scale / 2), 1), rows)
        self._sensor_size = sensor_size
        self._counts = np.zeros((2, self.height, self.width))

    def add(self, events: np.ndarray) -> None:
        """Count a packet."""
        x = events["x"].astype(np.int64) * self.width // self._sensor_size[0]
        y = events["y"].astype(np.int64) * self.height // self._sensor_size[1]
        cell = (events["p"].astype(np.int64) * self.height + y) * self.width + x
        self._counts += np.bincount(cell, minlength=self._counts.size).reshape(self._counts.shape)

    def render(self, *, has_colours: bool = True) -> Text:
        """The picture, a line for two rows of pixels; then everything fades."""
        light = np.sqrt(self._counts / max(float(self._counts.max()) / 4, 1e-9)).clip(0, 1)
        levels = np.rint(light * (LEVELS - 1)).astype(int)
        self._counts *= FADING
        self._counts[self._counts < 0.05] = 0
        return _coloured(levels) if has_colours else _shaded(levels)


def _coloured(levels: np.ndarray) -> Text:
    """Half blocks: the upper pixel is the character, the lower one its ground."""
    pixels = levels[0] * LEVELS + levels[1]
    lines = [Text() for _ in range(len(pixels) // 2)]
    for line, upper, lower in zip(lines, pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        for (top, bottom), run in groupby(zip(upper, lower, strict=True)):
            line.append("▀" * sum(1 for _ in run), style=_style(top, bottom))
    return Text("\n").join(lines)


def _shaded(levels: np.ndarray) -> Text:
    brightest = np.maximum(levels.max(axis=0)[::2], levels.max(axis=0)[1::2])
    return Text("\n".join("".join(SHADES[level] for level in line) for line in brightest.tolist()))


@lru_cache(LEVELS**4)
def _style(top: int, bottom: int) -> Style:
    """The colours of a cell from its two pixels, each off * LEVELS + on."""
    return Style(color=_colour(top), bgcolor=_colour(bottom))


def _colour(pixel: int) -> Color:
    off, on = (level / (LEVELS - 1) for level in divmod(pixel, LEVELS))
    return Color.from_rgb(*(min(off * a + on * b, 255) for a, b in zip(OFF, ON, strict=True)))

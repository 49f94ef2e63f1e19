"""What is seen of a stream of events while it runs: counts, latency, and the events of late as a picture."""

import math
import time
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.table import Table
from rich.text import Text

from longspike.cli.panel import LivePanel

if TYPE_CHECKING:
    from torch import Tensor

    from longspike.streaming import EventStream

PICTURE_COLUMNS, PICTURE_ROWS = 46, 14

FADING = 0.6
"""What is left of an event's brightness in the next picture."""
LEVELS = 6
"""Of brightness: few enough that styles repeat."""
ON, OFF = (90, 160, 255), (255, 120, 50)
SHADES = " .:+#@"
"""Brightness where there are no colours."""


class EventView:
    """What the live panel shows of a stream of events: counts, latency and a picture of the events."""

    def __init__(self, panel: LivePanel, stream: "EventStream") -> None:
        self._panel, self._stream = panel, stream
        columns = min(panel.width, PICTURE_COLUMNS)
        self._picture = EventPicture(stream.config.sensor_size, columns=columns)
        self._shown_s, self._shown_events, self._t_us = math.nan, 0, 0

    def add(self, packet: "np.ndarray") -> None:
        """Take a packet into the picture, and draw it if it is time."""
        if not self._panel.is_on or not len(packet):
            return
        self._picture.add(packet)
        self._t_us = int(packet["t"][-1])
        if self._panel.is_due():
            now, events = time.perf_counter(), self._stream.counts.events
            rate = (events - self._shown_events) / (now - self._shown_s)
            self._shown_s, self._shown_events = now, events
            self.draw(rate)

    def draw(self, events_per_s: float = math.nan) -> None:
        """Draw the stream as it stands."""
        if self._panel.is_on:
            self._panel.show(*self.parts(events_per_s), subtitle=self.subtitle, beside=self.picture())

    @property
    def subtitle(self) -> str:
        """How far the recording has come."""
        return f"{self._t_us / 1e6:.3f} s of the recording"

    def picture(self) -> Text:
        """The events of late."""
        return self._picture.render(has_colours=self._panel.has_colours)

    def parts(self, events_per_s: float) -> "tuple[Tensor, Table]":
        """Probabilities of the classes, and counts."""
        counts = self._stream.counts
        p50, p99, largest = self._stream.latency_us(0.5, 0.99, 1.0)
        speed = "" if math.isnan(events_per_s) else f", {events_per_s:,.0f}/s"
        facts = Table.grid(padding=(0, 1))
        for name, value in (
            ("events", f"{counts.events:,}{speed}"),
            ("steps", f"{counts.steps:,}, {counts.ticks:,} ticks"),
            ("firing", f"{counts.rate:.2%}"),
            ("latency", "none yet" if math.isnan(p50) else f"p50 {p50:.0f}, p99 {p99:.0f}, max {largest:.0f} us"),
            ("late", f"{counts.late:,}"),
            ("far", f"{counts.far:,}"),
        ):
            facts.add_row(Text(name, style="dim"), value)
        return self._stream.logits().softmax(dim=-1), facts


class EventPicture:
    """The events of late on a coarse grid, fading from picture to picture; a cell of the terminal is two pixels high.

    On in blue, off in orange; without colours both together as characters of rising weight.
    """

    def __init__(
        self, sensor_size: tuple[int, int], *, columns: int = PICTURE_COLUMNS, rows: int = PICTURE_ROWS
    ) -> None:
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

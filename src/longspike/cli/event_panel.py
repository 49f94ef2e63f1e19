"""What `longspike stream` shows while events come in."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
from rich.color import Color
from rich.console import Group
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text
from torch import Tensor

from longspike.cli.live_panel import AbstractLivePanel
from longspike.streaming import EventStream

BAR_WIDTH, MAX_CLASSES = 24, 10
PICTURE_WIDTH, PICTURE_ROWS = 46, 14  # character cells; a cell is two pixels high
REFRESH_PER_SECOND = 8
FADING = 0.6
"""What is left of an event's brightness in the next picture."""
LEVELS = 6
"""Of brightness: few enough that styles repeat."""
ON, OFF = (90, 160, 255), (255, 120, 50)


class EventPicture:
    """The events of late on a coarse grid, on in blue, off in orange, fading from picture to picture."""

    def __init__(self, sensor_size: tuple[int, int]) -> None:
        width, height = sensor_size
        scale = max(width / PICTURE_WIDTH, height / (2 * PICTURE_ROWS))
        self.width = min(max(round(width / scale), 1), PICTURE_WIDTH)
        self.height = 2 * min(max(round(height / scale / 2), 1), PICTURE_ROWS)
        self._sensor_size = sensor_size
        self._counts = np.zeros((2, self.height, self.width))

    def add(self, events: np.ndarray) -> None:
        """Count a packet."""
        x = events["x"].astype(np.int64) * self.width // self._sensor_size[0]
        y = events["y"].astype(np.int64) * self.height // self._sensor_size[1]
        cell = (events["p"].astype(np.int64) * self.height + y) * self.width + x
        self._counts += np.bincount(cell, minlength=self._counts.size).reshape(self._counts.shape)

    def render(self) -> Text:
        """The picture, a line of half blocks for two rows of pixels; then everything fades."""
        light = np.sqrt(self._counts / max(float(self._counts.max()) / 4, 1e-9)).clip(0, 1)
        levels = np.rint(light * (LEVELS - 1)).astype(int)
        pixels = levels[0] * LEVELS + levels[1]
        self._counts *= FADING
        self._counts[self._counts < 0.05] = 0
        lines = [Text() for _ in range(self.height // 2)]
        for line, upper, lower in zip(lines, pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
            for (top, bottom), run in groupby(zip(upper, lower, strict=True)):
                line.append("▀" * sum(1 for _ in run), style=_style(top, bottom))
        return Text("\n").join(lines)


@lru_cache(LEVELS**4)
def _style(top: int, bottom: int) -> Style:
    """The colours of a cell from its two pixels, each off * LEVELS + on."""
    return Style(color=_colour(top), bgcolor=_colour(bottom))


def _colour(pixel: int) -> Color:
    off, on = (level / (LEVELS - 1) for level in divmod(pixel, LEVELS))
    return Color.from_rgb(*(min(off * a + on * b, 255) for a, b in zip(OFF, ON, strict=True)))


class EventPanel(AbstractLivePanel):
    """Class probabilities, counts, latency and a picture of the events; nothing where stderr is not a terminal."""

    def __init__(self, title: str, class_names: Sequence[str], *, sensor_size: tuple[int, int]) -> None:
        super().__init__()
        self._title, self._class_names = title, class_names
        self._picture = EventPicture(sensor_size)
        self._shown_at, self._shown_events = 0.0, 0

    def add(self, events: np.ndarray) -> None:
        """Take a packet into the picture."""
        if self._is_on:
            self._picture.add(events)

    def show(self, stream: EventStream, t_us: int, now: float, *, is_last: bool = False) -> None:
        """Draw the state of the stream at recording time `t_us`, if it is time for a new picture."""
        passed = now - self._shown_at
        if not self._is_on or (passed < 1 / REFRESH_PER_SECOND and not is_last):
            return
        rate = (stream.counts.events - self._shown_events) / passed if self._shown_at else float("nan")
        self._shown_at, self._shown_events = now, stream.counts.events
        self._live.update(self.render(stream, t_us, float("nan") if is_last else rate), refresh=True)

    def render(self, stream: EventStream, t_us: int, events_per_s: float) -> Panel:
        """The picture of a moment."""
        grid = Table.grid(padding=(0, 2))
        probabilities = stream.logits().softmax(dim=-1)
        left = Group(self._bars(probabilities), Text(), self._facts(stream, events_per_s))
        grid.add_row(left, self._picture.render())
        return Panel(grid, title=self._title, subtitle=f"{t_us / 1e6:.3f} s of the recording", expand=False)

    def _bars(self, probabilities: Tensor) -> Table:
        bars = Table.grid(padding=(0, 1))
        best = int(probabilities.argmax())
        for k in probabilities.topk(min(MAX_CLASSES, len(probabilities))).indices.sort().values.tolist():
            share = float(probabilities[k])
            style = "bold green" if k == best else "dim"
            filled = round(share * BAR_WIDTH)
            bar = Text("█" * filled + "·" * (BAR_WIDTH - filled), style=style)
            bars.add_row(Text(self._class_names[k], style=style), bar, f"{share:6.1%}")
        return bars

    def _facts(self, stream: EventStream, events_per_s: float) -> Table:
        counts = stream.counts
        p50, p99, largest = stream.latency_us(0.5, 0.99, 1.0)
        speed = "" if np.isnan(events_per_s) else f", {events_per_s:,.0f}/s"
        rows = (
            ("events", f"{counts.events:,}{speed}"),
            ("steps", f"{counts.steps:,}, {counts.ticks:,} ticks"),
            ("firing", f"{counts.rate:.2%}"),
            ("latency", "none yet" if np.isnan(p50) else f"p50 {p50:.0f}, p99 {p99:.0f}, max {largest:.0f} us"),
            ("late", f"{counts.late:,}"),
        )
        facts = Table.grid(padding=(0, 1))
        for name, value in rows:
            facts.add_row(Text(name, style="dim"), value)
        return facts

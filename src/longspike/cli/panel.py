"""A panel on stderr that is redrawn while a stream runs: probabilities as bars, and what else there is to see."""

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from torch import Tensor

from longspike.cli.drawing import AbstractDrawing

BAR_WIDTH, MAX_CLASSES = 24, 10
LEAST_BAR, LEAST_NAME = 8, 6
"""Cells that a bar and a class's name have on the narrowest terminal."""
SHARE_WIDTH = 8
"""Of a percentage and the blanks beside the bar."""
FRAME = 4
"""Cells that the border takes."""


def cut(name: str, cells: int) -> str:
    """A name of at most `cells` characters, its end cut off.

    Example:
        >>> cut("wave the right hand", 10), cut("clap", 10)
        ('wave the…', 'clap')
    """
    return name if len(name) <= cells else f"{name[: cells - 1].rstrip()}…"


class LivePanel(AbstractDrawing[Live]):
    """Draws on stderr, at most so many times a second; nothing is drawn where that is no terminal.

    Attributes:
        is_on: whether it draws. has_colours: whether the terminal does. width, height: inside the border.
    """

    def __init__(self, title: str, class_names: Sequence[str], *, per_second: float) -> None:
        super().__init__(lambda **where: Live(auto_refresh=False, **where))
        self._title, self._class_names, self._per_second = title, class_names, per_second
        self._shown_s = float("-inf")
        self.has_colours = self._console.color_system is not None and not self._console.no_color
        self.has_colours = self.has_colours and not self._console.options.ascii_only

    @property
    def width(self) -> int:
        """Columns inside the border."""
        return max(self._console.width - FRAME, 8)

    @property
    def height(self) -> int:
        """Rows inside the border."""
        return max(self._console.height - 3, 4)

    def is_due(self) -> bool:
        """Whether it is time for a new picture; if so, the next one is due later."""
        now = time.monotonic()
        if not self.is_on or now - self._shown_s < 1 / self._per_second:
            return False
        self._shown_s = now
        return True

    def show(self, answer: Tensor | str, *rest: RenderableType, subtitle: str, beside: Text | None = None) -> None:
        """Draw a moment."""
        if self.is_on:
            self._drawn.update(self.render(answer, *rest, subtitle=subtitle, beside=beside), refresh=True)

    def render(self, answer: Tensor | str, *rest: RenderableType, subtitle: str, beside: Text | None = None) -> Panel:
        """Bars of probabilities (classes), or words; `rest` below, `beside` at the side if there is room, else last."""
        head = Text(answer) if isinstance(answer, str) else self._bars(answer)
        parts: list[RenderableType] = [head, Text(), *rest]
        if beside is None:
            return Panel(Group(*parts), title=Text(self._title), subtitle=subtitle, expand=False)
        left = max(self._console.measure(part).maximum for part in parts)
        size = len(beside.plain.partition("\n")[0]), beside.plain.count("\n") + 1
        if left + 2 + size[0] <= self.width:
            grid = Table.grid(padding=(0, 2))
            grid.add_row(Group(*parts), beside)
            return Panel(grid, title=Text(self._title), subtitle=subtitle, expand=False)
        used = sum(
            len(self._console.render_lines(part, self._console.options.update_width(self.width))) for part in parts
        )
        if size[0] <= self.width and used + 1 + size[1] <= self.height:
            parts += [Text(), beside]
        return Panel(Group(*parts), title=Text(self._title), subtitle=subtitle, expand=False)

    def _bars(self, probabilities: Tensor) -> Table:
        """The most probable classes in the order of their numbers."""
        shown = probabilities.topk(min(MAX_CLASSES, len(probabilities))).indices.sort().values.tolist()
        widest = max(self.width - LEAST_BAR - SHARE_WIDTH, LEAST_NAME)
        names = {k: cut(self._class_names[k], widest) for k in shown}
        room = min(max(self.width - max(map(len, names.values())) - SHARE_WIDTH, LEAST_BAR), BAR_WIDTH)
        best = int(probabilities.argmax())
        bars = Table.grid(padding=(0, 1))
        for k in shown:
            share = float(probabilities[k])
            style = "bold green" if k == best else "dim"
            filled = round(share * room)
            bar = Text("█" * filled + "·" * (room - filled), style=style)
            bars.add_row(Text(names[k], style=style), bar, f"{share:6.1%}")
        return bars

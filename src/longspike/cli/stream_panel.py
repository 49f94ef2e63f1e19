"""What `longspike stream` shows while it runs."""

from collections.abc import Sequence

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from torch import Tensor

from longspike.cli.live_panel import AbstractLivePanel

BAR_WIDTH, MAX_CLASSES = 30, 12
REFRESH_PER_SECOND = 20


class StreamPanel(AbstractLivePanel):
    """Class probabilities as bars and the spikes of the step at hand; nothing where stderr is not a terminal."""

    def __init__(self, title: str, class_names: Sequence[str], *, num_steps: int | None) -> None:
        super().__init__()
        self._title, self._class_names, self._num_steps = title, class_names, num_steps
        self._shown_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is time for a new picture."""
        if not self._is_on or now - self._shown_at < 1 / REFRESH_PER_SECOND:
            return False
        self._shown_at = now
        return True

    def show(self, step: int, probabilities: Tensor, spikes: Sequence[Tensor]) -> None:
        """Draw a step: probabilities (classes), spikes (d_model) of every layer."""
        if self._is_on:
            self._live.update(self.render(step, probabilities, spikes), refresh=True)

    def render(self, step: int, probabilities: Tensor, spikes: Sequence[Tensor]) -> Panel:
        """The picture of a step."""
        bars = Table.grid(padding=(0, 1))
        best = int(probabilities.argmax())
        for k in probabilities.topk(min(MAX_CLASSES, len(probabilities))).indices.sort().values.tolist():
            share = float(probabilities[k])
            style = "bold green" if k == best else "dim"
            filled = round(share * BAR_WIDTH)
            bar = Text("█" * filled + "·" * (BAR_WIDTH - filled), style=style)
            bars.add_row(Text(self._class_names[k], style=style), bar, f"{share:6.1%}")
        rows = [row for k, layer in enumerate(spikes) for row in self._spike_rows(k, layer)]
        of = "" if self._num_steps is None else f" of {self._num_steps}"
        return Panel(Group(bars, Text(), *rows), title=self._title, subtitle=f"step {step}{of}", expand=False)

    def _spike_rows(self, index: int, spikes: Tensor) -> tuple[Text, Text]:
        """How many neurons fire, and which, as far as the terminal is wide."""
        room = max(self._console.width - 6, 8)
        marks = "".join("|" if s else "·" for s in spikes[:room].tolist()) + ("…" if len(spikes) > room else "")
        return Text(f"layer {index + 1}: {int(spikes.count_nonzero())} of {len(spikes)} fire", style="dim"), Text(marks)

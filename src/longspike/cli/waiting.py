"""What is being done while nothing else can be shown, on the last line of a terminal."""

from rich.live import Live
from rich.spinner import Spinner

from longspike.cli.drawing import AbstractDrawing
from longspike.cli.output import note


class Waiting(AbstractDrawing[Live]):
    """A context in which the last line of a terminal says what is being done; it vanishes, and elsewhere there is none."""

    def __init__(self, text: str, *, is_moving: bool = True) -> None:
        self._spinner = Spinner("line", text)
        super().__init__(lambda **where: Live(self._spinner, auto_refresh=is_moving, transient=True, **where))

    def update(self, text: str) -> None:
        """Say something else."""
        self._spinner.update(text=text)


class Stages(Waiting):
    """The stages of something long: on a terminal the present one with what runs in it, elsewhere a line for each.

    Drawn when it changes, and by no thread in between: a benchmark is running.
    """

    def __init__(self) -> None:
        super().__init__("starting", is_moving=False)
        self._stage = ""

    def show(self, stage: str, running: str = "") -> None:
        """Where it is."""
        self.update(f"{stage}: {running}" if running else stage)
        if self.is_on:
            self._drawn.refresh()
        if stage != self._stage and not self.is_on:
            note(f"  {stage}")
        self._stage = stage

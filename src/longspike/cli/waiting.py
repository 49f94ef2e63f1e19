"""What is being done while nothing else can be shown, on the last line of a terminal."""

import sys
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.spinner import Spinner

from longspike.cli.output import begin_drawing, console, end_drawing, note


class Waiting:
    """A context in which the last line of a terminal says what is being done; it vanishes, and elsewhere there is none."""

    def __init__(self, text: str, *, is_moving: bool = True) -> None:
        self._console = console(is_error=True)
        self.is_on = self._console.is_terminal and not self._console.is_dumb_terminal
        self._spinner = Spinner("line", text)
        # what a pipe gets would otherwise be drawn on stderr
        is_shared = sys.stdout.isatty()
        self._live = Live(
            self._spinner,
            console=self._console,
            auto_refresh=is_moving,
            transient=True,
            redirect_stdout=is_shared,
        )

    def __enter__(self) -> Self:
        if self.is_on:
            begin_drawing(self._console)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line away, for good."""
        if self.is_on:
            self._live.stop()
            end_drawing(self._console)

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
            self._live.refresh()
        if stage != self._stage and not self.is_on:
            note(f"  {stage}")
        self._stage = stage

"""What is redrawn on the last lines of a terminal: set up, begun and ended in one way."""

import sys
from abc import ABC
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from rich.live import Live
from rich.progress import Progress

from longspike.cli.output import begin_drawing, console, end_drawing

Redrawn = TypeVar("Redrawn", Live, Progress)


class AbstractDrawing(ABC, Generic[Redrawn]):
    """A context in which something is redrawn on stderr, where that is a terminal that can; elsewhere nothing is.

    Args:
        make: makes what is redrawn, from the console and where stdout goes meanwhile.
    Attributes:
        is_on: whether it draws.
    """

    def __init__(self, make: Callable[..., Redrawn]) -> None:
        self._console: Any = console(is_error=True)
        self.is_on = self._console.is_terminal and not self._console.is_dumb_terminal
        # what a pipe gets would otherwise be drawn on stderr
        self._drawn: Redrawn = make(console=self._console, redirect_stdout=sys.stdout.isatty())

    def __enter__(self) -> Self:
        if self.is_on:
            begin_drawing(self._console)
            self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Draw no more, for good."""
        if self.is_on:
            self._drawn.stop()
            end_drawing(self._console)

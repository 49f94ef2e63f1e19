"""A panel on the terminal that is redrawn while a command runs."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live


class AbstractLivePanel:
    """Starts and stops the drawing on stderr; `_is_on` is false, and nothing is drawn, where that is not a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False)
        self._is_on = self._console.is_terminal

    def __enter__(self) -> Self:
        if self._is_on:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_on:
            self._live.stop()

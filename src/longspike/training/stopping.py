"""The wish to stop, as a signal says it: Ctrl-C, a scheduler that wants the machine back, a terminal that closes."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
"""What would otherwise end the process: from a user, `kill`, a terminal, and schedulers before they end a job."""


class StopRequest:
    """While entered, the first of these signals is remembered, and Ctrl-C after it leaves with KeyboardInterrupt.

    A signal that the program ignores or handles itself is left to it, but Ctrl-C, which is taken unless it is ignored.
    Outside of the main thread, which alone gets signals, nothing happens.

    Attributes:
        number: of the first signal; None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def is_set(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    def install(self) -> None:
        """Put the handlers (again) in place; what Lightning has put there meanwhile goes."""
        for number, before in self._before.items():
            is_ours = before in (signal.SIG_DFL, signal.default_int_handler)
            is_ours = is_ours or (number == signal.SIGINT and before != signal.SIG_IGN)
            signal.signal(number, self._handle if is_ours else before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_set and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.is_set:
            self.number = number

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
            handlers = {int(number): signal.getsignal(number) for number in known}
            self._before = {number: handler for number, handler in handlers.items() if handler is not None}
            self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

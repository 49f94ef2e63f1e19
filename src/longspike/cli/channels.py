"""stdin, stdout and stderr as they are found: closed, full, or with nobody at the other end."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any, TextIO

from longspike.cli.characters import prepare_output

LEAST_COLUMNS = 20
"""In fewer, tyro's help is one of single letters, and below 10 never ends."""


class Guarded:
    """Stands for a stream and keeps the first failure to write to it, on a full disk or with no reader left.

    Args:
        drops: what cannot be written is dropped in silence, as fits remarks; else the failure is raised.
    Attributes:
        failure: the first one.
    """

    def __init__(self, stream: TextIO, *, drops: bool) -> None:
        self._stream, self._drops = stream, drops
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def rich_proxied_file(self) -> "Guarded":
        """What rich writes to in place of a stream that stands for another."""
        inner = getattr(self._stream, "rich_proxied_file", None)
        return self if inner is None else Guarded(inner, drops=self._drops)

    def write(self, text: str) -> int:
        """Write `text`."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = self.failure or error
        _discard(self._stream)
        if not self._drops:
            raise error


def _discard(stream: TextIO) -> None:
    """Let all that is and will be written vanish, so that Python does not fail on it once more at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


@contextmanager
def guarded_stdout() -> Iterator[Guarded]:
    """stdout, whose failure is told from that of a file."""
    before = sys.stdout
    guarded = Guarded(before, drops=False)
    sys.stdout = guarded  # type: ignore[assignment]
    try:
        yield guarded
    finally:
        sys.stdout = before


def prepare_channels() -> None:
    """Open what the caller has closed as /dev/null, or the next file would take its number; then `prepare_output`.

    A terminal of a few columns is taken for one of LEAST_COLUMNS.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    if get_terminal_size().columns < LEAST_COLUMNS:
        os.environ["COLUMNS"] = str(LEAST_COLUMNS)
    prepare_output()


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as a remark, without the place in the code."""
    from longspike.cli.output import note

    note(f"warning: {message}")


def show_remarks() -> None:
    """Warnings are remarks to whoever called the command; what Matplotlib says of its cache is none."""
    warnings.showwarning = show_warning
    logging.getLogger("matplotlib").setLevel(logging.ERROR)

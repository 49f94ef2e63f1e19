"""stdin, stdout and stderr as they are found: closed, full, or with nobody at the other end."""

import logging
import os
import sys
import warnings
from shutil import get_terminal_size
from typing import Any, TextIO

from longspike.cli.characters import prepare_output

LEAST_COLUMNS = 20
"""In fewer, tyro's help is one of single letters, and below 10 never ends."""


class Dropping:
    """A stream for remarks: what cannot be written, on a full disk or to a reader that is gone, is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def rich_proxied_file(self) -> "Dropping":
        """What rich writes to in place of a stream that stands for another."""
        return Dropping(getattr(self._stream, "rich_proxied_file", self._stream))

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return self._stream.write(text)
        except OSError:
            discard(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)


def discard(stream: TextIO) -> None:
    """Let all that is and will be written to `stream` vanish, so that Python does not fail on it once more at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def stdout_failure() -> OSError | None:
    """Why stdout cannot be written; None if it can."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


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

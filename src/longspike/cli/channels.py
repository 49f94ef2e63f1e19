"""stdin, stdout and stderr as they are found: closed, full, or with nobody at the other end."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any

from longspike._core.characters import prepare_output
from longspike._core.guarded import Guarded

LEAST_COLUMNS = 20
"""In fewer, tyro's help is one of single letters, and below 10 never ends."""


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

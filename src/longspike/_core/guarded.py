"""A stream that may be closed, full, or without a reader, and whose failure is kept."""

import os
from typing import Any, TextIO


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

"""What happens when a file holds something wrong: an error that names it, or a count."""

import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from longspike.errors import DataFileError

SKIP_REMEDY = 'Pass on_error="skip" to leave such records out and count them.'
LONGEST_FAULT = 240
"""Characters of what is wrong; names and shapes from a damaged file can be of any length."""

DECODING_FAULTS = {
    1: "a word of a type that the format does not have: the bytes are damaged, or the header names another format",
    2: "an event before the first time word: the recording starts in the middle of the camera's stream",
    3: "an event before the first row address: the recording starts in the middle of the camera's stream",
    4: "a vector of events before its first column",
    5: "a vector of events that runs past the format's last column",
    6: "an event in a row that the sensor does not have",
    7: "a pixel outside the sensor",
    8: "a time earlier than that of an event before it",
    9: "a time below zero or above 2^62 µs",
}
"""What the fault codes of csrc/events/decoding.hpp mean."""

KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"), (stat.S_ISSOCK, "a socket"))


def shortened(text: str, most: int = LONGEST_FAULT) -> str:
    """`text` with its middle cut out if it has more than `most` characters.

    Example:
        >>> shortened("from here to there", 13)
        'from ... here'
    """
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half].rstrip()} ... {text[-half:].lstrip()}"


def check_regular(path: Path) -> None:
    """Raise DataFileError for what is no file to read from, such as a pipe, which would wait; whether it exists is left."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    for is_kind, name in KINDS:
        if is_kind(mode):
            raise DataFileError(
                f"{path} is {name}, and only files can be read. Copy what comes from it to a file first."
            )


class Faults:
    """Raises at the first fault of a file, or counts the faults that it was told to skip.

    Args:
        path: the file, for the messages.
        skips: whether faulty records are left out and counted.
    """

    def __init__(self, path: Path, *, skips: bool) -> None:
        self.path, self.skips, self.skipped = path, skips, 0

    def fail(self, what: str, remedy: str = "") -> NoReturn:
        """Raise: the file cannot be read at all."""
        raise DataFileError(f"{self.path} {shortened(what)}. {remedy}".rstrip())

    def report(self, place: str, what: str, *, count: int = 1, remedy: str = "") -> None:
        """A faulty record: raise, naming its place, or count it."""
        if not self.skips:
            raise DataFileError(f"{self.path}: {place}: {shortened(what)}. {remedy or SKIP_REMEDY}")
        self.skipped += count

    def open(self) -> BinaryIO:
        """The file, for reading."""
        check_regular(self.path)
        try:
            return self.path.open("rb")
        except OSError as error:
            self.fail(f"cannot be read ({error.strerror})", "Check that it exists and its rights.")
        except ValueError as error:
            self.fail(f"cannot be read ({error})", "Check the path.")

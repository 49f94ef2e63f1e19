"""What happens when a file holds something wrong: an error that names it, or a count."""

from pathlib import Path
from typing import BinaryIO, NoReturn

from longspike.errors import DataFileError

SKIP_REMEDY = 'Pass on_error="skip" to leave such records out and count them.'

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
        raise DataFileError(f"{self.path} {what}. {remedy}".rstrip())

    def report(self, place: str, what: str, *, count: int = 1) -> None:
        """A faulty record: raise, naming its place, or count it."""
        if not self.skips:
            raise DataFileError(f"{self.path}: {place}: {what}. {SKIP_REMEDY}")
        self.skipped += count

    def open(self) -> BinaryIO:
        """The file, for reading."""
        try:
            return self.path.open("rb")
        except OSError as error:
            self.fail(f"cannot be read ({error.strerror})", "Check that it exists and its rights.")

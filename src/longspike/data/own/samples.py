"""What a reader finds in a file: sequences with their labels, and where each of them stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longspike._core.mistakes import shown
from longspike.errors import DataFileError

PER_SAMPLE, VALUE, PER_STEP, OPTIONAL, NONE, UNREAD = "sample", "value", "step", "optional", "none", "unread"
"""Which labels are read: a class a sample, a number a sample, or a class a step, that must be there; one a sample if it is
there; none, of data without any; none, of data that may have some."""
ONE_EACH = (PER_SAMPLE, VALUE)
LENIENT = (OPTIONAL, UNREAD)
"""With these a table may also lack the columns that say samples and times."""
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Samples:
    """Sequences out of one file or folder.

    Attributes:
        values: (steps, channels) numbers a sample, as a sequence of arrays; or one array (samples, steps, channels), which
            may be mapped from a file.
        places: where each sample stands, in the words of a message: "line 7", "sample 'a3'".
        channels: the channels' names.
        unit: the numbers of a sample are values * unit; sounds are stored as whole numbers.
        labels: the class of each sample, or its number, a text; None if there are none.
        step_labels: the class of each step of each sample, (steps) texts; "" for a step without one.
        groups: what a sample belongs to, for a division that keeps groups together; None if there are none.
        steps_per_second: the pace of the steps; None if the file does not say.
        left_out: columns that are none of these.
    """

    values: Sequence[np.ndarray] | np.ndarray
    places: tuple[str, ...]
    channels: tuple[str, ...]
    unit: float = 1.0
    labels: tuple[str, ...] | None = None
    step_labels: tuple[np.ndarray, ...] | None = None
    groups: tuple[str, ...] | None = None
    steps_per_second: float | None = None
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def raw(self, index: int) -> np.ndarray:
        """The numbers of a sample (steps, channels), float32."""
        return np.asarray(self.values[index], np.float32) * np.float32(self.unit)

    @property
    def lengths(self) -> np.ndarray:
        """The steps of each sample, (samples,), int64."""
        if isinstance(self.values, np.ndarray):
            return np.full(len(self), self.values.shape[1], np.int64)
        return np.array([len(sample) for sample in self.values], np.int64)


def check_samples(path: Path, samples: Samples) -> None:
    """Raise unless there are samples, each with a step, and all of their numbers are finite in float32.

    Raises: DataFileError that names the first sample, step and channel that are not so.
    """
    if not len(samples):
        raise DataFileError(f"{path} holds no sample. Give at least one.")
    for place, values in zip(samples.places, samples.values, strict=True):
        if not len(values):
            raise DataFileError(f"{path}, {place} has no step. Give it at least one, or take it out.")
        if values.dtype.kind != "f":
            continue
        is_bad = ~(np.abs(values) <= FLOAT32_MAX)
        if is_bad.any():
            step, channel = map(int, np.argwhere(is_bad)[0])
            of = f", channel {samples.channels[channel]!r}" if len(samples.channels) > 1 else ""
            raise DataFileError(
                f"{path}, {place}, step {step + 1}{of} is {values[step, channel]}, which is no number for a network. "
                "Fill such gaps, or take the sample out."
            )


def as_channels(path: Path, place: str, values: np.ndarray) -> np.ndarray:
    """One sample of numbers as (steps, channels): an axis is added to (steps).

    Raises: DataFileError if it is neither, or holds no real numbers.
    """
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise DataFileError(
            f"{path}, {place} must hold real numbers, (steps) or (steps, channels); got {shown(values)}."
        )
    return values


def check_channels(path: Path, samples: Samples) -> None:
    """Raise unless every sample has as many channels as the first one."""
    for place, values in zip(samples.places, samples.values, strict=True):
        if values.shape[1] != len(samples.channels):
            raise DataFileError(
                f"{path}, {place} has {values.shape[1]} channels, and those before it have {len(samples.channels)}. "
                "Give every sample the same channels."
            )

"""The Spiking Heidelberg Digits and Spiking Speech Commands: HDF5 files of labelled spike trains.

"spikes/units" and "spikes/times" hold one array a sample (times in seconds), "labels" one class a sample.

Reference: Cramer, Stradmann, Schemmel and Zenke 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of
Spiking Neural Networks", IEEE Transactions on Neural Networks and Learning Systems 33(7).
"""

import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from longspike._core.limits import unpacked_limit
from longspike.errors import DataFileError
from longspike.events.faults import Faults
from longspike.events.formats.hdf5 import BROKEN, find, open_file
from longspike.events.formats.source import size_of

__all__ = ["ShdFile", "SpikeTrain"]

NUM_UNITS = 700


class SpikeTrain(NamedTuple):
    """The spikes of one sample, in order of time: microseconds (int64) and units (uint16)."""

    t_us: np.ndarray
    unit: np.ndarray


class ShdFile:
    """The samples of one file, read one by one; a context manager.

    Times are rounded to microseconds. Spikes that the file holds out of order are sorted by time, equal times as they
    stand.

    Args:
        path: an HDF5 file of the data sets.
        num_units: units that there can be; a spike of another one is an error.

    Attributes:
        labels: one class a sample, int64.

    Raises:
        DataFileError: the file is missing, damaged, or holds something else.
        MissingExtraError: h5py is not installed.

    Iterating gives `file[0]`, `file[1]` and so on; the class of `file[i]` is `file.labels[i]`.
    """

    def __init__(self, path: str | os.PathLike[str], *, num_units: int = NUM_UNITS) -> None:
        self.num_units = num_units
        self._faults = Faults(Path(path), skips=False)
        self._stream = self._faults.open()
        try:
            self._file = open_file(self._stream, self._faults)
            self._units, self._times, self.labels = self._open()
        except BaseException:
            self._stream.close()
            raise

    def _open(self) -> tuple[object, object, np.ndarray]:
        try:
            paths = ("spikes/units", "spikes/times", "labels")
            units, times, classes = (find(self._file, path, self._faults) for path in paths)
            if classes.size > unpacked_limit(size_of(self._stream)):
                self._faults.fail(f"holds {classes.size} labels, more than a file of its size can hold")
            labels = np.asarray(classes[:]).astype(np.int64)
            lengths = (len(units), len(times), len(labels))
        except DataFileError:
            raise
        except BROKEN as error:
            self._faults.fail(f"does not hold spikes/units, spikes/times and labels: {error}", "Download it again.")
        if len(set(lengths)) != 1 or labels.ndim != 1:
            self._faults.fail(f"holds {lengths} units, times and labels, which must be equal", "Download it again.")
        return units, times, labels

    def class_names(self) -> tuple[str, ...]:
        """The words of the classes, in the order of the labels.

        Raises: DataFileError if the file does not hold them, as extra/keys.
        """
        try:
            keys = find(self._file, "extra/keys", self._faults)[:]
            return tuple(key.decode("utf-8") if isinstance(key, bytes) else str(key) for key in keys)
        except DataFileError:
            raise
        except BROKEN as error:
            self._faults.fail(f"does not hold the classes' names, extra/keys ({error})", "Fetch it again.")

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.labels)

    def __getitem__(self, index: int) -> SpikeTrain:
        """The spikes of sample `index`, from 0 on.

        Raises: IndexError outside the file; DataFileError if the sample is damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"ShdFile: sample {index} of {len(self)}")
        try:
            units = np.asarray(self._units[index])  # type: ignore[index]
            seconds = np.asarray(self._times[index], np.float64)  # type: ignore[index]
        except BROKEN as error:
            self._faults.fail(f"cannot be read at sample {index}: {error}", "Download it again.")
        is_whole = units.ndim == 1 and units.shape == seconds.shape and units.dtype.kind in "iu"
        if not is_whole or not np.isfinite(seconds).all() or (seconds < 0).any() or (seconds > 1e9).any():
            self._faults.fail(f"holds a sample {index} whose units and times are no spikes", "Download it again.")
        if units.size and (int(units.min()) < 0 or int(units.max()) >= self.num_units):
            self._faults.fail(
                f"holds unit {int(units.max())} in sample {index}; there are {self.num_units}", "Pass num_units."
            )
        t_us = np.rint(seconds * 1e6).astype(np.int64)
        order = np.argsort(t_us, kind="stable")
        return SpikeTrain(t_us[order], units[order].astype(np.uint16))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

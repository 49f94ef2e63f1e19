"""Which kind of data a path holds, and what reads it."""

import os
import re
from pathlib import Path

from longspike.data.own.arrays import read_arrays
from longspike.data.own.class_folder import FILE_READERS, read_folder
from longspike.data.own.long_table import find_sample_column, read_long
from longspike.data.own.reading import Reading
from longspike.data.own.samples import (
    NONE,
    OPTIONAL,
    PER_SAMPLE,
    PER_STEP,
    UNREAD,
    Samples,
    check_channels,
    check_samples,
)
from longspike.data.own.step_folder import read_step_folder
from longspike.data.own.table import read_table
from longspike.data.own.ts_file import read_ts
from longspike.data.own.wide_table import read_wide
from longspike.errors import ConfigError, DataFileError

TABLES = (".csv", ".tsv", ".txt")
ARRAYS = (".npz", ".npy")
SUFFIXES = (*TABLES, *ARRAYS, ".ts")
"""Of one file with many samples."""
PARTS = re.compile(r"(?<![A-Za-z])(train(?:ing)?)(?![A-Za-z])", re.IGNORECASE)
TEST_WORDS = {"train": "test", "training": "test", "Train": "Test", "TRAIN": "TEST", "Training": "Test"}


def partner(path: Path) -> Path | None:
    """The test file beside a training file, by its name: GunPoint_TEST.ts beside GunPoint_TRAIN.ts; None without one."""
    match = PARTS.search(path.stem)
    if match is None:
        return None
    word = TEST_WORDS.get(match[1], "test")
    other = path.with_name(f"{path.stem[: match.start()]}{word}{path.stem[match.end() :]}{path.suffix}")
    return other if other.exists() else None


def training_file(folder: Path) -> Path | None:
    """The only training file with a partner in a folder, of the kind that says most; None without one.

    Raises: ConfigError if there are several.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    pairs = [path for path in files if partner(path) is not None and not _is_labels(path)]
    for suffixes in ((".ts",), (".npz", ".npy"), TABLES):
        found = [path for path in pairs if path.suffix.lower() in suffixes]
        if len(found) > 1:
            raise ConfigError(
                f"{folder} holds several training files: {', '.join(path.name for path in found[:8])}. Name one."
            )
        if found:
            return found[0]
    only = [path for path in files if not _is_labels(path)]
    return only[0] if len(only) == 1 else None


def _is_labels(path: Path) -> bool:
    return path.suffix == ".npy" and re.match(r"[yY](?![a-zA-Z])|.*labels", path.stem) is not None


def is_folder_of_classes(path: Path) -> bool:
    """Whether a folder holds folders."""
    with os.scandir(path) as entries:
        return any(entry.is_dir() and not entry.name.startswith(".") for entry in entries)


def holds_recordings(folder: Path) -> bool:
    """Whether the first file below a folder's folders is none that `FILE_READERS` reads: a recording of events then."""
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        first = next((name for name in sorted(files) if not name.startswith(".")), None)
        if first is not None and Path(place) != folder:
            return Path(first).suffix.lower() not in FILE_READERS
    return False


def read_samples(path: Path, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """All samples of a file or folder, checked, and the reading with everything that was inferred.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError if the path is missing, or does not hold what is read; ConfigError if something has to be said.
    """
    if not path.exists():
        raise DataFileError(f"{path} does not exist. Name a file or a folder of samples.")
    samples, found = _read(path, reading, labels)
    check_channels(path, samples)
    check_samples(path, samples)
    return samples, found


def _read(path: Path, reading: Reading, labels: str) -> tuple[Samples, Reading]:
    suffix = path.suffix.lower()
    if path.is_dir() and (labels == PER_STEP or (labels == UNREAD and not is_folder_of_classes(path))):
        return read_step_folder(path, reading, labels=labels)
    if path.is_dir() and labels in (PER_SAMPLE, OPTIONAL, UNREAD):
        return read_folder(path, reading)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; here one file is read. Name the file.")
    if suffix == ".ts":
        return read_ts(path, reading, labels=labels)
    if suffix in ARRAYS:
        return read_arrays(path, reading, labels=labels)
    if suffix not in TABLES:
        raise DataFileError(
            f"{path} has the suffix {suffix or '(none)'}, of which no reader is known. Known are {', '.join(SUFFIXES)}, "
            f"and folders of {', '.join(FILE_READERS)} or recordings of events."
        )
    table = read_table(path, header=reading.header)
    is_long = reading.kind == "long"
    if reading.kind not in ("long", "wide"):
        is_long = labels in (PER_STEP, NONE, UNREAD) or find_sample_column(table, reading) is not None
    return (read_long if is_long else read_wide)(table, reading, labels=labels)

"""A folder of recordings with a label a step: a table or an array a recording."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from longspike.data.own.arrays import read_arrays
from longspike.data.own.class_folder import check_rates, name_part
from longspike.data.own.long_table import read_long
from longspike.data.own.reading import Reading
from longspike.data.own.samples import NONE, UNREAD, Samples
from longspike.data.own.table import read_table
from longspike.errors import DataFileError

LABEL_ENDINGS = ("_labels", "_y")
"""Of the names of arrays of labels, beside those of values."""


def read_step_folder(folder: Path, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """The recordings of folder/<file>, tables with a row a step or .npy arrays (steps, channels), and what was inferred.

    A table has the labels in a column; beside walk.npy lies walk_labels.npy, or walk_y.npy.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError, also for files of several kinds, channels or paces; ConfigError.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    paths = [path for path in paths if path.suffix != ".npy" or not path.stem.endswith(LABEL_ENDINGS)]
    suffixes = sorted({path.suffix.lower() for path in paths})
    if len(suffixes) != 1 or suffixes[0] not in _READERS:
        raise DataFileError(
            f"{folder} must hold files of one kind, {', '.join(_READERS)}, a recording each; got "
            f"{', '.join(suffix or '(no suffix)' for suffix in suffixes) or 'no file'}. Take the others out."
        )
    parts, found = [], replace(reading, group=None, kind=None)
    for path in paths:
        samples, found = _READERS[suffixes[0]](path, found, labels)
        parts.append(samples)
    check_rates(paths, [part.steps_per_second for part in parts])
    _check_channels(paths, parts)
    return _joined(paths, parts, reading.group), replace(found, kind="folder", group=reading.group)


def _of_table(path: Path, reading: Reading, labels: str) -> tuple[Samples, Reading]:
    return read_long(read_table(path, header=reading.header), reading, labels=labels)


def _of_array(path: Path, reading: Reading, labels: str) -> tuple[Samples, Reading]:
    reading = replace(reading, values=None, label=None)
    samples, found = read_arrays(path, reading, labels=NONE if labels == UNREAD else labels)
    return samples, replace(found, label=None)


_READERS: dict[str, Callable[[Path, Reading, str], tuple[Samples, Reading]]] = {
    ".csv": _of_table,
    ".tsv": _of_table,
    ".txt": _of_table,
    ".npy": _of_array,
}


def _check_channels(paths: Sequence[Path], parts: Sequence[Samples]) -> None:
    for path, part in zip(paths, parts, strict=True):
        if part.channels != parts[0].channels:
            raise DataFileError(
                f"{path} has the channels {', '.join(part.channels[:8])}, and {paths[0].name} has "
                f"{', '.join(parts[0].channels[:8])}. Give every file the same."
            )


def _joined(paths: Sequence[Path], parts: Sequence[Samples], group: str | None) -> Samples:
    """The samples of all files, one after the other."""
    owners = [path for path, part in zip(paths, parts, strict=True) for _ in range(len(part))]
    are_labelled = all(part.step_labels is not None for part in parts)
    return Samples(
        values=[values for part in parts for values in part.values],
        places=tuple(path.name for path in owners),
        channels=parts[0].channels,
        step_labels=tuple(each for part in parts for each in part.step_labels or ()) if are_labelled else None,
        groups=None if group is None else tuple(name_part(path, group) for path in owners),
        steps_per_second=parts[0].steps_per_second,
        left_out=parts[0].left_out,
    )

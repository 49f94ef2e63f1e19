"""One folder per class, a file a sample: tables, arrays or sounds."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from longspike.data.files.class_folders import list_class_files, list_classes
from longspike.data.own.arrays import read_array
from longspike.data.own.long_table import read_long
from longspike.data.own.reading import Reading
from longspike.data.own.samples import OPTIONAL, UNREAD, Samples, as_channels, check_channels
from longspike.data.own.table import read_table
from longspike.data.sounds import UNIT, frames_of_sound
from longspike.errors import ConfigError, DataFileError
from longspike.events.audio import read_wav

SOUND = ".wav"
FRAME_S = 0.001
NAME_PARTS = re.compile(r"[_\-. ]+")


def read_folder(folder: Path, reading: Reading) -> tuple[Samples, Reading]:
    """The samples of folder/<class>/<file>, and the reading with what was inferred; the classes are the folders' names.

    Raises: DataFileError, also for files of several kinds, channels or sampling rates; ConfigError.
    """
    classes = list_classes(folder)
    paths, labels = list_class_files(folder, classes, kind="samples")
    suffixes = sorted({path.suffix.lower() for path in paths})
    if len(suffixes) > 1 or suffixes[0] not in FILE_READERS:
        raise DataFileError(
            f"{folder} must hold files of one kind, {', '.join(FILE_READERS)}; got {', '.join(suffixes) or 'no suffix'}. "
            "Take the others out."
        )
    if reading.frame is not None and suffixes[0] != SOUND:
        raise ConfigError(f"--frame has no effect on {suffixes[0]} files: it is about sounds. Leave it out.")
    samples, found = read_files(paths, reading)
    names = tuple(classes[k] for k in labels)
    return replace(samples, labels=names), replace(found, kind="folder")


def read_files(paths: Sequence[Path], reading: Reading) -> tuple[Samples, Reading]:
    """Files of one kind, each of them a sample."""
    parts, rates, found = [], [], reading
    for path in paths:
        values, names, rate, found = FILE_READERS[path.suffix.lower()](path, found)
        parts.append((values, names))
        rates.append(rate)
    check_rates(paths, rates, found.frame or 1)
    samples = Samples(
        values=[values for values, _ in parts],
        places=tuple(f"{path.parent.name}/{path.name}" for path in paths),
        channels=parts[0][1],
        unit=UNIT if paths[0].suffix.lower() == SOUND else 1.0,
        groups=None if reading.group is None else tuple(name_part(path, reading.group) for path in paths),
        steps_per_second=rates[0],
    )
    check_channels(paths[0].parent.parent, samples)
    return samples, found


def check_rates(paths: Sequence[Path], rates: Sequence[float | None], frame: int = 1) -> None:
    """Raise unless all files have one pace; `frame` samples of a sound are a step."""
    other = next((k for k, rate in enumerate(rates) if rate != rates[0]), None)
    if other is None:
        return
    unit, factor = ("Hz", frame) if paths[0].suffix.lower() == SOUND else ("steps a second", 1)
    told = ["no known number of" if rate is None else f"{rate * factor:g}" for rate in (rates[other], rates[0])]
    raise DataFileError(
        f"{paths[other]} has {told[0]} {unit}, and {paths[0].name} has {told[1]}. Bring all files to one rate."
    )


def name_part(path: Path, part: str) -> str:
    """The part of a file's name that says its group, from 1; parts are apart by _ - . or blanks.

    Raises: ConfigError if `part` is no number or the name has fewer parts.

    Example:
        >>> name_part(Path("walk/anna_walk-03.csv"), "1"), name_part(Path("anna_walk-03.csv"), "3")
        ('anna', '03')
    """
    parts = [text for text in NAME_PARTS.split(path.stem) if text]
    if not part.isdigit() or not 1 <= int(part) <= len(parts):
        raise ConfigError(
            f"--group {part}: of files it is the number of a part of their names; {path.name} has the parts "
            f"{', '.join(f'{k}: {text}' for k, text in enumerate(parts[:6], start=1))}."
        )
    return parts[int(part) - 1]


Sample = tuple[np.ndarray, tuple[str, ...], float | None, Reading]
"""Values (steps, channels), the channels' names, steps a second, and the reading with what was inferred."""


def _from_table(path: Path, reading: Reading) -> Sample:
    """A table with a row a step."""
    table = read_table(path, header=reading.header)
    labels = OPTIONAL if reading.values is None else UNREAD
    samples, found = read_long(table, replace(reading, sample=None, group=None, label=None), labels=labels)
    kept = replace(found, group=reading.group, kind=reading.kind)
    return samples.values[0], samples.channels, samples.steps_per_second, kept


def _from_array(path: Path, reading: Reading) -> Sample:
    values = as_channels(path, "the array", np.asarray(read_array(path)))
    values = values if values.dtype.name in ("uint8", "float32") else values.astype(np.float32)
    return values, tuple(f"channel {c + 1}" for c in range(values.shape[1])), None, reading


def usual_frame(rate_hz: int) -> int:
    """Sound values in a step where nobody says it: the largest power of two within a millisecond.

    Example:
        >>> usual_frame(8000), usual_frame(16000), usual_frame(44100)
        (8, 16, 32)
    """
    return 1 << max(int(rate_hz * FRAME_S), 1).bit_length() - 1


def _from_sound(path: Path, reading: Reading) -> Sample:
    """Sound, several channels averaged; `frame` of its values are a step, the last one filled up with silence."""
    values, rate_hz = read_wav(path)
    size = reading.frame or usual_frame(rate_hz)
    names = ("sound",) if size == 1 else tuple(f"sound {k + 1} of {size}" for k in range(size))
    return frames_of_sound(values, samples_per_step=size), names, rate_hz / size, replace(reading, frame=size)


FILE_READERS: dict[str, Callable[[Path, Reading], Sample]] = {
    ".csv": _from_table,
    ".tsv": _from_table,
    ".txt": _from_table,
    ".npy": _from_array,
    SOUND: _from_sound,
}
"""What reads a file that is one sample, by its suffix."""

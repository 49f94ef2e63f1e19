"""Other files and folders, read as the data was that a model was trained on."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from longspike._core.vocabulary import Vocabulary
from longspike.data.files.class_folders import list_class_files, list_classes
from longspike.data.own.arrays import read_array
from longspike.data.own.class_folder import FILE_READERS, SOUND, read_files
from longspike.data.own.description import OwnData
from longspike.data.own.kinds import ARRAYS, TABLES, is_folder_of_classes, read_samples
from longspike.data.own.loading import load_own, own_split, own_step_split
from longspike.data.own.parts import places
from longspike.data.own.reading import Reading
from longspike.data.own.samples import NONE, OPTIONAL, PER_SAMPLE, PER_STEP, UNREAD, VALUE, Samples, check_samples
from longspike.data.own.steps import FORECASTING, STEP_LABELS
from longspike.data.own.targets import REGRESSION
from longspike.data.own.texts import LANGUAGE, text_row
from longspike.data.ragged_splits import RaggedSplit
from longspike.data.recordings import RecordingReader, split_of_files
from longspike.data.sets.corpora import BYTES
from longspike.data.splits import Split
from longspike.errors import ConfigError, DataFileError

INDEX = re.compile(r"(.+):(\d+)")


def split_index(source: str) -> tuple[Path, int | None]:
    """The path in "PATH" or "PATH:INDEX", and the index.

    Example:
        >>> split_index("gestures.csv:3")
        (PosixPath('gestures.csv'), 3)
    """
    match = INDEX.fullmatch(source)
    if match is None or Path(source).exists():
        return Path(source), None
    return Path(match[1]), int(match[2])


def read_like(
    own: OwnData | None, path: Path, *, d_input: int, labels: str = OPTIONAL, samples_per_step: int | None = None
) -> Samples:
    """The samples of a file or folder, for a model that reads `d_input` values a step.

    Args:
        own: the data that the model was trained on, if it was own data: it says how files are read.
        samples_per_step: of sounds, if the model reads such; without it a step of one value is a sample of sound.
        labels: which are read, see `longspike.data.own.samples`; where they are optional, columns that say labels, samples
            or times may be missing.
    Raises: DataFileError, ConfigError, also for another number of values a step.
    """
    path = path.expanduser()
    if path.is_dir():
        takes_folder = own is not None and own.task == STEP_LABELS
        # of a pair of files, or of train/ and test/, those that were trained on
        path, _ = places(path, Reading(), takes_folder=takes_folder)
    if path.suffix.lower() == SOUND:
        samples_per_step = _samples_per_step(path, d_input, samples_per_step)
    is_like = own is not None and _fits(own.reading, path)
    reading = replace(own.reading, test=None) if own is not None and is_like else Reading(frame=samples_per_step)
    if labels == OPTIONAL or (reading.kind == "folder" and path.is_file()):
        reading = replace(reading, group=None)
    if labels == OPTIONAL:
        labels = UNREAD if own is not None and own.task in (STEP_LABELS, FORECASTING) else OPTIONAL
    is_asked = path.is_file() and labels != PER_STEP  # to be answered, one sample a file then
    is_one = is_asked and (reading.kind == "folder" or path.suffix.lower() == SOUND)
    if is_one:
        if path.suffix.lower() not in FILE_READERS:
            raise DataFileError(f"{path} is none of the files that the model reads: {', '.join(FILE_READERS)}.")
        samples, _ = read_files([path], reading)
        samples = replace(samples, places=("the file",))
        check_samples(path, samples)
    elif is_asked and path.suffix == ".npy" and (one := _one_array(path, d_input)) is not None:
        samples = one
    else:
        samples, _ = read_samples(path, reading, labels=labels)
    if len(samples.channels) != d_input:
        raise ConfigError(f"{path} has {len(samples.channels)} values a step, and the model reads {d_input}.")
    return samples


def _samples_per_step(path: Path, d_input: int, said: int | None) -> int:
    if said is None and d_input != 1:
        raise ConfigError(
            f"{path} is a sound, and the model takes {d_input} values a step; that those are of a sound it does not say "
            "(input_spec.samples_per_step). Save your features as .npy."
        )
    return said or 1


def _fits(reading: Reading, path: Path) -> bool:
    """Whether a file is of the kind that the reading is about; what it says of a folder is about the files in it."""
    suffixes = {"wide": TABLES, "long": TABLES, "arrays": ARRAYS, "ts": (".ts",)}.get(reading.kind or "")
    return suffixes is None or path.suffix.lower() in suffixes


def _one_array(path: Path, d_input: int) -> Samples | None:
    """An .npy file that holds one sample, (steps) or (steps, d_input); None if it holds several."""
    values = read_array(path)
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or values.size == 0:
        return None
    if values.ndim == 2 and (values.shape[1] != d_input or d_input == 1 < values.shape[0] == values.shape[1]):
        return None
    values = np.asarray(values, np.float32).reshape(len(values), -1)
    samples = Samples(
        values=[values], places=("the array",), channels=tuple(f"channel {c + 1}" for c in range(values.shape[1]))
    )
    check_samples(path, samples)
    return samples


def load_others(own: OwnData, path: Path, *, split: str, vocabulary: Vocabulary | None = None) -> tuple[Any, str]:
    """Labelled samples of `path` as a split, for a model trained on `own`, and which of them.

    Where `path` is what `own` describes it is the split asked for; a folder that is divided gives its test/ or its test
    file, or what is beside it. Anything else is taken whole.

    Args: vocabulary: of the model, by which texts are read; that of bytes if it has none.
    Returns: the split, and "test", "val", "train" or "all".
    Raises: DataFileError, ConfigError, also if a class is new to the model.
    """
    path = path.expanduser()
    if not path.exists():
        raise DataFileError(f"{path} does not exist. Name a file or a folder of samples.")
    if path.resolve() == Path(own.path):
        return getattr(load_own(own), split), split
    if own.task == LANGUAGE:
        return text_row(path, vocabulary or BYTES), "all"
    name, place = "all", path
    has_parts = path.is_dir() and ((path / "test").is_dir() or not is_folder_of_classes(path))
    if has_parts and split in ("train", "test"):
        file, test = places(path, replace(own.reading, test=None), takes_folder=own.task == STEP_LABELS)
        name, place = (split, test) if split == "test" and test is not None else ("train" if test else "all", file)
    return (_recordings(own, place) if own.has_events else _sequences(own, place)), name


def _sequences(own: OwnData, path: Path) -> Split | RaggedSplit:
    if own.task in (STEP_LABELS, FORECASTING):
        labels = PER_STEP if own.task == STEP_LABELS else NONE
        samples = read_like(own, path, d_input=own.d_input, labels=labels)
        _check_known(own, path, tuple({text for each in samples.step_labels or () for text in each if text}))
        return own_step_split(own, samples)
    if own.task == REGRESSION:
        return own_split(own, read_like(own, path, d_input=own.d_input, labels=VALUE))
    samples = read_like(own, path, d_input=own.d_input, labels=PER_SAMPLE)
    _check_known(own, path, samples.labels or ())
    return own_split(own, samples)


def _recordings(own: OwnData, path: Path) -> Any:
    names = list_classes(path)
    _check_known(own, path, names)
    paths, labels = list_class_files(path, names, kind="recordings")
    reading = own.reading
    reader = RecordingReader(
        sensor_size=own.sensor_size or (1, 1),
        format=reading.format,
        columns=reading.columns,
        time_unit=reading.time_unit,
    )
    numbers = np.array([own.class_names.index(name) for name in names], np.int64)
    return split_of_files(paths, numbers[labels], reader=reader)


def _check_known(own: OwnData, path: Path, labels: tuple[str, ...]) -> None:
    unknown = sorted(set(labels) - set(own.class_names))
    if unknown:
        raise ConfigError(
            f"{path} has the class {', '.join(map(repr, unknown[:4]))}, which the model does not know; its classes are "
            f"{', '.join(map(repr, own.class_names[:8]))}."
        )

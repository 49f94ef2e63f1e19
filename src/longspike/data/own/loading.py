"""Own data described, and loaded as a data set like any other."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from longspike._core.checks import check_choice
from longspike._core.normalisation import Factor
from longspike.data.bundle import DataBundle, EventBundle
from longspike.data.event_folder import event_folder
from longspike.data.own.description import OwnData
from longspike.data.own.kinds import holds_recordings
from longspike.data.own.parts import Parts, normalisation, read_parts
from longspike.data.own.reading import Reading
from longspike.data.own.samples import Samples
from longspike.data.own.steps import (
    FORECASTING,
    STEP_LABELS,
    Pieces,
    StepParts,
    cut,
    measured,
    read_step_parts,
    step_split,
)
from longspike.data.own.targets import REGRESSION, target_normalisation, target_numbers
from longspike.data.own.texts import LANGUAGE, read_text_parts
from longspike.data.ragged_splits import RaggedSplit, ragged_split
from longspike.data.sets.corpora import tokens_bundle
from longspike.data.splits import Split
from longspike.errors import ConfigError, DataFileError

TASKS = ("classification", REGRESSION, STEP_LABELS, FORECASTING, LANGUAGE)
PART_WORDS = re.compile(r"[_\-. ]*(?<![A-Za-z])train(?:ing)?(?![A-Za-z])", re.IGNORECASE)


def describe_data(
    path: str | os.PathLike[str],
    *,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    task: str = "classification",
) -> OwnData:
    """What a file or folder of labelled samples holds, how it is read and how it is divided.

    Known are tables (a row a sample, or a row a step), arrays of NumPy, .ts files of the archives of time series, and
    folders of classes that hold tables, arrays, sounds or recordings of events. What `reading` leaves open is inferred.

    Args:
        reading: what is said of the data.
        task: "classification", a label a sample; "regression", a number a sample; "step_labels", a label a step, in a long
            table or in arrays; "forecasting", a series without labels, of which the next values are learnt; "language", a
            text, of which the next byte, character or word is.
    Raises: DataFileError if files are missing, damaged, or cannot be trained on, with the place; ConfigError if something
        has to be said, with the option.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = "".join(f"{k % 3},{k % 5},{'up' if k % 2 else 'down'}\\n" for k in range(20))
        ...     _ = Path(folder, "own.csv").write_text("a,b,label\\n" + rows)
        ...     found = describe_data(Path(folder, "own.csv"))
        >>> found.class_names, found.longest, (found.num_train, found.num_val, found.num_test)
        (('down', 'up'), 2, (14, 2, 4))
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise DataFileError(f"{place} does not exist. Name a file or a folder of samples.")
    check_choice("describe_data", "task", task, TASKS)
    if task == LANGUAGE:
        return _describe_text(place, reading)
    if task in (STEP_LABELS, FORECASTING):
        return _describe_steps(place, reading, task)
    if task == REGRESSION:
        return _describe_numbers(place, reading)
    if reading.kind == "events" or (reading.kind is None and place.is_dir() and holds_recordings(place)):
        return _describe_events(place, reading)
    parts = read_parts(place, reading, task)
    return _described(place, task, parts, parts.class_names, _measured(parts))


def _measured(parts: Parts) -> tuple[Factor, Factor]:
    """Scale and shift, as measured on the samples to train on."""
    scale, shift = normalisation([parts.samples.values[int(k)] for k in parts.train], str(parts.reading.normalise))
    unit = parts.samples.unit
    if unit == 1.0 or parts.reading.normalise == "none":
        return scale, shift
    return (tuple(each / unit for each in scale) if isinstance(scale, tuple) else scale / unit), shift


def _describe_numbers(path: Path, reading: Reading) -> OwnData:
    parts = read_parts(path, reading, REGRESSION)
    scale, shift = target_normalisation(path, target_numbers(path, parts.samples)[parts.train])
    found = _described(path, REGRESSION, parts, parts.class_names, _measured(parts))
    return replace(found, target_scale=scale, target_shift=shift)


def _described(
    path: Path, task: str, parts: Parts | StepParts, names: tuple[str, ...], factors: tuple[Factor, Factor]
) -> OwnData:
    """What was found, in plain values."""
    lengths = np.concatenate([parts.samples.lengths, parts.test_samples.lengths])
    return OwnData(
        path=str(path.resolve()),
        name=_name(path),
        task=task,
        reading=parts.reading,
        class_names=names,
        channel_names=parts.samples.channels,
        num_train=len(parts.train),
        num_val=len(parts.val),
        num_test=len(parts.test),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        scale=factors[0],
        shift=factors[1],
        steps_per_second=parts.samples.steps_per_second,
        left_out=parts.samples.left_out,
    )


def load_own(own: OwnData) -> DataBundle | EventBundle:
    """The data set that `own` describes.

    Raises: DataFileError if the files are missing or damaged; ConfigError if they hold something else than was described.
    """
    if own.has_events:
        return _load_events(Path(own.path), own.reading, own)
    if own.task == LANGUAGE:
        return _load_text(own)
    if own.task in (STEP_LABELS, FORECASTING):
        return _load_steps(own)
    parts = read_parts(Path(own.path), own.reading, own.task)
    sizes = tuple(map(len, (parts.train, parts.val, parts.test)))
    _check_same(own, parts.class_names, len(parts.samples.channels), sizes)
    everything = own_split(own, parts.samples)
    tested = everything if parts.test_samples is parts.samples else own_split(own, parts.test_samples)
    return DataBundle(
        name=own.name,
        train=everything.select(torch.from_numpy(parts.train)),
        val=everything.select(torch.from_numpy(parts.val)),
        test=tested.select(torch.from_numpy(parts.test)),
        num_classes=len(own.class_names),
        d_input=own.d_input,
        class_names=own.class_names,
        source=own.source,
    )


def _check_same(own: OwnData, class_names: tuple[str, ...], d_input: int, sizes: tuple[int, ...]) -> None:
    """Raise if what is found is not what was described."""
    described = (own.class_names, own.d_input, (own.num_train, own.num_val, own.num_test))
    if (class_names, d_input, sizes) != described:
        raise ConfigError(
            f"{own.path} has changed since it was described: it had {_in_words(*described)}; now "
            f"{_in_words(class_names, d_input, sizes)}. Train anew in another folder, with --run-dir."
        )


def _describe_steps(path: Path, reading: Reading, task: str) -> OwnData:
    parts = read_step_parts(path, reading, task)
    return _described(path, task, parts, parts.names, measured(parts))


def _load_steps(own: OwnData) -> DataBundle:
    parts = read_step_parts(Path(own.path), own.reading, own.task)
    sizes = tuple(map(len, (parts.train, parts.val, parts.test)))
    _check_same(own, parts.names, len(parts.samples.channels), sizes)
    return DataBundle(
        name=own.name,
        train=own_step_split(own, parts.samples, parts.train),
        val=own_step_split(own, parts.samples, parts.val),
        test=own_step_split(own, parts.test_samples, parts.test),
        num_classes=own.num_classes,
        d_input=own.d_input,
        class_names=own.class_names,
        source=own.source,
    )


def _describe_text(path: Path, reading: Reading) -> OwnData:
    found = read_text_parts(path.resolve(), reading)
    return OwnData(
        path=str(path.resolve()),
        name=_name(path),
        task=LANGUAGE,
        reading=replace(
            found.reading,
            kind="text",
            test=None if found.test_file is None else str(found.test_file),
            normalise="none",
        ),
        class_names=(),
        num_train=found.sizes[0],
        num_val=found.sizes[1],
        num_test=found.sizes[2],
        num_tokens=found.vocabulary.size,
    )


def _load_text(own: OwnData) -> DataBundle:
    found = read_text_parts(Path(own.path), own.reading)
    _check_same(own, (), 0, found.sizes)
    return tokens_bundle(own.name, found.parts, found.vocabulary, source=own.source)


def own_step_split(own: OwnData, samples: Samples, pieces: Pieces | None = None) -> Split:
    """Pieces of samples with a target a step; all of them, in windows where time divides the data, if none are given."""
    pieces = cut(samples, own.reading.window) if pieces is None else pieces
    horizon = own.reading.horizon if own.task == FORECASTING else None
    return step_split(samples, pieces, names=own.class_names, horizon=horizon, scale=own.scale, shift=own.shift)


def own_split(own: OwnData, samples: Samples) -> Split | RaggedSplit:
    """Samples as a split: of one length as one array, which stays on the disk if it is mapped, else one behind another."""
    labels = _labels(own, samples)
    values, lengths = samples.values, samples.lengths
    if not isinstance(values, np.ndarray) and lengths.min() < lengths.max():
        dtype = values[0].dtype.name
        return ragged_split(values, labels, dtype=dtype, unit=samples.unit, scale=own.scale, shift=own.shift)
    stored = values if isinstance(values, np.ndarray) else np.stack(list(values))
    stored = stored if samples.unit == 1.0 else stored.astype(np.float32) * np.float32(samples.unit)
    return Split(
        values=torch.from_numpy(stored),
        lengths=torch.from_numpy(lengths),
        labels=labels,
        scale=own.scale,
        shift=own.shift,
        rows=torch.arange(len(samples)) if isinstance(stored, np.memmap) else None,
    )


def _labels(own: OwnData, samples: Samples) -> torch.Tensor:
    """Numbers of classes (samples,), or normalised numbers (samples, 1)."""
    if own.task == REGRESSION:
        numbers = target_numbers(Path(own.path), samples) * own.target_scale + own.target_shift
        return torch.from_numpy(numbers.astype(np.float32))[:, None]
    places = {name: k for k, name in enumerate(own.class_names)}
    return torch.tensor([places[label] for label in samples.labels or ()], dtype=torch.int64)


def _describe_events(path: Path, reading: Reading) -> OwnData:
    bundle = _load_events(path, reading)
    return OwnData(
        path=str(path.resolve()),
        name=bundle.name,
        reading=replace(reading, kind="events"),
        class_names=bundle.class_names,
        num_train=len(bundle.train),
        num_val=len(bundle.val),
        num_test=len(bundle.test),
        sensor_size=bundle.sensor_size,
    )


def _load_events(path: Path, reading: Reading, own: OwnData | None = None) -> EventBundle:
    return event_folder(
        path,
        sensor_size=own.sensor_size if own is not None else reading.sensor_size,
        format=reading.format,
        columns=reading.columns,
        time_unit=reading.time_unit,
        seed=reading.split_seed,
        name=_name(path),
    )


def _name(path: Path) -> str:
    """Of the data set: the file's name without suffix and without the word for its part."""
    path = path.resolve()
    stem = path.name if path.is_dir() else path.stem
    return PART_WORDS.sub("", stem).strip("_-. ") or path.parent.name


def _in_words(class_names: tuple[str, ...], d_input: int, sizes: tuple[int, ...]) -> str:
    return f"{len(class_names)} classes, {d_input} channels, {'/'.join(map(str, sizes))} samples"

"""Own data with a target for every step, its label or the values that come next: divided by samples or by time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from longspike._core.normalisation import Factor
from longspike.data.own.dividing import held_out, ordered_names
from longspike.data.own.kinds import read_samples
from longspike.data.own.parts import normalisation, places, usual_normalisation
from longspike.data.own.reading import Reading
from longspike.data.own.samples import NONE, PER_STEP, Samples
from longspike.data.splits import Split
from longspike.errors import DataFileError

STEP_LABELS, FORECASTING = "step_labels", "forecasting"
FEWEST_SAMPLES = 10
"""Below that, samples with labels a step are divided by time: the first part of each to train on, the last one to test."""
USUAL_WINDOW = 256
"""Steps of a piece of a series that is divided by time."""
Pieces = list[tuple[int, int, int]]
"""Sample, first step, end."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepParts:
    """What `read_step_parts` gives.

    Attributes:
        reading: with everything that was inferred. samples: of the file. test_samples: of the test file, or the same.
        train, val, test: the pieces of each part. names: of the classes, or of the values that are forecast.
    """

    reading: Reading
    samples: Samples
    test_samples: Samples
    train: Pieces
    val: Pieces
    test: Pieces
    names: tuple[str, ...]


def read_step_parts(path: Path, reading: Reading, task: str) -> StepParts:
    """The samples of a file, cut into pieces and divided; the same at every call.

    Args: task: `STEP_LABELS` or `FORECASTING`.
    Raises: DataFileError, ConfigError.
    """
    file, test_file = places(path, reading, takes_folder=task == STEP_LABELS)
    labels = PER_STEP if task == STEP_LABELS else NONE
    samples, found = read_samples(file, reading, labels=labels)
    tested = samples if test_file is None else read_samples(test_file, replace(found, test=None), labels=labels)[0]
    if task == FORECASTING:
        found = replace(found, horizon=found.horizon or 1)
        names = forecast_names(samples.channels, found.horizon or 1)
    else:
        names = ordered_names([label for each in samples.step_labels or () for label in set(each.tolist()) if label])
    if len(names) < (2 if task == STEP_LABELS else 1):
        raise DataFileError(f"{file} has one class, {names[0] if names else '(none)'!r}. Label steps of at least two.")
    is_by_time = (
        task == FORECASTING or (test_file is None and len(samples) < FEWEST_SAMPLES) or found.window is not None
    )
    if is_by_time:
        found = replace(found, window=found.window or _usual_window(samples))
        parts = _by_time(file, samples, found, has_test=test_file is not None)
    else:
        parts = _by_samples(file, samples, found, has_test=test_file is not None)
    if test_file is not None:
        parts = (*parts[:2], cut(tested, found.window))
    mode = reading.normalise or usual_normalisation(samples, found)
    return StepParts(
        reading=replace(found, test=None if test_file is None else str(test_file), normalise=mode),
        samples=samples,
        test_samples=tested,
        train=parts[0],
        val=parts[1],
        test=parts[2],
        names=names,
    )


def forecast_names(channels: Sequence[str], horizon: int) -> tuple[str, ...]:
    """The values that are forecast: every channel one step ahead, then two, and so on.

    Example:
        >>> forecast_names(("wind", "sun"), 2)
        ('wind +1', 'sun +1', 'wind +2', 'sun +2')
    """
    return tuple(f"{name} +{j + 1}" for j in range(horizon) for name in channels)


def _usual_window(samples: Samples) -> int:
    return int(min(USUAL_WINDOW, max(samples.lengths.max() // 20, 8)))


def _by_time(path: Path, samples: Samples, reading: Reading, *, has_test: bool) -> tuple[Pieces, Pieces, Pieces]:
    """The first steps of every sample to train on, then those for validation, then those for the test, cut into windows."""
    spans: tuple[Pieces, Pieces, Pieces] = ([], [], [])
    for k, length in enumerate(samples.lengths.tolist()):
        num_test = 0 if has_test else round(reading.test_share * length)
        num_val = round(reading.val_share * length)
        cuts = (0, length - num_test - num_val, length - num_test, length)
        for part, first, end in zip(spans, cuts[:-1], cuts[1:], strict=True):
            part += [(k, first, end)] if end > first else []
    parts = tuple(_windows(span, reading.window) for span in spans)
    if not parts[0] or not parts[1] or not (parts[2] or has_test):
        raise DataFileError(
            f"{path} has {int(samples.lengths.sum())} steps, too few to divide by time. Give more, or larger shares."
        )
    return parts  # type: ignore[return-value]


def cut(samples: Samples, window: int | None) -> Pieces:
    """All samples, in windows if there is a length of them."""
    return _windows([(k, 0, n) for k, n in enumerate(samples.lengths.tolist())], window)


def _windows(spans: Pieces, window: int | None) -> Pieces:
    if window is None:
        return spans
    return [(k, a, min(a + window, end)) for k, first, end in spans for a in range(first, end, window)]


def _by_samples(path: Path, samples: Samples, reading: Reading, *, has_test: bool) -> tuple[Pieces, Pieces, Pieces]:
    """Whole samples, drawn one by one or in groups."""
    rest, test, seed = np.arange(len(samples)), np.arange(0), reading.split_seed
    same = np.zeros(len(samples), np.int64)
    if not has_test:
        rest, test = held_out(path, same, samples.groups, share=reading.test_share, seed=seed, part="test")
    share = reading.val_share * len(samples) / len(rest)
    groups = None if samples.groups is None else [samples.groups[k] for k in rest]
    kept, val = held_out(path, same[rest], groups, share=share, seed=seed, part="val")
    lengths = samples.lengths.tolist()
    train, held, tested = ([(int(k), 0, lengths[k]) for k in part] for part in (rest[kept], rest[val], test))
    return train, held, tested


def measured(parts: StepParts) -> tuple[Factor, Factor]:
    """Scale and shift, as measured on the pieces to train on."""
    pieces = [np.asarray(parts.samples.values[k][a:b]) for k, a, b in parts.train]
    return normalisation(pieces, str(parts.reading.normalise))


def step_split(
    samples: Samples, pieces: Pieces, *, names: Sequence[str], horizon: int | None, scale: Factor, shift: Factor
) -> Split:
    """Pieces of samples as a split, padded with 0, with a target a step.

    A label is its place in `names`, -1 where a step has none. With a horizon it is what comes next within the same part,
    normalised:

        labels[b, t, j * channels + c] = x[b, t + 1 + j, c],  NaN beyond the end of the sample
    """
    longest, d_input = max(b - a for _, a, b in pieces), len(samples.channels)
    values = np.zeros((len(pieces), longest, d_input), np.float32)
    ends = _ends_of_parts(pieces)
    if horizon is None:
        targets = np.full((len(pieces), longest), -1, np.int64)
    else:
        targets = np.full((len(pieces), longest, horizon * d_input), np.nan, np.float32)
    numbers = {name: k for k, name in enumerate(names)} | {"": -1}
    for row, (k, a, b) in enumerate(pieces):
        values[row, : b - a] = samples.values[k][a:b]
        if horizon is None:
            targets[row, : b - a] = [numbers[label] for label in (samples.step_labels or ())[k][a:b]]
            continue
        for j in range(horizon):
            ahead = np.asarray(samples.values[k][a + 1 + j : min(b + 1 + j, ends[k])], np.float32)
            ahead = ahead * np.asarray(scale, np.float32) + np.asarray(shift, np.float32)
            targets[row, : len(ahead), j * d_input : (j + 1) * d_input] = ahead
    return Split(
        values=torch.from_numpy(values),
        lengths=torch.tensor([b - a for _, a, b in pieces]),
        labels=torch.from_numpy(targets),
        scale=scale,
        shift=shift,
    )


def _ends_of_parts(pieces: Pieces) -> dict[int, int]:
    """Where the part of each sample ends: what lies beyond belongs to another part."""
    ends: dict[int, int] = {}
    for k, _, b in pieces:
        ends[k] = max(ends.get(k, 0), b)
    return ends

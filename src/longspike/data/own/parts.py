"""Own data read and divided: the samples of every part, and what is measured on those to train on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from longspike._core.normalisation import Factor
from longspike.data.own.dividing import check_classes, held_out, ordered_names
from longspike.data.own.kinds import is_folder_of_classes, partner, read_samples, training_file
from longspike.data.own.reading import Reading
from longspike.data.own.samples import OPTIONAL, PER_SAMPLE, VALUE, Samples
from longspike.data.own.targets import REGRESSION, UNNAMED
from longspike.errors import ConfigError, DataFileError

FEWEST_NUMBERS = 5
MOST_CHANNELS = 256
"""Beyond that, channels are normalised together unless another is said."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parts:
    """What `read_parts` gives.

    Attributes:
        reading: with everything that was inferred.
        samples: those of the file, and those of the test file; the same twice without one.
        train, val, test: which of `samples` (train and val), and of the test file's (test).
        class_names: in the order of the labels; where numbers are learnt the name of what they are.
    """

    reading: Reading
    samples: Samples
    test_samples: Samples
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    class_names: tuple[str, ...]


def places(path: Path, reading: Reading, *, takes_folder: bool = False) -> tuple[Path, Path | None]:
    """The file or folder to train on, and that of the test samples if there is one: said, or lying beside it.

    A folder may hold train/ and test/, folders of classes; or a pair of files such as X_TRAIN.ts and X_TEST.ts.

    Args: takes_folder: whether a folder of files is data itself, a recording a file.
    Raises: ConfigError if a folder holds several files that could be meant.
    """
    path = path.resolve()
    said = None if reading.test is None else path.parent / reading.test
    if not path.is_dir():
        return path, said or partner(path)
    if (path / "train").is_dir() and (path / "test").is_dir():
        return path / "train", said or path / "test"
    if is_folder_of_classes(path):
        return path, said
    file = training_file(path)
    if file is None and takes_folder:
        return path, said
    if file is None:
        raise ConfigError(f"{path} holds neither folders of classes nor one file of samples. Name the file itself.")
    return file, said or partner(file)


def read_parts(path: Path, reading: Reading, task: str) -> Parts:
    """The samples of a file or folder, and how they are divided; the same at every call.

    Args: task: "classification", or `REGRESSION`.
    Raises: DataFileError, ConfigError.
    """
    file, test_file = places(path, reading)
    are_classes = task != REGRESSION
    given = PER_SAMPLE if are_classes else VALUE
    samples, found = read_samples(file, reading, labels=given)
    if test_file is not None and reading.test is None and not _has_labels(test_file, found):
        samples = replace(samples, left_out=(*samples.left_out, f"{test_file.name} (no labels)"))
        test_file = None
    labels = samples.labels or ()
    class_names = ordered_names(labels) if are_classes else (found.label or UNNAMED,)
    numbers = np.array([class_names.index(label) if are_classes else 0 for label in labels], np.int64)
    seed = reading.split_seed
    if test_file is None:
        _check_enough(file, labels, are_classes=are_classes)
        rest, test = held_out(file, numbers, samples.groups, share=reading.test_share, seed=seed, part="test")
        tested = samples
    else:
        if are_classes and len(class_names) < 2:
            check_classes(file, labels)
        tested, _ = read_samples(test_file, replace(found, test=None, group=None), labels=given)
        _check_alike(test_file, tested, samples, class_names if are_classes else None)
        rest, test = np.arange(len(samples)), np.arange(len(tested))
    share = reading.val_share * len(samples) / max(len(rest), 1)
    groups = None if samples.groups is None else [samples.groups[k] for k in rest]
    kept, val = held_out(file, numbers[rest], groups, share=share, seed=seed, part="val")
    mode = reading.normalise or usual_normalisation(samples, found)
    return Parts(
        reading=replace(found, test=None if test_file is None else str(test_file), normalise=mode),
        samples=samples,
        test_samples=tested,
        train=rest[kept],
        val=rest[val],
        test=test,
        class_names=class_names,
    )


def _check_enough(path: Path, labels: Sequence[str], *, are_classes: bool) -> None:
    """Raise unless samples can be divided into three parts."""
    if are_classes:
        check_classes(path, labels)
    elif len(labels) < FEWEST_NUMBERS:
        raise DataFileError(
            f"{path} has {len(labels)} sample(s); give at least {FEWEST_NUMBERS} to learn numbers from."
        )


def _has_labels(path: Path, found: Reading) -> bool:
    """Whether a test file that was found by its name has labels: those of competitions have none."""
    return read_samples(path, replace(found, test=None, group=None), labels=OPTIONAL)[0].labels is not None


def usual_normalisation(samples: Samples, reading: Reading) -> str:
    """ "channel", or "all" where there are very many channels or they are frames of one signal."""
    has_one_kind = len(samples.channels) > MOST_CHANNELS or (reading.frame or 1) > 1
    return "all" if has_one_kind else "channel"


def _check_alike(path: Path, tested: Samples, samples: Samples, class_names: tuple[str, ...] | None) -> None:
    """Raise unless the test samples have the channels, classes and pace of those to train on.

    Args: class_names: None where numbers are learnt.
    """
    if len(tested.channels) != len(samples.channels):
        raise DataFileError(
            f"{path} has {len(tested.channels)} channels, and the samples to train on have {len(samples.channels)}. Give "
            "both the same."
        )
    unknown = [] if class_names is None else sorted(set(tested.labels or ()) - set(class_names))
    if unknown and class_names is not None:
        raise DataFileError(
            f"{path} has the class {', '.join(map(repr, unknown[:4]))}, of which there is no sample to train on; its "
            f"classes are {', '.join(map(repr, class_names[:8]))}. Name the labels of both alike."
        )
    if tested.steps_per_second != samples.steps_per_second:
        raise DataFileError(
            f"{path} has {tested.steps_per_second} steps a second, and the samples to train on have "
            f"{samples.steps_per_second}. Bring both to one rate."
        )


def normalisation(values: Sequence[np.ndarray], mode: str) -> tuple[Factor, Factor]:
    """Scale and shift that bring the steps of samples (steps, channels) to mean 0 and standard deviation 1.

        scale = 1 / std,  shift = -mean / std,  std = 1 where it is 0

    Args: mode: "channel", every channel by itself; "all", all together; "none".

    Example:
        >>> normalisation([np.array([[1.0], [5.0]])], "channel")
        (0.5, -1.5)
    """
    if mode == "none":
        return 1.0, 0.0
    count = 0
    first = second = np.zeros(values[0].shape[1])
    centre = np.asarray(values[0][0], np.float64)  # keeps squares of large, nearly equal numbers exact
    for sample in values:
        centred = np.asarray(sample, np.float64) - centre
        first, second, count = (
            first + centred.sum(axis=0),
            second + np.square(centred).sum(axis=0),
            count + len(centred),
        )
    mean, square = first / count, second / count
    if mode == "all":
        total = (mean + centre).mean()
        spread = square + 2 * mean * (centre - total) + np.square(centre - total)
        mean, variance = np.array([total]), np.array([spread.mean()])
    else:
        mean, variance = mean + centre, square - np.square(mean)
    std = np.sqrt(np.maximum(variance, 0.0))
    std[std <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 1.0
    scale, shift = (1.0 / std).tolist(), (-mean / std).tolist()
    return (scale[0], shift[0]) if len(scale) == 1 else (tuple(scale), tuple(shift))

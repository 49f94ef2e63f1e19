"""The number of each sample, where numbers are learnt."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspike._core.mistakes import shown
from longspike.data.own.samples import Samples
from longspike.data.own.table import is_number
from longspike.errors import DataFileError

REGRESSION = "regression"
UNNAMED = "value"
"""What is learnt, where no column names it."""


def target_numbers(path: Path, samples: Samples) -> np.ndarray:
    """The labels of samples as numbers, (samples,), float64.

    Raises: DataFileError that names the first sample whose label is no finite number.
    """
    texts = samples.labels or ()
    numbers = np.array([float(text) if is_number(text) else np.nan for text in texts])
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        k = int(wrong[0])
        raise DataFileError(
            f"{path}, {samples.places[k]} has {shown(texts[k])} as what is to be learnt, which is no number. Repair it, "
            "take the sample out, or name another column with --label."
        )
    return numbers


def target_normalisation(path: Path, numbers: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Scale and shift that bring the numbers to train on to mean 0 and deviation 1.

    Raises: DataFileError if all are equal.

    Example:
        >>> target_normalisation(Path("own.csv"), [1.0, 5.0])
        (0.5, -1.5)
    """
    values = np.asarray(numbers, np.float64)
    std, mean = float(values.std()), float(values.mean())
    if not std > 1e-12 * max(1.0, abs(mean)):
        raise DataFileError(
            f"{path}: all samples to train on have the number {mean:g}, so there is nothing to learn. Name another column "
            "with --label."
        )
    return 1.0 / std, -mean / std

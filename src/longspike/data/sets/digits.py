"""The 8x8 digits that scikit-learn carries: sequences of 64 steps that need no download."""

from pathlib import Path

import numpy as np
import torch

from longspike._core.extras import require
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.holdout import divide
from longspike.data.splits import Split

SEQLEN = 64
NUM_CLASSES = 10
NUM_TEST, NUM_VAL = 360, 90
VALUE_MEAN, VALUE_STD = 4.884, 6.017
"""Over all 1,797 images, values 0 to 16."""
SOURCE = (
    "Optical recognition of handwritten digits (Alpaydin and Kaynak 1998, UCI repository, CC BY 4.0), the 1,797 images "
    "that scikit-learn carries; split 1,347/90/360 by this package."
)


def load_digits(root: Path | None = None) -> DataBundle:
    """Digits as sequences of 64 values in raster order; x = (value - 4.884) / 6.017 for value in 0 .. 16.

    The images are published here as one set, so this package draws the test set too: `hold_out` with its fixed seed,
    stratified, 360 for testing, then 90 of the rest for validation, which leaves 1,347.

    Args:
        root: accepted as by every loader of the registry; the images come with scikit-learn and no folder is read.
    Raises: MissingExtraError without scikit-learn.
    """
    datasets = require("sklearn.datasets", extra="data", purpose="The data set 'digits'")
    values, classes = datasets.load_digits(return_X_y=True)
    labels = torch.from_numpy(classes.astype(np.int64))
    everything = Split(
        values=torch.from_numpy(values.astype(np.uint8)).reshape(-1, SEQLEN, 1),
        lengths=torch.full((len(labels),), SEQLEN),
        labels=labels,
        scale=1.0 / VALUE_STD,
        shift=-VALUE_MEAN / VALUE_STD,
    )
    train, val, test = divide(labels, num_val=NUM_VAL, num_test=NUM_TEST)
    return DataBundle(
        name="digits",
        train=everything.select(train),
        val=everything.select(val),
        test=everything.select(test),
        num_classes=NUM_CLASSES,
        d_input=1,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=SOURCE,
    )


ENTRIES = {
    "digits": DatasetEntry(
        description="8x8 digits in raster order, embedded in scikit-learn; no download",
        seqlen=SEQLEN,
        d_input=1,
        num_classes=NUM_CLASSES,
        files="none; the package scikit-learn",
        load=load_digits,
        package="sklearn",
    )
}

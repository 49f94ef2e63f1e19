"""Made-up signals like an electrocardiogram, with the kind of beat at every step: a data set that needs no download."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.generators.signal_segments import CLASS_NAMES, RATE_HZ, draw_signal
from longspike.data.splits import Split

SHORTEST, LONGEST = 600, 1_000
"""Steps of a signal, 6 to 10 seconds."""
SIZES = {"train": 800, "val": 100, "test": 200}
SEED = 2024
NO_LABEL = -1
SOURCE = (
    "Made by this package (longspike.data.generators.signal_segments), no terms: beats of three kinds with noise and a "
    "wandering line; no heart was recorded."
)


@cache
def _split(part: str) -> Split:
    """A part, made once in a process."""
    count, number = SIZES[part], list(SIZES).index(part)
    values = torch.zeros(count, LONGEST, 1)
    labels = torch.full((count, LONGEST), NO_LABEL)
    lengths = torch.empty(count, dtype=torch.int64)
    for k in range(count):
        random = np.random.default_rng([SEED, number, k])
        lengths[k] = length = int(random.integers(SHORTEST, LONGEST, endpoint=True))
        signal = draw_signal(length, random)
        values[k, :length, 0], labels[k, :length] = torch.from_numpy(signal.values), torch.from_numpy(signal.labels)
    return Split(values=values, lengths=lengths, labels=labels)


def load_signal_segments(root: Path | None = None) -> DataBundle:
    """800 / 100 / 200 signals of 600 to 1,000 steps at 100 a second, and at every step "rest" or the kind of the beat.

    The signals are the same in every process; the first call makes them in about a second. Labels are (num_samples, 1000),
    -1 in the padding.

    Args: root: accepted as by every loader of the registry; no folder is read.
    """
    return DataBundle(
        name="signal-segments",
        train=_split("train"),
        val=_split("val"),
        test=_split("test"),
        num_classes=len(CLASS_NAMES),
        d_input=1,
        class_names=CLASS_NAMES,
        source=SOURCE,
        steps_per_second=float(RATE_HZ),
    )


ENTRIES = {
    "signal-segments": DatasetEntry(
        description="made-up heartbeats of three kinds, a label for every step; no download",
        seqlen=LONGEST,
        d_input=1,
        num_classes=len(CLASS_NAMES),
        files="none; made by longspike",
        load=load_signal_segments,
        package="longspike",
    )
}

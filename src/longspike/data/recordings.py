"""Splits made of recordings, one file a sample."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike.data.bundle import EventBundle
from longspike.data.event_splits import AnyEventSplit, LazyEventSplit
from longspike.data.holdout import HOLDOUT_SEED, SHARE, divide
from longspike.events import read

IN_MEMORY_BYTES = 1 << 29
"""A published split whose files are no larger together is read at once, a larger one sample by sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingReader:
    """Reads the events of one file by `longspike.events.read`: the reader of a `LazyEventSplit`.

    Args:
        sensor_size: (width, height); what a file says of its own must agree.
        format: one of `longspike.events.FORMATS`; None tells it from the content.
        on_error, columns, time_unit: as for `longspike.events.read`.
    """

    sensor_size: tuple[int, int]
    format: str | None = None
    on_error: str = "raise"
    columns: str | Sequence[str] | None = None
    time_unit: str | None = None

    def __call__(self, path: Path) -> np.ndarray:
        """The events, EVENT_DTYPE, in the order of time."""
        return read(
            path,
            format=self.format,
            sensor_size=self.sensor_size,
            on_error=self.on_error,
            columns=self.columns,
            time_unit=self.time_unit,
        ).events


def split_of_files(paths: Sequence[Path], labels: np.ndarray | Tensor, *, reader: RecordingReader) -> LazyEventSplit:
    """The split whose samples are these files, read on demand."""
    return LazyEventSplit(
        sources=tuple(paths), labels=torch.as_tensor(labels), sensor_size=reader.sensor_size, reader=reader
    )


def in_memory_if_small(split: LazyEventSplit) -> AnyEventSplit:
    """The split read into memory if its files (the sources) hold at most `IN_MEMORY_BYTES` together, else as it is."""
    num_bytes = 0
    for path in split.sources:
        num_bytes += os.stat(path).st_size
        if num_bytes > IN_MEMORY_BYTES:
            return split
    return split.in_memory()


def divided_bundle(
    name: str, split: LazyEventSplit, *, class_names: tuple[str, ...], source: str, seed: int = HOLDOUT_SEED
) -> EventBundle:
    """The data set of a split that is published whole: a tenth each for test and validation, stratified (see `divide`).

    Args:
        source: origin and terms; the division is added to it.
        seed: of the division.
    """
    num_held_out = max(1, len(split) // SHARE)
    train, val, test = divide(split.labels, num_val=num_held_out, num_test=num_held_out, seed=seed)
    sizes = f"{len(train):,}/{len(val):,}/{len(test):,}"
    return EventBundle(
        name=name,
        train=split.select(train),
        val=split.select(val),
        test=split.select(test),
        num_classes=len(class_names),
        sensor_size=split.sensor_size,
        class_names=class_names,
        source=f"{source}; published without a division: split {sizes} by this package (seed {seed}, stratified).",
    )

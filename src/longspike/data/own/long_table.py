"""A table with a step in every row, and a column that says which sample it belongs to."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longspike.data.own.column_names import SAMPLE_ENDINGS, SAMPLES, TIMES, plain_name
from longspike.data.own.reading import Reading
from longspike.data.own.samples import LENIENT, NONE, PER_STEP, UNREAD, Samples
from longspike.data.own.table import Table, is_number
from longspike.data.own.wide_table import find_label
from longspike.errors import DataFileError

EVEN = 0.01
"""Of a step of time, by which steps that are even may differ."""


def find_sample_column(table: Table, reading: Reading, *, is_needed: bool = True) -> int | None:
    """The column that says which sample a row belongs to: the one that is said, or one known by its name whose texts repeat.

    Raises: ConfigError if the one that is said is missing and needed.
    """
    if reading.sample is not None:
        return table.column(reading.sample, "sample") if is_needed or reading.sample in table.header else None
    names = [plain_name(name) for name in table.header] if table.has_header else []
    known = [k for k, name in enumerate(names) if name in SAMPLES]
    known = known or [k for k, name in enumerate(names) if name.endswith(SAMPLE_ENDINGS)]
    repeated = [k for k in known if len({row[k] for row in table.rows}) < len(table.rows)]
    return repeated[0] if len(repeated) == 1 else None


def _find_time(table: Table, said: str | None, taken: Sequence[int], *, is_needed: bool) -> int | None:
    if said is not None:
        return table.column(said, "time") if is_needed or said in table.header else None
    found = [k for k, name in enumerate(table.header) if k not in taken and plain_name(name) in TIMES]
    return found[0] if len(found) == 1 else None


def read_long(table: Table, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """The samples of a table with a row a step, and the reading with what was inferred.

    Samples are in the order in which they first occur. The rows of one are put in the order of the column of time, where
    there is one; time itself is no input, so steps are taken to be equally far apart.

    Args: labels: which are read, see `longspike.data.own.samples`; where they are optional, other columns than the values
        may be missing too.
    Raises: DataFileError, also for a sample with two labels; ConfigError.
    """
    is_needed = labels not in LENIENT
    sample = find_sample_column(table, reading, is_needed=is_needed)
    group = None if reading.group is None else table.column(reading.group, "group")
    taken = [k for k in (sample, group) if k is not None]
    time = _find_time(table, reading.time, taken, is_needed=is_needed)
    taken += [] if time is None else [time]
    label = None if labels in (NONE, UNREAD) else find_label(table, reading.label, taken, labels=labels)
    taken += [] if label is None else [label]
    columns = table.value_columns(reading.values, taken)
    names, owner = _owners(table, sample)
    order = _order(table, owner, time)
    starts = np.searchsorted(owner[order], np.arange(len(names) + 1))
    numbers = np.stack([table.numbers(k) for k in columns], axis=1)[order].astype(np.float32)
    spans = list(itertools.pairwise(starts))
    samples = Samples(
        values=[numbers[a:b] for a, b in spans],
        places=tuple(f"sample {name!r}" for name in names),
        channels=tuple(table.header[k] for k in columns),
        labels=None if label is None or labels == PER_STEP else _one_each(table, label, order, spans, names),
        step_labels=None if label is None or labels != PER_STEP else _each_step(table, label, order, spans),
        groups=None if group is None else _one_each(table, group, order, spans, names),
        steps_per_second=_pace(table, time, order, spans),
        left_out=table.others([*taken, *columns]),
    )
    found = replace(
        reading,
        kind="long",
        header="yes" if table.has_header else "no",
        label=reading.label if label is None else table.header[label],
        sample=None if sample is None else table.header[sample],
        time=None if time is None else table.header[time],
        values=samples.channels,
    )
    return samples, found


def _owners(table: Table, sample: int | None) -> tuple[list[str], np.ndarray]:
    """The samples' names in the order in which they first occur, and the number of each row's sample."""
    if sample is None:
        return ["1"], np.zeros(len(table.rows), np.int64)
    cells = table.texts(sample)
    places = {name: k for k, name in enumerate(dict.fromkeys(cells))}
    return list(places), np.array([places[cell] for cell in cells], np.int64)


def _order(table: Table, owner: np.ndarray, time: int | None) -> np.ndarray:
    """The rows sample by sample, in each by time; rows of one time as they stand."""
    if time is None:
        return np.argsort(owner, kind="stable")
    cells = table.texts(time)
    if all(map(is_number, cells)):
        return np.lexsort((np.arange(len(cells)), np.array(cells, np.float64), owner))
    ranks = {cell: k for k, cell in enumerate(sorted(set(cells)))}  # dates, written so that their texts are in order
    return np.lexsort((np.arange(len(cells)), np.array([ranks[cell] for cell in cells]), owner))


def _one_each(
    table: Table, column: int, order: np.ndarray, spans: Sequence[tuple[int, int]], names: Sequence[str]
) -> tuple[str, ...]:
    """The one text that each sample has in a column."""
    cells = np.array(table.texts(column), dtype=object)[order]
    for (a, b), name in zip(spans, names, strict=True):
        others = np.flatnonzero(cells[a:b] != cells[a])
        if len(others):
            row = int(order[a + others[0]])
            raise DataFileError(
                f"{table.path}, line {table.lines[row]}: sample {name!r} has {cells[a + others[0]]!r} in the column "
                f"{table.header[column]!r}, and {cells[a]!r} before. Give a sample one; a label a step is `longspike train "
                "label`."
            )
    return tuple(cells[a] for a, _ in spans)


def _each_step(
    table: Table, column: int, order: np.ndarray, spans: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, ...]:
    """The texts that the steps of each sample have in a column; they may be empty."""
    cells = np.array([row[column] for row in table.rows], dtype=object)[order]
    return tuple(cells[a:b] for a, b in spans)


def _pace(table: Table, time: int | None, order: np.ndarray, spans: Sequence[tuple[int, int]]) -> float | None:
    """Steps a second where the column of time is in seconds by its name, and even."""
    if time is None or plain_name(table.header[time]) not in ("time_s", "seconds"):
        return None
    seconds = table.numbers(time)[order]
    gaps = np.concatenate([np.diff(seconds[a:b]) for a, b in spans])
    if not len(gaps) or not gaps.min() > 0 or np.ptp(gaps) > EVEN * gaps.mean():
        return None
    return float(1.0 / gaps.mean())

"""A table with a sample in every row: its values step by step, and its label in a column."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longspike.data.own.column_names import LABELS, SAMPLES, SHORT_LABELS, plain_name
from longspike.data.own.reading import Reading
from longspike.data.own.samples import LENIENT, NONE, PER_STEP, UNREAD, VALUE, Samples
from longspike.data.own.table import Table
from longspike.errors import ConfigError, DataFileError

MISSING = ("", "nan", "?")
"""Cells at the end of a row that say that the sample is shorter."""
MOST_CLASSES = 100


def find_label(table: Table, said: str | None, taken: Sequence[int], *, labels: str) -> int | None:
    """The column of the labels: the one that is said, or known by its name; of classes also the only one that holds texts.

    A table without a header may have classes, whole numbers of few kinds, in its first or in its last column.

    Args: taken: columns that are something else. labels: which are read, see `longspike.data.own.samples`.
    Raises: ConfigError if none or several could be it, and there must be one.
    """
    is_needed, are_classes = labels not in LENIENT, labels != VALUE
    if said is not None:
        try:
            return table.column(said, "label")
        except ConfigError:
            if is_needed:
                raise
            return None
    free = [k for k in range(len(table.header)) if k not in taken]
    ways = [
        [k for k in free if plain_name(table.header[k]) in LABELS],
        [k for k in free if are_classes and not table.is_numeric(k)],
        [k for k in free if plain_name(table.header[k]) in SHORT_LABELS],
        []
        if table.has_header or not are_classes
        else [k for k in (0, len(table.header) - 1) if k in free and _are_classes(table, k)],
    ]
    found = next((columns for columns in ways if columns), [])
    if len(found) == 1 or not is_needed:
        return found[0] if len(found) == 1 else None
    what = f"several columns could be it ({', '.join(repr(table.header[k]) for k in found[:6])})" if found else ""
    raise ConfigError(
        f"{table.path} does not tell which column is the label: {what or 'none is named so'}. Name it with --label; there "
        f"are {table.columns_in_words()}."
    )


def _are_classes(table: Table, column: int) -> bool:
    """Whether a column holds whole numbers of few kinds, each of them more than once on average."""
    if not table.is_numeric(column) or "" in (cells := [row[column] for row in table.rows]):
        return False
    kinds = {float(cell) for cell in cells}
    return all(kind.is_integer() for kind in kinds) and len(kinds) <= min(MOST_CLASSES, max(len(cells) // 2, 1))


def read_wide(table: Table, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """The samples of a table, a row each, and the reading with what was inferred.

        x[step, channel] = row[step * channels + channel]

    Empty cells, NaN and ? at the end of a row are no steps: such a sample is shorter.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError, ConfigError.
    """
    if labels == PER_STEP:
        raise ConfigError(
            f"{table.path} is read as a table with a row a sample, which has no label a step. Name the column that says "
            "which sample a row belongs to with --sample, or say --kind long."
        )
    group = None if reading.group is None else table.column(reading.group, "group")
    named = [k for k, name in enumerate(table.header) if plain_name(name) in SAMPLES]
    aside = [k for k in (group, *named) if k is not None]
    label = None if labels in (NONE, UNREAD) else find_label(table, reading.label, aside, labels=labels)
    columns = table.value_columns(reading.values, [*aside, *([] if label is None else [label])])
    size = reading.channels or 1
    values = [_row(table, k, columns, size) for k in range(len(table.rows))]
    samples = Samples(
        values=values,
        places=tuple(f"line {line}" for line in table.lines),
        channels=tuple(f"channel {c + 1}" for c in range(size)),
        labels=None if label is None else tuple(table.texts(label)),
        groups=None if group is None else tuple(table.texts(group)),
        left_out=table.others([*columns, *([] if label is None else [label]), *([] if group is None else [group])]),
    )
    found = replace(
        reading,
        kind="wide",
        header="yes" if table.has_header else "no",
        label=reading.label if label is None else table.header[label],
        values=tuple(table.header[k] for k in columns),
        channels=size,
    )
    return samples, found


def _row(table: Table, k: int, columns: Sequence[int], size: int) -> np.ndarray:
    """One sample (steps, channels), float32."""
    cells = [table.rows[k][column] for column in columns]
    while cells and cells[-1].lower() in MISSING:
        cells.pop()
    if len(cells) % size:
        raise DataFileError(
            f"{table.path}, line {table.lines[k]} has {len(cells)} values, which {size} channels do not divide. Say "
            "another number with --channels."
        )
    numbers = table.parsed(cells, lambda j: (table.lines[k], columns[j]))
    return numbers.astype(np.float32).reshape(-1, size)

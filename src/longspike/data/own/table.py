"""A table in a text file: CSV with commas, semicolons, tabs or blanks, with or without a header."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longspike._core.limits import LARGEST_TABLE_BYTES, LARGEST_TABLE_CELL
from longspike._core.mistakes import did_you_mean, shown
from longspike.data.own.column_names import INDICES, KNOWN, plain_name
from longspike.errors import ConfigError, DataFileError

DELIMITERS = (",", ";", "\t")
COMMENT = "#"
LONGEST_NAME = 20
"""Characters of a column's name in a message."""


def is_number(cell: str) -> bool:
    """Whether a cell is a number, NaN and infinity among them."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Cells of text.

    Attributes:
        path: the file. header: the columns' names; their numbers from 1 where the file has none.
        has_header: whether it has. rows: (columns) cells each. lines: of each row in the file, from 1.
    """

    path: Path
    header: tuple[str, ...]
    has_header: bool
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def column(self, name: str, option: str) -> int:
        """The place of the column that `option` names, by its header or its number from 1.

        Raises: ConfigError if there is none.
        """
        if name in self.header:
            return self.header.index(name)
        if name.isdigit() and 1 <= int(name) <= len(self.header):
            return int(name) - 1
        raise ConfigError(
            f"--{option} {name}: {self.path} has no such column.{did_you_mean(name, self.header)} It has "
            f"{self.columns_in_words()}."
        )

    def columns(self, names: Sequence[str], option: str) -> list[int]:
        """The places of several columns; in a table without a header that has as many, all of them in their order."""
        if not self.has_header and len(names) == len(self.header):
            return list(range(len(names)))
        return [self.column(name, option) for name in names]

    def value_columns(self, said: Sequence[str] | None, taken: Sequence[int]) -> list[int]:
        """The places of the values: the columns that are said, or all of numbers that are not taken and number no rows.

        Raises: ConfigError if one that is said is missing; DataFileError if there is none.
        """
        if said is not None:
            return self.columns(said, "values")
        free = (k for k in range(len(self.header)) if k not in taken)
        columns = [k for k in free if self.is_numeric(k) and not self.is_index(k)]
        if not columns:
            raise DataFileError(
                f"{self.path} has no column of numbers for the values; it has {self.columns_in_words()}. Name them with "
                "--values."
            )
        return columns

    def columns_in_words(self) -> str:
        """The names, as many as are read easily."""
        names = [repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...") for name in self.header]
        shown_names = names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]
        return f"the {len(names)} column(s) {', '.join(shown_names)}"

    def others(self, used: Sequence[int]) -> tuple[str, ...]:
        """The names of the columns that are not used."""
        return tuple(name for k, name in enumerate(self.header) if k not in used)

    def texts(self, column: int) -> list[str]:
        """The cells of a column.

        Raises: DataFileError if one is empty.
        """
        cells = [row[column] for row in self.rows]
        if "" in cells:
            raise DataFileError(
                f"{self.path}, line {self.lines[cells.index('')]}: the column {self.header[column]!r} is empty. Fill it, "
                "or take the line out."
            )
        return cells

    def numbers(self, column: int) -> np.ndarray:
        """The cells of a column as float64.

        Raises: DataFileError that names the line of a cell that is no number.
        """
        return self.parsed(self.texts(column), lambda k: (self.lines[k], column))

    def parsed(self, cells: Sequence[str], place: Callable[[int], tuple[int, int]]) -> np.ndarray:
        """Cells as float64; `place` gives line and column of cell k, for the message.

        Raises: DataFileError for a cell that is no number.
        """
        try:
            return np.array(cells, dtype=np.float64) if len(cells) else np.empty(0)
        except ValueError:
            k = next(k for k, cell in enumerate(cells) if not is_number(cell))
        line, column = place(k)
        remedy = "Write decimals with a point." if is_number(cells[k].replace(",", ".")) else ""
        what = f"{shown(cells[k])} is not a number" if cells[k] else "there is no number"
        raise DataFileError(
            f"{self.path}, line {line}, column {self.header[column]!r}: {what}. "
            f"{remedy or 'Fill the gap, or name the columns that hold numbers with --values.'}"
        )

    def is_index(self, column: int) -> bool:
        """Whether a column does no more than number the rows, as tools for tables write it before the others."""
        if plain_name(self.header[column]) not in INDICES or not self.has_header:
            return False
        first = self.rows[0][column]
        return first.isdigit() and [row[column] for row in self.rows] == [
            str(int(first) + k) for k in range(len(self.rows))
        ]

    def is_numeric(self, column: int) -> bool:
        """Whether at least half of the column's cells that are not empty are numbers: then the others are mistakes."""
        cells = [row[column] for row in self.rows if row[column]]
        return 2 * sum(map(is_number, cells)) >= len(cells)


def read_text(path: Path) -> str:
    """The text of a file, which must be UTF-8.

    Raises: DataFileError if it is missing, too large or something else, with the first byte that is wrong.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_TABLE_BYTES:
            raise DataFileError(
                f"{path} has {size:,} bytes, and a text that is read whole may have {LARGEST_TABLE_BYTES:,}. Save the "
                "numbers as .npy, which is read from the disk as it is needed."
            )
        content = path.read_bytes()
    except OSError as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"{path} cannot be read ({error.strerror}). Check the path and its rights.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"{path} must be text in UTF-8; byte {error.start} is not. Save it as UTF-8, or name a file of text."
        ) from None


def read_table(path: Path, *, header: str | None = None) -> Table:
    """The table in a file; lines that are empty or begin with # are passed over.

    The delimiter is the one of `DELIMITERS` that parts the first line into most cells; blanks, where none does. The first
    line is a header if it holds no number, or a name that is known, or a text above a column of numbers.

    Args: header: "yes" or "no"; None tells it from the cells.
    Raises: DataFileError if there is no row, or a row has another number of cells than the first one.
    """
    cells = list(_cells(path, read_text(path)))
    if not cells:
        raise DataFileError(f"{path} is empty. Give it a line a row.")
    width = len(cells[0][1])
    for line, row in cells:
        if len(row) != width:
            raise DataFileError(
                f"{path}, line {line} has {len(row)} cells, and line {cells[0][0]} has {width}. Give every line as many; "
                "cells may be empty at the end of a shorter sample."
            )
    rows = [row for _, row in cells]
    has_header = header == "yes" if header else _has_header(rows)
    first = 1 if has_header else 0
    if len(rows) == first:
        raise DataFileError(f"{path} holds a header and no row. Give it a line a row.")
    names = tuple(rows[0]) if has_header else tuple(str(k + 1) for k in range(width))
    if has_header and len(set(names)) < width:
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataFileError(f"{path} has two columns {twice!r}. Give every column a name of its own.")
    return Table(
        path=path, header=names, has_header=has_header, rows=rows[first:], lines=[line for line, _ in cells[first:]]
    )


def _cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each line and its cells."""
    lines = [(k, line) for k, line in enumerate(io.StringIO(text), start=1) if line.strip() and line[0] != COMMENT]
    if not lines:
        return
    before = csv.field_size_limit(LARGEST_TABLE_CELL)
    try:
        counts = {mark: len(next(csv.reader([lines[0][1]], delimiter=mark))) for mark in DELIMITERS}
        best = max(counts, key=lambda mark: counts[mark])
        has_blanks = counts[best] == 1
        texts = (" ".join(line.split()) if has_blanks else line for _, line in lines)
        reader = csv.reader(texts, delimiter=" " if has_blanks else best, skipinitialspace=True, strict=True)
        for (number, _), row in zip(lines, reader, strict=True):
            yield number, [cell.strip() for cell in row]
    except (csv.Error, ValueError) as error:
        raise DataFileError(
            f"{path} cannot be read as a table ({error}). Is a quotation mark not closed, or a text over several lines?"
        ) from None
    finally:
        csv.field_size_limit(before)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    texts = [k for k, cell in enumerate(first) if cell not in ("", "?") and not is_number(cell)]
    if not any(map(is_number, first)) or any(plain_name(first[k]) in KNOWN for k in texts):
        return True
    return any(all(is_number(row[k]) for row in rows[1:]) for k in texts) and len(rows) > 1

"""Errors in the unit of the data, as rows for a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longspike.tasks import ColumnErrors

MOST_COLUMNS = 8


def column_rows(columns: "Sequence[ColumnErrors]") -> list[tuple[str, str, str]]:
    """Name, errors, and what to compare them with; of many columns the first ones."""
    rows = [each.texts for each in columns[:MOST_COLUMNS]]
    more = len(columns) - MOST_COLUMNS
    return [*rows, ("...", f"{more} more columns", "all are told with --json")] if more > 0 else rows

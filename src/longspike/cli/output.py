"""Where output goes: results to stdout, progress and errors to stderr."""

import json
import sys
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_line(text: str = "") -> None:
    """A line of a result on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A remark on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(rows: list[tuple[str, ...]], *, indent: int = 0) -> str:
    """Rows of text in aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(" " * indent + line for line in lines)

"""Training curves from the metrics.csv files of a run folder."""

import csv
import math
import re
from pathlib import Path

Curve = tuple[list[int], list[float]]
"""Optimiser steps and values."""

COLUMN = re.compile(r"(train|val)[/_](\w+)")


def _number(text: str | None) -> float | None:
    """A finite number, or None for an empty or damaged cell."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _version(path: Path) -> tuple[int, str]:
    """version_2 comes before version_10."""
    number = re.search(r"(\d+)$", path.parent.name)
    return (int(number[1]) if number else -1, str(path))


def read_curves(run: Path) -> dict[tuple[str, str], Curve]:
    """(quantity, split) -> values against optimiser steps, as Lightning's CSVLogger wrote them below run/logs.

    Quantities are "loss", "rate" and whatever else was logged, splits "train" and "val". A resumed run has several files;
    where they overlap the newest one counts. Cells and columns that are missing, empty or not numbers are left out;
    without a file the answer is empty.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for path in sorted((run / "logs").glob("**/metrics.csv"), key=_version):
        with open(path, newline="", encoding="utf-8", errors="replace") as stream:
            for row in csv.DictReader(stream):
                step = _number(row.get("step"))
                for name, text in row.items():
                    match, value = COLUMN.fullmatch(name or ""), _number(text if isinstance(text, str) else None)
                    if match and step is not None and value is not None:
                        found.setdefault((match[2], match[1]), {})[int(step)] = value
    return {key: (sorted(values), [values[step] for step in sorted(values)]) for key, values in found.items()}

"""Files of the archives of time series (.ts, as aeon, sktime and timeseriesclassification.com have them)."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from longspike._core.mistakes import shown
from longspike.data.own.reading import Reading
from longspike.data.own.samples import OPTIONAL, PER_SAMPLE, PER_STEP, VALUE, Samples
from longspike.data.own.table import is_number, read_text
from longspike.errors import DataFileError

MISSING = "?"


def read_ts(path: Path, reading: Reading, *, labels: str) -> tuple[Samples, Reading]:
    """The samples of a .ts file: a line each, the channels apart by colons, their steps by commas, then class or number.

        @classLabel true walk run
        @data
        0.1,0.2,0.3:1.5,1.4,1.1:walk

    Samples may be of different lengths; the channels of one may not. A ? at the end of all channels is no step.

    Args: labels: which are read, see `longspike.data.own.samples`.
    Raises: DataFileError with the line.
    """
    header, lines = _parts(path, read_text(path))
    has_classes, has_values = (_is_true(header, name) for name in ("classlabel", "targetlabel"))
    if labels == PER_STEP:
        raise DataFileError(f"{path} has no label a step. Give a table with a row a step, or an .npz file.")
    if labels == PER_SAMPLE and not has_classes:
        what = "numbers to learn (@targetLabel)" if has_values else "no classes (@classLabel true)"
        remedy = "Learn them with `longspike train regress`" if has_values else "Give a file with a class for each line"
        raise DataFileError(f"{path} holds {what}. {remedy}.")
    if labels == VALUE and not has_values:
        what = "classes" if has_classes else "no number a line"
        raise DataFileError(f"{path} holds {what}, not @targetLabel true. Give a file with a number for each line.")
    if _is_true(header, "timestamps"):
        raise DataFileError(
            f"{path} has a time stamp with every value (@timeStamps true), which is not read. Save the values alone, "
            "equally far apart."
        )
    values, ends = [], []
    for number, line in lines:
        *channels, last = line.split(":") if has_classes or has_values else [*line.split(":"), ""]
        values.append(_sample(path, number, channels))
        ends.append(last.strip())
    known = header.get("classlabel", "").split()[1:]
    for (number, _), label in zip(lines, ends, strict=True):
        if has_classes and known and label not in known:
            raise DataFileError(f"{path}, line {number}: the class {shown(label)} is none of {', '.join(known[:20])}.")
    samples = Samples(
        values=values,
        places=tuple(f"line {number}" for number, _ in lines),
        channels=tuple(f"channel {c + 1}" for c in range(values[0].shape[1] if values else 1)),
        labels=tuple(ends) if has_classes or (has_values and labels in (VALUE, OPTIONAL)) else None,
    )
    return samples, replace(reading, kind="ts")


def _parts(path: Path, text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The header's entries, names in small letters, and the lines of data with their numbers."""
    header: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    has_begun = False
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#%":
            continue
        if has_begun:
            lines.append((number, line))
        elif line.lower() == "@data":
            has_begun = True
        elif line[0] == "@":
            name, _, value = line[1:].partition(" ")
            header[name.lower()] = value.strip()
        else:
            raise DataFileError(f"{path}, line {number} must be an entry such as @data; got {shown(line)}.")
    if not lines:
        raise DataFileError(f"{path} holds no line below @data. Get the file again, or add samples.")
    return header, lines


def _is_true(header: dict[str, str], name: str) -> bool:
    return header.get(name, "false").lower().startswith("true")


def _sample(path: Path, number: int, channels: Sequence[str]) -> np.ndarray:
    """One line as (steps, channels), float32."""
    columns = [_channel(path, number, k, text) for k, text in enumerate(channels, start=1)]
    sizes = [len(column) for column in columns]
    if len(set(sizes)) != 1:
        raise DataFileError(
            f"{path}, line {number}: the channels have {', '.join(map(str, sizes[:8]))} steps. Give each channel of a "
            "sample as many."
        )
    return np.stack(columns, axis=1).astype(np.float32)


def _channel(path: Path, number: int, channel: int, text: str) -> np.ndarray:
    cells = re.split(r"\s*,\s*", text.strip())
    while cells and cells[-1] in (MISSING, ""):
        cells.pop()
    try:
        return np.array(cells, np.float64)
    except ValueError:
        k = next(k for k, cell in enumerate(cells) if not is_number(cell))
    what = "is missing (?)" if cells[k] == MISSING else f"is {shown(cells[k])}, which is not a number"
    raise DataFileError(
        f"{path}, line {number}, channel {channel}: step {k + 1} {what}. Fill such gaps before, or take the sample out."
    )

"""Text tables: one event a line, four integers in columns that a header line names.

The header names x, y, t (or t_us) and p (or polarity) in any order, separated by commas or blanks; it may be a comment.
Lines that start with "#" or "%" are comments; "# sensor_size 34x34" and Metavision's "%geometry:1280,720" give the size.
Times are microseconds since the recording's start, as they stand; p may be -1 for off.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from longspike.events.faults import Faults
from longspike.events.formats.columns import column_events
from longspike.events.formats.source import BLOCK_BYTES, Source, parse_size

NAMES = {"x": "x", "y": "y", "t": "t", "t_us": "t", "p": "p", "polarity": "p"}
LONGEST_LINE = 1 << 16


def _column_order(line: str) -> str | None:
    """The columns' order, as "xytp", if the line names all four."""
    names = [NAMES.get(name.lower(), "?") for name in re.split(r"[,\s]+", line.strip().lstrip("#% "))]
    return "".join(names) if sorted(names) == sorted("xytp") else None


def _sensor_size(line: str) -> tuple[int, int] | None:
    """The size that a comment gives, if it does."""
    found = re.fullmatch(r"[#%]\s*(?:sensor_size|geometry)\s*[:= ]\s*(\d+)\s*[x,]\s*(\d+)", line.strip())
    return parse_size(f"{found[1]}x{found[2]}") if found else None


def _rows(lines: list[str], first_line: int, separator: str | None, faults: Faults) -> np.ndarray:
    """The integers of lines, (rows, 4); lines that hold anything else are faults."""
    try:
        rows = np.loadtxt(lines, np.int64, comments=None, delimiter=separator, ndmin=2)
        if rows.shape[1] == 4:
            return rows
    except (ValueError, OverflowError):
        pass
    good = []
    for k, line in enumerate(lines):
        parts = line.split(separator)
        if len(parts) == 4 and all(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", part) for part in parts):
            good.append([int(part) for part in parts])
        elif line.strip():
            faults.report(f"line {first_line + k}", f"{line[:60]!r} is not four integers")
    return np.array(good, np.int64).reshape(-1, 4)


def _blocks(stream: BinaryIO, faults: Faults, order: str) -> Iterator[list[str]]:
    """The lines of the file, block by block; a last line without an end may lack digits, unless it is p that comes last."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            faults.fail(f"has a line of more than {LONGEST_LINE} bytes: it is no table of events")
        if newline:
            yield whole.decode("ascii", "replace").split("\n")
    if rest.strip() and order[-1] != "p":
        faults.report("the last line", "it has no end, so digits may be missing: the file is truncated")
    elif rest:
        yield [rest.decode("ascii", "replace")]


def _chunks(
    stream: BinaryIO, faults: Faults, order: str, separator: str | None, first_line: int
) -> Iterator[np.ndarray]:
    num_events = 0
    for lines in _blocks(stream, faults, order):
        is_comment = [line.startswith(("#", "%")) for line in lines]
        data = ["" if comment else line for line, comment in zip(lines, is_comment, strict=True)]
        if any(line.strip() for line in data):
            rows = _rows(data, first_line, separator, faults)
            yield column_events({name: rows[:, order.index(name)] for name in "xytp"}, num_events, faults)
            num_events += len(rows)
        first_line += len(lines)


def open_csv(stream: BinaryIO, faults: Faults, sensor_size: tuple[int, int] | None) -> Source:
    """A header line that names the columns, then a line an event."""
    order, size, separator, num_lines = None, None, None, 0
    while line_bytes := stream.readline(LONGEST_LINE):
        line = line_bytes.decode("ascii", "replace")
        size = size or _sensor_size(line)
        found = _column_order(line)
        if found is not None:
            order, separator = found, "," if "," in line else None
        elif line.strip() and not line.startswith(("#", "%")):
            stream.seek(-len(line_bytes), 1)
            break
        num_lines += 1
    if order is None:
        faults.fail(
            "does not say the order of its columns",
            "Put a header line before the data that names them, as in x,y,t,p or t,x,y,p, with t in microseconds.",
        )
    return Source(
        chunks=_chunks(stream, faults, order, separator, num_lines + 1), sensor_size=size, is_camera_time=False
    )


def write_csv(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """A comment with the sensor's size, a header, and a line an event."""
    stream.write(f"# sensor_size {sensor_size[0]}x{sensor_size[1]}\nx,y,t,p\n".encode("ascii"))
    if len(events):
        lines = (f"{x},{y},{t},{p}" for x, y, t, p in events.tolist())
        stream.write(("\n".join(lines) + "\n").encode("ascii"))

"""Text tables: one event a line, in columns that a header line or the caller names.

A header names x, y, t and p in any order, separated by commas, semicolons or blanks; it may be a comment. It also takes
the names of `events.fields` (timestamp, polarity, on, ...), a time with its unit (t_ns), the sensor's size beside the
coordinates (x@640,y@480), and columns that are none of these, which are left out. Without a header the caller names the
columns; a first line of two integers is then the sensor's size. Lines that start with "#" or "%" are comments;
"# sensor_size 34x34" and Metavision's "%geometry:1280,720" give the size. Times count from the recording's start, as they
stand, in microseconds unless the header or the caller says another unit. p is 0 or -1 for off, 1 for on, true or false.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from longspike._core.limits import LARGEST_LINE_BYTES
from longspike.events.faults import Faults
from longspike.events.fields import find_fields
from longspike.events.formats.columns import LARGEST_EXACT, UNIT_REMEDY, column_events, stated_unit
from longspike.events.formats.source import BLOCK_BYTES, Asked, Source, parse_size

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SEPARATORS = ",;"
DIGITS = frozenset("0123456789+-,; \t\r")
"""What lines of integers are made of."""
INTEGER = re.compile(r"[+-]?\d{1,19}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
TRUTHS = re.compile(r"\b(?:(true|on)|false|off)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How the lines of a table are read.

    Args:
        places: the column of each field. num_columns: how many there are. separator: None is any blanks.
        time_unit: None is microseconds, as integers. sensor_size: (width, height), if the header says it.
    """

    places: dict[str, int]
    num_columns: int
    separator: str | None
    time_unit: str | None
    sensor_size: tuple[int, int] | None = None


def _separator(line: str) -> str | None:
    return next((separator for separator in SEPARATORS if separator in line), None)


def _form(names: list[str], separator: str | None) -> Form | None:
    """The form that a list of the columns' names gives; None if it lacks one of the four."""
    bare, _, sizes = zip(*(name.strip(" \t\r\n\"'").partition("@") for name in names), strict=True)
    fields = find_fields(bare)
    if fields is None:
        return None
    places = {field: bare.index(name) for field, name in fields.names.items()}
    size = parse_size(f"{sizes[places['x']]}x{sizes[places['y']]}")
    return Form(
        places=places, num_columns=len(names), separator=separator, time_unit=fields.time_unit, sensor_size=size
    )


def _header(line: str) -> Form | None:
    """The form that a line gives, if it names the columns; a comment names the four and nothing else."""
    is_comment = line.startswith(("#", "%"))
    text = line.strip().lstrip("#% ")
    separator = _separator(text)
    names = text.split(separator)
    if is_comment and len(names) != 4:
        return None
    return _form(names, separator) if len(names) >= 4 else None


def _sensor_size(line: str) -> tuple[int, int] | None:
    """The size that a comment gives, if it does."""
    found = re.fullmatch(r"[#%]\s*(?:sensor_size|geometry)\s*[:= ]\s*(\d+)\s*[x,]\s*(\d+)", line.strip())
    return parse_size(f"{found[1]}x{found[2]}") if found else None


def _columns(lines: list[str], first_line: int, form: Form, faults: Faults) -> dict[str, np.ndarray]:
    """The numbers of lines, by field, int64 where they are integers; lines that hold anything else are faults."""
    is_whole = set().union(*lines) <= DIGITS
    if not is_whole:
        lines = [TRUTHS.sub(lambda word: "1" if word[1] else "0", line) for line in lines]
        is_whole = set().union(*lines) <= DIGITS
    try:
        rows = np.loadtxt(lines, np.int64 if is_whole else np.float64, comments=None, delimiter=form.separator, ndmin=2)
        if rows.shape[1] == form.num_columns and (is_whole or (np.abs(rows) < LARGEST_EXACT).all()):
            return {field: rows[:, place] for field, place in form.places.items()}
    except (ValueError, OverflowError):
        pass
    good = _good_rows(lines, first_line, form, faults)
    return {field: np.array([row[place] for row in good] or np.empty(0, int)) for field, place in form.places.items()}


def _number(text: str) -> float:
    """The number that a text is, exact where it is an integer of 64 bits."""
    return int(text) if INTEGER.fullmatch(text) and abs(int(text)) < 1 << 63 else float(text)


def _good_rows(lines: list[str], first_line: int, form: Form, faults: Faults) -> list[list[float]]:
    """The rows of lines that hold as many numbers as there are columns; others are faults."""
    good: list[list[float]] = []
    for k, line in enumerate(lines):
        parts = [part.strip() for part in line.split(form.separator)]
        if len(parts) == form.num_columns and all(map(NUMBER.fullmatch, parts)):
            good.append([_number(part) for part in parts])
        elif line.strip():
            faults.report(f"line {first_line + k}", f"{line[:60]!r} is not {form.num_columns} numbers")
    return good


def _blocks(stream: BinaryIO, faults: Faults, form: Form) -> Iterator[list[str]]:
    """The lines of the file, block by block; a last line without an end may lack digits, unless it is p that comes last."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if len(rest) > LARGEST_LINE_BYTES:
            faults.fail(f"has a line of more than {LARGEST_LINE_BYTES} bytes: it is no table of events")
        if newline:
            yield whole.decode("utf-8", "replace").split("\n")
    if rest.strip() and form.places["p"] != form.num_columns - 1:
        faults.report("the last line", "it has no end, so digits may be missing: the file is truncated")
    elif rest:
        yield [rest.decode("utf-8", "replace")]


def _chunks(stream: BinaryIO, faults: Faults, form: Form, first_line: int) -> Iterator[np.ndarray]:
    num_events = 0
    for lines in _blocks(stream, faults, form):
        is_comment = [line.startswith(("#", "%")) for line in lines]
        data = ["" if comment else line for line, comment in zip(lines, is_comment, strict=True)]
        if any(line.strip() for line in data):
            columns = _columns(data, first_line, form, faults)
            num_rows = len(columns["t"])
            if form.time_unit is None:
                columns = _with_whole_times(columns, num_events, faults)
            yield column_events(columns, num_events, faults, time_unit=form.time_unit)
            num_events += num_rows
        first_line += len(lines)


def _with_whole_times(columns: dict[str, np.ndarray], first: int, faults: Faults) -> dict[str, np.ndarray]:
    """The rows whose times are whole numbers, as microseconds without a stated unit must be; others are faults."""
    t = columns["t"]
    if t.dtype.kind != "f":
        return columns
    is_whole = np.rint(t) == t
    if not is_whole.all():
        k = int(np.argmin(is_whole))
        what = f"t is {float(t[k])!r}, which is no whole number of microseconds"
        faults.report(f"event {first + k}", what, count=int((~is_whole).sum()), remedy=UNIT_REMEDY)
    whole = {field: column[is_whole] for field, column in columns.items()}
    return whole | {"t": whole["t"].astype(np.int64)}


def open_csv(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """A header line that names the columns, or the caller's `columns`; then a line an event."""
    form, size, num_lines = None, None, 0
    stream.seek(len(BYTE_ORDER_MARK) if stream.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0)
    while line_bytes := stream.readline(LARGEST_LINE_BYTES):
        line = line_bytes.decode("utf-8", "replace")
        size = size or _sensor_size(line)
        found = _header(line)
        form = found or form
        if not found and line.strip() and not line.startswith(("#", "%")):
            sides = parse_size("x".join(line.split(_separator(line))))
            if not (asked.columns and size is None and sides):
                stream.seek(-len(line_bytes), 1)
                break
            size = sides
        num_lines += 1
    if asked.columns is not None:
        first = stream.readline(LARGEST_LINE_BYTES)
        stream.seek(-len(first), 1)
        form = _form(list(asked.columns), _separator(first.decode("utf-8", "replace")))
    if form is None:
        faults.fail(
            "does not say the order of its columns",
            "Put a header line before the data that names them, such as x,y,t,p, or pass columns, such as "
            '"t,x,y,p", and time_unit="s" if times are seconds.',
        )
    form = replace(form, time_unit=stated_unit(asked, form.time_unit, faults))
    return Source(
        chunks=_chunks(stream, faults, form, num_lines + 1),
        sensor_size=size or form.sensor_size,
        is_camera_time=False,
    )


def write_csv(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """A comment with the sensor's size, a header, and a line an event."""
    stream.write(f"# sensor_size {sensor_size[0]}x{sensor_size[1]}\nx,y,t,p\n".encode("ascii"))
    if len(events):
        lines = (f"{x},{y},{t},{p}" for x, y, t, p in events.tolist())
        stream.write(("\n".join(lines) + "\n").encode("ascii"))

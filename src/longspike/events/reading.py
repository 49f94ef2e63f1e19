"""Reading recordings: whole, or packet by packet in bounded memory."""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

import numpy as np

from longspike._core.checks import check_choice, check_positive_int
from longspike._core.mistakes import shown
from longspike.errors import DataFileError, UnknownSensorError
from longspike.events.detecting import HEAD_BYTES, detect
from longspike.events.faults import Faults
from longspike.events.fields import UNITS, find_fields
from longspike.events.formats import FORMATS
from longspike.events.formats.source import Asked, Source, size_of
from longspike.events.record import EVENT_DTYPE, LARGEST_SIDE, check_sensor_size
from longspike.events.recording import Recording
from longspike.events.screening import Screen

COLUMN_FORMATS, UNIT_FORMATS = ("csv", "hdf5"), ("csv", "npz", "hdf5")
"""The formats that the options `columns` and `time_unit` are for."""
ARCHIVES = ("npz", "hdf5")
"""Formats whose arrays may be empty however large the file is."""


def join(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays of events one after the other, in memory of their own; as bytes, which numpy copies much faster."""
    joined = np.empty(sum(len(part) for part in parts), EVENT_DTYPE)
    first = 0
    for part in parts:
        joined[first : first + len(part)].view(np.uint8)[:] = part.view(np.uint8)
        first += len(part)
    return joined


def _packets(chunks: Iterator[np.ndarray], num_events: int) -> Iterator[np.ndarray]:
    """The same events in arrays of `num_events`, the last one shorter."""
    parts: list[np.ndarray] = []
    missing = num_events
    for chunk in chunks:
        while len(chunk) >= missing:
            yield join([*parts, chunk[:missing]])
            chunk, parts, missing = chunk[missing:], [], num_events
        if len(chunk):
            parts.append(chunk)
            missing -= len(chunk)
    if parts:
        yield join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """A file whose format and sensor are known."""

    stream: BinaryIO
    format: str
    source: Source
    sensor_size: tuple[int, int] | None
    faults: Faults

    data_bytes: int

    def screened(self, screen: Screen) -> Iterator[np.ndarray]:
        """Its events, checked; a warning at the end if there was data and none of it an event."""
        num_events = 0
        try:
            for kept in screen.over(self.source.chunks):
                num_events += len(kept)
                yield kept
        except DataFileError:
            raise
        except OSError as error:
            raise DataFileError(f"{self.faults.path} cannot be read ({error.strerror or error}).") from error
        if self.data_bytes and not num_events and not self.faults.skipped:
            warnings.warn(
                f"{self.faults.path} ({self.format}) holds {self.data_bytes:,} bytes after its header and no event of a "
                "pixel. Are the format and the sensor's size right?",
                stacklevel=2,
            )


def _resolve_size(where: str, path: Path, asked: tuple[int, int] | None, found: tuple[int, int] | None) -> None:
    """Raise if the caller's sensor and the file's differ."""
    if asked is not None and found is not None and asked != found:
        raise ValueError(
            f"{where}: `sensor_size` is {asked}, but {path} says {found}. Leave it out: what the file says is used."
        )


def _checked_columns(where: str, columns: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of a text's columns; raise unless they hold x, y, t and p."""
    if columns is None:
        return None
    names = tuple(re.findall(r"[^\s,;]+", columns) if isinstance(columns, str) else columns)
    if not all(isinstance(name, str) for name in names) or find_fields(names) is None:
        raise ValueError(
            f"{where}: `columns` must name x, y, t and p in the order of the text's columns, such as 't,x,y,p'; "
            f"got {shown(columns)}."
        )
    return names


def _check_effect(where: str, path: Path, name: str, asked: Asked) -> None:
    """Raise if an option is for other formats than the file's."""
    for option, value, formats in (
        ("columns", asked.columns, COLUMN_FORMATS),
        ("time_unit", asked.time_unit, UNIT_FORMATS),
    ):
        if value is not None and name not in formats:
            raise ValueError(
                f"{where}: `{option}` has no effect on {path}, which is {name}; it is for {', '.join(formats)}. "
                "Leave it out."
            )


def _open(
    where: str,
    path: str | os.PathLike[str],
    format: str | None,  # noqa: A002
    sensor_size: tuple[int, int] | Literal["observed"] | None,
    on_error: str,
    columns: str | Sequence[str] | None,
    time_unit: str | None,
) -> _Opened:
    """Open a file, find its format, and read its header."""
    path = Path(path)
    check_choice(where, "on_error", on_error, ("raise", "skip"))
    if format is not None:
        check_choice(where, "format", format, tuple(FORMATS))
    if time_unit is not None:
        check_choice(where, "time_unit", time_unit, tuple(UNITS))
    is_observed = isinstance(sensor_size, str) and sensor_size == "observed"
    size = None if sensor_size is None or is_observed else check_sensor_size(where, sensor_size)
    asked = Asked(sensor_size=size, columns=_checked_columns(where, columns), time_unit=time_unit)
    faults = Faults(path, skips=on_error == "skip")
    stream = faults.open()
    try:
        name = format or detect(stream.read(HEAD_BYTES), size_of(stream), size, faults)
        stream.seek(0)
        _check_effect(where, path, name, asked)
        source = FORMATS[name](stream, faults, asked)
        data_bytes = 0 if name in ARCHIVES else size_of(stream) - stream.tell()
        _resolve_size(where, path, size, source.sensor_size)
        size = source.sensor_size or size or (None if is_observed else source.likely_size)
        if size is None and not is_observed:
            raise UnknownSensorError(
                f"{where}: {path} ({name}) does not say how large its sensor is. "
                "Pass sensor_size=(width, height) in pixels"
                + (', or "observed" for the smallest that holds all events.' if where == "read" else ".")
            )
    except DataFileError:
        stream.close()
        raise
    except OSError as error:
        stream.close()
        raise DataFileError(f"{path} cannot be read ({error.strerror or error}).") from error
    except BaseException:
        stream.close()
        raise
    return _Opened(stream=stream, format=name, source=source, sensor_size=size, faults=faults, data_bytes=data_bytes)


class EventReader:
    """An open recording: a context manager, and an iterator of its packets. `longspike.events.open` makes one.

    Attributes:
        format: the format's name.
        sensor_size: (width, height) in pixels.
        metadata: what the file says of itself, as text.
    """

    def __init__(self, opened: _Opened, sensor_size: tuple[int, int], packet_events: int) -> None:
        self.format, self.sensor_size, self.metadata = opened.format, sensor_size, opened.source.metadata
        self._stream, self._faults = opened.stream, opened.faults
        self._screen = Screen(opened.faults, sensor_size, is_camera_time=opened.source.is_camera_time)
        self._start_us = opened.source.start_us
        self._packets = _packets(opened.screened(self._screen), packet_events)

    @property
    def skipped(self) -> int:
        """Faulty records and events left out so far."""
        return self._faults.skipped

    @property
    def start_us(self) -> int:
        """What was subtracted from the file's times, as in `Recording`; 0 until the first packet has come."""
        return self._start_us + self._screen.start_us

    def close(self) -> None:
        """Close the file; no packet can be read after that."""
        self._packets = iter(())
        self._stream.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        return next(self._packets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open(  # noqa: A001
    path: str | os.PathLike[str],
    *,
    packet_events: int = 65536,
    format: str | None = None,  # noqa: A002
    sensor_size: tuple[int, int] | None = None,
    on_error: str = "raise",
    columns: str | Sequence[str] | None = None,
    time_unit: str | None = None,
) -> EventReader:
    """Read a recording packet by packet, in memory that does not grow with the file.

    The packets, one after the other, are the events that `read` gives, whatever their size.

    Args:
        path: the file; its format is known by its content.
        packet_events: events of a packet; the last one may be shorter.
        format: the format's name, one of `FORMATS`, for files whose content does not tell.
        sensor_size: (width, height) in pixels, for files that do not say it.
        on_error: "raise" at the first faulty record, or "skip" and count them.
        columns: of text or a table in HDF5, the names of its columns in their order, such as "t,x,y,p", where the file
            does not name them.
        time_unit: "s", "ms", "us" or "ns", of text, npz and HDF5 whose times are no whole microseconds and do not say so.

    Returns: a context manager that iterates over arrays of `EVENT_DTYPE`.

    Raises:
        DataFileError: the file is missing, in no known format, truncated or damaged; it names the place and the remedy.
        ValueError: an argument is wrong. UnknownSensorError: neither the file nor the caller says the sensor's size.
        MissingExtraError: the format needs a package that is not installed.
    """
    check_positive_int("open", "packet_events", packet_events)
    if isinstance(sensor_size, str):
        raise ValueError(
            f"open: `sensor_size` must be (width, height); got {shown(sensor_size)}. "
            'Only read can take "observed": it has all events before it answers.'
        )
    opened = _open("open", path, format, sensor_size, on_error, columns, time_unit)
    return EventReader(opened, opened.sensor_size or (LARGEST_SIDE, LARGEST_SIDE), packet_events)


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    sensor_size: tuple[int, int] | Literal["observed"] | None = None,
    on_error: str = "raise",
    columns: str | Sequence[str] | None = None,
    time_unit: str | None = None,
) -> Recording:
    """Read a whole recording.

    Times are microseconds since the recording's start: formats that keep the camera's clock (EVT, DAT, AEDAT, HDF5 of
    cameras) start at their first event, and `start_us` says what was subtracted; the others are taken as they stand.

    Args:
        path, format, on_error, columns, time_unit: as for `open`.
        sensor_size: (width, height) in pixels, for files that do not say it; or "observed", the smallest sensor that
            holds all events (which may be smaller than the real one).

    Raises: as `open`.

    Example:
        >>> import tempfile, pathlib
        >>> from longspike.events import make_events, read, write
        >>> events = make_events(x=[3, 4], y=[1, 1], t=[500, 750], p=[1, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "two.raw"
        ...     write(path, events, sensor_size=(8, 6))
        ...     recording = read(path)
        >>> recording.format, recording.sensor_size, recording.start_us, recording.events["t"].tolist()
        ('evt3', (8, 6), 500, [0, 250])
    """
    opened = _open("read", path, format, sensor_size, on_error, columns, time_unit)
    size = opened.sensor_size or (LARGEST_SIDE, LARGEST_SIDE)
    screen = Screen(opened.faults, size, is_camera_time=opened.source.is_camera_time)
    with opened.stream:
        events = join(list(opened.screened(screen)))
    if opened.sensor_size is None:
        if not len(events):
            opened.faults.fail("holds no events to observe a sensor's size from", "Pass sensor_size=(width, height).")
        size = (int(events["x"].max()) + 1, int(events["y"].max()) + 1)
    return Recording(
        events=events,
        sensor_size=size,
        format=opened.format,
        skipped=opened.faults.skipped,
        start_us=opened.source.start_us + screen.start_us,
        metadata=opened.source.metadata,
    )

"""Reading recordings: whole, or packet by packet in bounded memory."""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np

from longspike._core.checks import check_positive_int
from longspike._core.mistakes import shown
from longspike.events.opening import Opened, open_file
from longspike.events.record import EVENT_DTYPE, LARGEST_SIDE
from longspike.events.recording import Recording
from longspike.events.screening import Screen


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


class EventReader:
    """An open recording: a context manager, and an iterator of its packets. `longspike.events.open` makes one.

    Attributes:
        format: the format's name.
        sensor_size: (width, height) in pixels.
        metadata: what the file says of itself, as text.
    """

    def __init__(self, opened: Opened, sensor_size: tuple[int, int], packet_events: int) -> None:
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
    opened = open_file("open", path, format, sensor_size, on_error, columns, time_unit)
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
    opened = open_file("read", path, format, sensor_size, on_error, columns, time_unit)
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

"""Opening a recording: its format and sensor found, its header read, and the caller's options checked against it."""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from longspike._core.checks import check_choice
from longspike._core.mistakes import shown
from longspike.errors import ConfigError, DataFileError, UnknownSensorError
from longspike.events.detecting import HEAD_BYTES, detect
from longspike.events.faults import Faults
from longspike.events.fields import UNITS, find_fields
from longspike.events.formats import FORMATS
from longspike.events.formats.source import Asked, Source, size_of
from longspike.events.record import check_sensor_size
from longspike.events.screening import Screen

COLUMN_FORMATS, UNIT_FORMATS = ("csv", "hdf5"), ("csv", "npz", "hdf5")
"""The formats that the options `columns` and `time_unit` are for."""
ARCHIVES = ("npz", "hdf5")
"""Formats whose arrays may be empty however large the file is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
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
        raise ConfigError(
            f"{where}: `sensor_size` is {asked}, but {path} says {found}. Leave it out: what the file says is used."
        )


def _checked_columns(where: str, columns: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of a text's columns; raise unless they hold x, y, t and p."""
    if columns is None:
        return None
    names = tuple(re.findall(r"[^\s,;]+", columns) if isinstance(columns, str) else columns)
    if not all(isinstance(name, str) for name in names) or find_fields(names) is None:
        raise ConfigError(
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
            raise ConfigError(
                f"{where}: `{option}` has no effect on {path}, which is {name}; it is for {', '.join(formats)}. "
                "Leave it out."
            )


def open_file(
    where: str,
    path: str | os.PathLike[str],
    format: str | None,  # noqa: A002
    sensor_size: tuple[int, int] | Literal["observed"] | None,
    on_error: str,
    columns: str | Sequence[str] | None,
    time_unit: str | None,
) -> Opened:
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
    return Opened(stream=stream, format=name, source=source, sensor_size=size, faults=faults, data_bytes=data_bytes)

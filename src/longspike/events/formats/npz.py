"""NumPy archives: one-axis arrays x, y, t and p, or one structured array with these fields; never pickles.

The names of `events.fields` are taken too (timestamp, polarity, on, ...). `sensor_size`, two integers, is read if it is
there. Integers of any width are read, and p as -1 and 1 too. Times are microseconds since the recording's start, as they
stand, unless the name or the caller says another unit. The members are decompressed side by side, in pieces.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, NoReturn

import numpy as np
from numpy.lib import format as npy

from longspike._core.limits import LARGEST_ENTRY_BYTES, LARGEST_LENGTH, unpacked_limit, unpacks_to_too_much
from longspike.errors import DataFileError
from longspike.events.faults import Faults, shortened
from longspike.events.fields import Fields, find_fields
from longspike.events.formats.columns import column_events, stated_unit
from longspike.events.formats.source import Asked, Source, read_exactly, size_of
from longspike.events.record import check_sensor_size

CHUNK_EVENTS = 1 << 16


class Member:
    """One array of an archive, read from its beginning to its end.

    Args:
        stream: at the first byte of the .npy file.
        name: for the messages.
        faults: where a wrong header goes.
    """

    def __init__(self, stream: IO[bytes], name: str, faults: Faults) -> None:
        self._stream, self.name, self._faults = stream, shortened(name, 40), faults
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            self.fail(f"is written in version {version} of its format; 1.0 and 2.0 are read")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        self.shape, _, self.dtype = read(stream)
        if self.dtype.hasobject:
            self.fail("holds Python objects, which are pickles and never read")
        if not all(0 <= side < LARGEST_LENGTH for side in self.shape):
            self.fail(f"has the shape {self.shape}, which no array has")
        if self.dtype.itemsize > LARGEST_ENTRY_BYTES:
            self.fail(f"has entries of {self.dtype.itemsize} bytes; at most {LARGEST_ENTRY_BYTES} are read")

    def fail(self, what: str) -> NoReturn:
        """Raise, naming the array."""
        self._faults.fail(
            f"holds an array {self.name!r} that {what}", "Write x, y, t and p as integers with numpy.savez."
        )

    def read(self, count: int) -> np.ndarray:
        """The next `count` entries."""
        content = read_exactly(self._stream, count * self.dtype.itemsize)  # type: ignore[arg-type]
        if len(content) < count * self.dtype.itemsize:
            self.fail(f"ends early: its shape is {self.shape}")
        return np.frombuffer(content, self.dtype)


def _open_members(archive: zipfile.ZipFile, faults: Faults) -> tuple[dict[str, Member], Fields]:
    """The arrays of events by their names; a structured array stands alone, under its own name."""
    names = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
    fields = find_fields(names)
    if fields is not None:
        members = {name: Member(archive.open(names[name]), name, faults) for name in fields.names.values()}
    else:
        members = {}
        for name in names:
            member = Member(archive.open(names[name]), name, faults)
            found = find_fields(member.dtype.names or ())
            if found is not None:
                members, fields = {name: member}, found
    if fields is None:
        faults.fail(
            f"holds the arrays {', '.join(names) or 'nothing'}, and neither x, y, t and p nor a structured array of these",
            "Write them with numpy.savez(path, x=..., y=..., t=..., p=...).",
        )
    shapes = {member.shape for member in members.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        found_shapes = ", ".join(f"{name}: {member.shape}" for name, member in members.items())
        faults.fail(f"holds arrays that are not of one length and one axis ({found_shapes})")
    return members, fields


def _chunks(members: dict[str, Member], fields: Fields, time_unit: str | None, faults: Faults) -> Iterator[np.ndarray]:
    length = next(iter(members.values())).shape[0]
    for first in range(0, length, CHUNK_EVENTS):
        count = min(CHUNK_EVENTS, length - first)
        with _broken(faults, "is a broken archive"):
            arrays: dict[str, Any] = {name: member.read(count) for name, member in members.items()}
        table = arrays if len(arrays) == 4 else next(iter(arrays.values()))
        columns = {field: table[name] for field, name in fields.names.items()}
        yield column_events(columns, first, faults, time_unit=time_unit)


def _sensor_size(archive: zipfile.ZipFile, faults: Faults) -> tuple[int, int] | None:
    if "sensor_size.npy" not in archive.namelist():
        return None
    member = Member(archive.open("sensor_size.npy"), "sensor_size", faults)
    if member.shape not in ((2,), (3,)) or member.dtype.kind not in "iu":
        member.fail("is not two integers")
    sides = tuple(int(side) for side in member.read(member.shape[0]))
    try:
        return check_sensor_size("", sides)
    except ValueError:
        member.fail(f"is not a sensor's size: {', '.join(map(str, sides))}")


@contextmanager
def _broken(faults: Faults, what: str) -> Iterator[None]:
    """What a damaged archive raises, as a fault of the file: zipfile, the decompressors and numpy's header parser, which
    is one of Python's own, can raise nearly anything."""
    try:
        yield
    except DataFileError:
        raise
    except Exception as error:
        faults.fail(f"{what}: {error or type(error).__name__}", "Write it again with numpy.savez.")


def open_npz(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """An archive of arrays."""
    num_bytes = size_of(stream)
    with _broken(faults, "is not an archive of arrays"):
        archive = zipfile.ZipFile(stream)
        if sum(info.file_size for info in archive.infolist()) > unpacked_limit(num_bytes):
            faults.fail(unpacks_to_too_much(num_bytes), "If it is what it should be, write it with numpy.savez.")
        if not {info.compress_type for info in archive.infolist()} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            faults.fail("is compressed in a way that NumPy does not write", "Write it with numpy.savez_compressed.")
        members, fields = _open_members(archive, faults)
        size = _sensor_size(archive, faults)
    unit = stated_unit(asked, fields.time_unit, faults)
    return Source(chunks=_chunks(members, fields, unit, faults), sensor_size=size, is_camera_time=False)


def write_npz(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """x, y, t, p and sensor_size, compressed."""
    fields = {name: events[name] for name in "xytp"}
    np.savez_compressed(stream, allow_pickle=False, sensor_size=np.array(sensor_size), **fields)

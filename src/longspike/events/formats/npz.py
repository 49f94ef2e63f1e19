"""NumPy archives: one-axis arrays x, y, t and p, or one structured array with these fields; never pickles.

`sensor_size`, two integers, is read if it is there. Integers of any width are read, and p as -1 and 1 too. Times are
microseconds since the recording's start, as they stand. The members are decompressed side by side, in pieces.
"""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, NoReturn

import numpy as np
from numpy.lib import format as npy

from longspike.errors import DataFileError
from longspike.events.faults import Faults
from longspike.events.formats.columns import column_events
from longspike.events.formats.source import Source, read_exactly

CHUNK_EVENTS = 1 << 16
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError, OSError)


class Member:
    """One array of an archive, read from its beginning to its end.

    Args:
        stream: at the first byte of the .npy file.
        name: for the messages.
        faults: where a wrong header goes.
    """

    def __init__(self, stream: IO[bytes], name: str, faults: Faults) -> None:
        self._stream, self.name, self._faults = stream, name, faults
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            self.fail(f"is written in version {version} of its format; 1.0 and 2.0 are read")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        self.shape, _, self.dtype = read(stream)
        if self.dtype.hasobject:
            self.fail("holds Python objects, which are pickles and never read")

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


def _open_members(archive: zipfile.ZipFile, faults: Faults) -> dict[str, Member]:
    """The arrays of events by field; a structured array stands alone, under its own name."""
    names = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
    if all(field in names for field in "xytp"):
        members = {field: Member(archive.open(names[field]), field, faults) for field in "xytp"}
    else:
        members = {}
        for name in names:
            member = Member(archive.open(names[name]), name, faults)
            if member.dtype.names and set("xytp") <= set(member.dtype.names):
                members = {name: member}
    if not members:
        faults.fail(
            f"holds the arrays {', '.join(names) or 'nothing'}, and neither x, y, t and p nor a structured array of these",
            "Write them with numpy.savez(path, x=..., y=..., t=..., p=...).",
        )
    shapes = {member.shape for member in members.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        found = ", ".join(f"{name}: {member.shape}" for name, member in members.items())
        faults.fail(f"holds arrays that are not of one length and one axis ({found})")
    return members


def _chunks(members: dict[str, Member], faults: Faults) -> Iterator[np.ndarray]:
    length = next(iter(members.values())).shape[0]
    for first in range(0, length, CHUNK_EVENTS):
        count = min(CHUNK_EVENTS, length - first)
        try:
            arrays: dict[str, Any] = {name: member.read(count) for name, member in members.items()}
        except DataFileError:
            raise
        except BROKEN as error:
            faults.fail(f"is a broken archive: {error}", "Write it again.")
        whole = next(iter(arrays.values()))
        fields = arrays if len(arrays) == 4 else {field: whole[field] for field in "xytp"}
        yield column_events(fields, first, faults)


def _sensor_size(archive: zipfile.ZipFile, faults: Faults) -> tuple[int, int] | None:
    if "sensor_size.npy" not in archive.namelist():
        return None
    member = Member(archive.open("sensor_size.npy"), "sensor_size", faults)
    if member.shape != (2,) or member.dtype.kind not in "iu":
        member.fail("is not two integers")
    width, height = (int(side) for side in member.read(2))
    if not (1 <= width <= 1 << 16 and 1 <= height <= 1 << 16):
        member.fail(f"is not a sensor's size: {width}, {height}")
    return width, height


def open_npz(stream: BinaryIO, faults: Faults, sensor_size: tuple[int, int] | None) -> Source:
    """An archive of arrays."""
    try:
        archive = zipfile.ZipFile(stream)
        members, size = _open_members(archive, faults), _sensor_size(archive, faults)
    except DataFileError:
        raise
    except BROKEN as error:
        faults.fail(f"is not an archive of arrays: {error}", "Write it with numpy.savez.")
    return Source(chunks=_chunks(members, faults), sensor_size=size, is_camera_time=False)


def write_npz(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """x, y, t, p and sensor_size, compressed."""
    fields = {name: events[name] for name in "xytp"}
    np.savez_compressed(stream, allow_pickle=False, sensor_size=np.array(sensor_size), **fields)

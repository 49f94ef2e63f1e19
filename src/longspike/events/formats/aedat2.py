"""AEDAT 2.0, as jAER writes it: big-endian pairs of a 32-bit address and a 32-bit time in microseconds.

What the bits of an address mean depends on the camera, which the header's line "AEChip" names; files without it (from
before 2014) are read as DVS128 if the caller says `sensor_size=(128, 128)`, and as DAVIS for any other size.

    DVS128   y: bits 14-8, x: bits 7-1, bit 0 clear: on; any higher bit: no pixel event
    DAVIS    y: bits 30-22, x: bits 21-12, bit 11 set: on; bit 31 (frames, IMU) or bit 10 (triggers): no pixel event

Addresses count from the lower right corner; both axes are turned round here. So jAER decodes them, and libraries of the
maker; the maker's page on AEDAT 1.0 describes bit 0 of DVS128 the other way round.

Reference: iniVation, "AEDAT 2.0" (docs.inivation.com); T. Delbruck and others, jAER, DVS128 and DavisBaseCamera.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from longspike.events.faults import Faults
from longspike.events.formats.inivation import as_metadata, find_sensor, read_lines
from longspike.events.formats.source import BLOCK_BYTES, Asked, Source
from longspike.events.record import EVENT_DTYPE

RECORD_BYTES = 8


def _dvs128(address: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y as addressed, p, and which records are pixel events."""
    return address >> 1 & 0x7F, address >> 8 & 0x7F, 1 - (address & 1), address >> 15 == 0


def _davis(address: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y as addressed, p, and which records are pixel events."""
    return address >> 12 & 0x3FF, address >> 22 & 0x1FF, address >> 11 & 1, address & 0x80000400 == 0


def _chunks(stream: BinaryIO, faults: Faults, is_dvs128: bool, sensor_size: tuple[int, int]) -> Iterator[np.ndarray]:
    position, latest, wraps = stream.tell(), 0, 0
    width, height = sensor_size
    while block := stream.read(BLOCK_BYTES):
        rest = len(block) % RECORD_BYTES
        words = np.frombuffer(block, ">u4", (len(block) - rest) // 4).astype(np.int64).reshape(-1, 2)
        x, y, p, is_event = _dvs128(words[:, 0]) if is_dvs128 else _davis(words[:, 0])
        is_outside = is_event & ((x >= width) | (y >= height))
        if is_outside.any():
            k = int(np.argmax(is_outside))
            place = f"record at byte {position + RECORD_BYTES * k}"
            what = f"the address ({int(x[k])}, {int(y[k])}) lies outside the sensor of {width}x{height} pixels"
            faults.report(place, what, count=int(is_outside.sum()))
            is_event &= ~is_outside
        num_wraps = np.cumsum(np.diff(words[:, 1], prepend=latest) < -(1 << 31))
        events = np.empty(int(is_event.sum()), EVENT_DTYPE)
        events["x"], events["y"] = width - 1 - x[is_event], height - 1 - y[is_event]
        events["t"], events["p"] = (words[:, 1] + wraps + (num_wraps << 32))[is_event], p[is_event]
        if len(words):
            latest, wraps = int(words[-1, 1]), wraps + (int(num_wraps[-1]) << 32)
        yield events
        position += len(block)
        if rest:
            what = f"the file ends in the middle of a record, after {rest} of its bytes: it is truncated"
            faults.report(f"byte {position - rest}", what)


def _check_kind(stream: BinaryIO, faults: Faults, name: str) -> None:
    """Raise if a file that names no camera holds addresses of the other kind: they would be other pixels, or none.

    Addresses of a DVS128 have 16 bits, and those of a DAVIS zeros in the lowest ten.
    """
    position = stream.tell()
    content = stream.read(BLOCK_BYTES)
    stream.seek(position)
    addresses = np.frombuffer(content, ">u4", len(content) // RECORD_BYTES * 2)[::2]
    is_short = addresses < 1 << 16
    if name == "DAVIS" and len(addresses) and is_short.all() and (addresses & 0x3FF).any():
        faults.fail("names no camera, and its addresses are those of a DVS128", "Pass sensor_size=(128, 128).")
    if name == "DVS128" and not is_short.all():
        faults.fail("names no camera, and its addresses are not those of a DVS128", "Pass the size of the DAVIS.")


def open_aedat2(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Eight bytes a record."""
    lines = read_lines(stream, faults)
    if not lines or not lines[0].startswith("#!AER-DAT2."):
        faults.fail("does not start with #!AER-DAT2.0", "Is the format right?")
    chips = [line for line in lines if line.startswith("# AEChip:")]
    found = find_sensor(chips[-1]) if chips else None
    if found is None and (chips or asked.sensor_size is None):
        faults.fail(
            f"names no camera that is known ({chips[-1] if chips else 'it has no line # AEChip'}), "
            "so its addresses cannot be read",
            "" if chips else "Pass sensor_size=(128, 128) for DVS128, or the size of the DAVIS.",
        )
    name, size = found or ("DVS128" if asked.sensor_size == (128, 128) else "DAVIS", asked.sensor_size or (0, 0))
    if found is None:
        _check_kind(stream, faults, name)
    return Source(chunks=_chunks(stream, faults, name == "DVS128", size), sensor_size=size, metadata=as_metadata(lines))

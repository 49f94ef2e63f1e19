"""What every format gives: the sensor's size, the clock of its times, and its events in pieces."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from longspike.events.decoding import Decoder
from longspike.events.faults import Faults

BLOCK_BYTES = 1 << 20


class Damaged(Exception):
    """A part of a file is not what it claims to be; the reader of the format says which part, through its faults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the caller says of a file that the file may not say itself.

    Args:
        sensor_size: (width, height). columns: of text, the names of its columns in their order. time_unit: of the times
            in columns.
    """

    sensor_size: tuple[int, int] | None = None
    columns: tuple[str, ...] | None = None
    time_unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An opened recording of a known format.

    Args:
        chunks: arrays of `EVENT_DTYPE` of any length, with the times of the file; not checked yet.
        sensor_size: (width, height), as the file says; None if it does not.
        likely_size: as its kind implies, which holds unless the caller says another.
        is_camera_time: whether times are those of the camera's clock, so that the first event's is subtracted.
        start_us: what the file says was subtracted from its times already.
        metadata: what the file says of itself.
    """

    chunks: Iterator[np.ndarray]
    sensor_size: tuple[int, int] | None
    likely_size: tuple[int, int] | None = None
    is_camera_time: bool = True
    start_us: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


Opener = Callable[[BinaryIO, Faults, Asked], Source]
"""Opens a format: a stream at its first byte, where faults go, and what the caller says of the file."""


def size_of(stream: BinaryIO) -> int:
    """The bytes of a file; its position stays."""
    position = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(position)
    return size


def read_exactly(stream: BinaryIO, num_bytes: int) -> bytes:
    """`num_bytes` bytes, or fewer at the end of the file; in pieces, so that a length that lies costs no memory."""
    parts, missing = [], num_bytes
    while missing > 0 and (part := stream.read(min(missing, BLOCK_BYTES))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def decoded(stream: BinaryIO, decoder: Decoder, faults: Faults) -> Iterator[np.ndarray]:
    """The events of a stream of records, from its position on; a rest at the end is a fault."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        records = np.frombuffer(rest + block, np.uint8)
        used = None
        while used != 0:
            used, events = decoder.decode(records)
            records = records[used:]
            if len(events):
                yield events
        rest = records.tobytes()
    if rest:
        faults.report(
            f"byte {decoder.position}",
            f"the file ends in the middle of a record, after {len(rest)} of its bytes: it is truncated",
        )


def parse_size(text: str) -> tuple[int, int] | None:
    """(width, height) from "1280x720", None if the text is anything else.

    Example:
        >>> parse_size("1280x720"), parse_size("x720")
        ((1280, 720), None)
    """
    found = re.fullmatch(r"\s*(\d{1,5})\s*[xX]\s*(\d{1,5})\s*", text)
    if found is None or 0 in (int(found[1]), int(found[2])):
        return None
    return int(found[1]), int(found[2])

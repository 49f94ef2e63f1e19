"""Event Stream files (.es), version 2, of DVS events.

An event is one byte with the time since the last one (7 bits, microseconds) and the polarity, then x and y, 16 bits each.
Bytes 0xff add 127 µs, bytes 0xfe are ignored. Rows count from the bottom; they are turned round here, so that y points
down as everywhere. Times count from the recording's start.

Reference: A. Marcireau, "Event Stream" and "sepia" (neuromorphic-paris).
"""

import struct
from typing import BinaryIO

from longspike.events.decoding import Decoder
from longspike.events.faults import Faults
from longspike.events.formats.source import Asked, Source, decoded

MAGIC = b"Event Stream"
HEADER_BYTES = 20
KINDS = {0: "generic", 1: "DVS", 2: "ATIS", 3: "modular display", 4: "colour"}


def open_es(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """A header of 20 bytes, then the events."""
    head = stream.read(HEADER_BYTES)
    if not head.startswith(MAGIC):
        faults.fail(f"does not start with {MAGIC.decode()!r}", "Is the format right?")
    if len(head) > 15 and (head[12] != 2 or head[15] != 1):
        faults.fail(
            f"holds {KINDS.get(head[15], 'unknown')} events in version {head[12]} of Event Stream; "
            "DVS events in version 2 are read"
        )
    if len(head) < HEADER_BYTES:
        faults.fail(f"ends after {len(head)} bytes, within its header: it is truncated")
    width, height = struct.unpack("<HH", head[16:])
    if width == 0 or height == 0:
        faults.fail(f"says that its sensor has {width}x{height} pixels")
    decoder = Decoder("es", faults, offset=HEADER_BYTES, settings={1: height})
    return Source(
        chunks=decoded(stream, decoder, faults),
        sensor_size=(width, height),
        is_camera_time=False,
        metadata={"version": f"{head[12]}.{head[13]}.{head[14]}"},
    )

"""Prophesee's DAT files: decoded events of eight bytes after a text header and two bytes of type and size.

Version 2 holds x and y in 14 bits each; version 1, of the ATIS camera (304x240), in 9 and 8. Time is 32 bits of
microseconds; wraps are followed.

Reference: Prophesee, "DAT File Format" (docs.prophesee.ai).
"""

from typing import BinaryIO

from longspike.events.decoding import Decoder
from longspike.events.faults import Faults
from longspike.events.formats.prophesee_header import read_header
from longspike.events.formats.source import Asked, Source, decoded

ATIS_SIZE = (304, 240)
PIXEL_TYPES = (0x00, 0x0C)
"""Event2d and EventCd; others (triggers) are no pixel events."""


def open_dat(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Eight bytes an event."""
    header = read_header(stream, faults)
    version = header.fields.get("version", "1").strip()
    if version not in ("1", "2"):
        faults.fail(f"is in version {version!r} of DAT; 1 and 2 are read", "Convert it to RAW.")
    kind = stream.read(2)
    if len(kind) < 2 or kind[0] not in PIXEL_TYPES or kind[1] != 8:
        faults.fail(
            f"must have events of type 0x00 or 0x0c and 8 bytes after its header; got {kind.hex(' ') or 'its end'}",
            "Only pixel events are read.",
        )
    decoder = Decoder("dat", faults, offset=header.num_bytes + 2, settings={2: int(version)})
    return Source(
        chunks=decoded(stream, decoder, faults),
        sensor_size=header.sensor_size(),
        likely_size=ATIS_SIZE if version == "1" else header.likely_size(),
        metadata=dict(header.fields),
    )

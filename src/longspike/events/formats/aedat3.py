"""AEDAT 3.1, as cAER writes it (and the DVS128 Gesture data set is in): packets of events of one type.

A packet has a header of 28 bytes, little-endian: type and source (16 bits each), event size, offset of the time in an
event, overflow of the time, capacity, number of events, number of valid ones (32 bits each). A polarity event (type 1) is
a word with the valid bit, the polarity, y in bits 2-16 and x in bits 17-31, then 31 bits of time in microseconds. Events
that are marked invalid, and packets of other types, are left out, as the format intends.

Reference: iniVation, "AEDAT 3.1" (docs.inivation.com).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from longspike.events.faults import Faults
from longspike.events.formats.inivation import as_metadata, find_sensor, read_lines
from longspike.events.formats.source import BLOCK_BYTES, Asked, Source, read_exactly
from longspike.events.record import EVENT_DTYPE

PACKET_HEADER = struct.Struct("<hhiiiiii")
POLARITY, EVENT_BYTES, TIME_OFFSET = 1, 8, 4
LAST_TYPE = 19


def _events(content: bytes, overflow: int) -> np.ndarray:
    """The valid events of a polarity packet's bytes."""
    words = np.frombuffer(content, "<u4").reshape(-1, 2)
    words = words[words[:, 0] & 1 == 1]
    events = np.empty(len(words), EVENT_DTYPE)
    events["x"], events["y"] = words[:, 0] >> 17, words[:, 0] >> 2 & 0x7FFF
    events["t"] = words[:, 1].astype(np.int64) + (overflow << 31)
    events["p"] = words[:, 0] >> 1 & 1
    return events


def _chunks(stream: BinaryIO, faults: Faults) -> Iterator[np.ndarray]:
    while header := stream.read(PACKET_HEADER.size):
        place = f"packet at byte {stream.tell() - len(header)}"
        if len(header) < PACKET_HEADER.size:
            faults.report(place, "the file ends within its header: it is truncated")
            return
        kind, _, event_bytes, time_offset, overflow, capacity, number, valid = PACKET_HEADER.unpack(header)
        is_polarity = kind == POLARITY
        if not (0 <= kind <= LAST_TYPE and 0 <= valid <= number <= capacity and event_bytes > 0 and overflow >= 0) or (
            is_polarity and (event_bytes, time_offset) != (EVENT_BYTES, TIME_OFFSET)
        ):
            faults.report(place, f"its header is damaged ({header.hex(' ')}); nothing after it can be found")
            return
        missing = number * event_bytes
        while missing:
            content = read_exactly(stream, min(missing, BLOCK_BYTES))
            if is_polarity:
                yield _events(content[: len(content) // EVENT_BYTES * EVENT_BYTES], overflow)
            missing -= len(content)
            if len(content) < BLOCK_BYTES and missing:
                faults.report(place, f"the file ends {missing} bytes before it does: it is truncated")
                return


def open_aedat3(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Packets after a text header."""
    lines = read_lines(stream, faults)
    if not lines or not lines[0].startswith("#!AER-DAT3.1"):
        faults.fail("does not start with #!AER-DAT3.1", "Is the format right?")
    if lines[-1] != "#!END-HEADER":
        faults.fail("has no line #!END-HEADER: it is truncated or damaged")
    encodings = [line.partition(":")[2].strip() for line in lines if line.startswith("#Format:")]
    if encodings not in ([], ["RAW"]):
        faults.fail(f"has its packets in the encoding {', '.join(encodings)}; only RAW is read", "Convert it.")
    found = {sensor for line in lines if line.startswith("#Source ") and (sensor := find_sensor(line))}
    size = found.pop()[1] if len(found) == 1 else None
    return Source(chunks=_chunks(stream, faults), sensor_size=size, metadata=as_metadata(lines))

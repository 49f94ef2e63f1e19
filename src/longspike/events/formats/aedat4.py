"""AEDAT 4, as DV and dv-processing write it: flatbuffers, plain or compressed with LZ4 or Zstandard.

A line "#!AER-DAT4.0", a header buffer with an XML description of the streams, then packets: stream (32 bits), length (32
bits), and a buffer. Events come in buffers "EVTS", 16 bytes each: time in microseconds (64 bits), x, y (16 bits), p.
Frames, IMU samples and triggers are left out. Of several streams of events the first is read; `metadata` names them.

Reference: iniVation, "AEDAT 4.0" (docs.inivation.com).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from longspike._core.limits import LARGEST_HEADER_BYTES, LARGEST_PACKET_BYTES, unpacked_limit, unpacks_to_too_much
from longspike.events.faults import Faults
from longspike.events.formats.compression import COMPRESSIONS, decompress
from longspike.events.formats.flatbuffer import Table
from longspike.events.formats.source import Asked, Damaged, Source, read_exactly, size_of
from longspike.events.record import EVENT_DTYPE

MAGIC = b"#!AER-DAT4.0\r\n"
ITEM_DTYPE = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("unused", "u1", 3)])


def _attributes(node: ElementTree.Element) -> dict[str, str]:
    return {attr.get("key", ""): attr.text or "" for attr in node.findall("attr")}


def _streams(text: str) -> dict[int, dict[str, str]]:
    """The attributes of each stream by its number, in order."""
    if "<!" in text:  # no entities, no document types: the format uses none
        raise ElementTree.ParseError("it has declarations")
    found = {}
    for node in ElementTree.fromstring(text).iterfind("./node[@name='outInfo']/node"):
        name = node.get("name", "")
        if name.isdecimal() and len(name) < 10:
            info = node.find("./node[@name='info']")
            found[int(name)] = _attributes(node) | (_attributes(info) if info is not None else {})
    return dict(sorted(found.items()))


def _events(content: bytes) -> np.ndarray:
    items = np.frombuffer(Table(content, b"EVTS").vector(0, ITEM_DTYPE.itemsize), ITEM_DTYPE)
    events = np.empty(len(items), EVENT_DTYPE)
    for name in "xytp":  # a negative coordinate wraps to one that lies outside of every sensor
        events[name] = items[name].view("<u2") if name in "xy" else items[name]
    return events


@dataclass(frozen=True, kw_only=True, slots=True)
class _Packets:
    """Where a file's packets lie and how they are packed.

    Args:
        number: of the stream that is read. others: the numbers of all streams.
        compression: a place in COMPRESSIONS.
        start, end: the first byte, and the one after the last, where the table of packets begins; -1 for the file's end.
    """

    number: int
    others: frozenset[int]
    compression: int
    start: int
    end: int


def _chunks(stream: BinaryIO, faults: Faults, packets: _Packets) -> Iterator[np.ndarray]:
    end, num_unpacked, num_bytes_of_file = packets.end, 0, size_of(stream)
    if 0 <= end < packets.start:
        faults.report("the header", f"its table of packets is said to lie at byte {end}, before the first packet")
        end = -1
    while (position := stream.tell()) < end or end < 0:
        header = stream.read(8)
        if not header and end < 0:
            return
        place = f"packet at byte {position}"
        owner, num_bytes = struct.unpack("<iI", header) if len(header) == 8 else (-1, 0)
        if num_bytes > LARGEST_PACKET_BYTES:
            faults.report(place, f"its header says {num_bytes} bytes, more than {LARGEST_PACKET_BYTES}: it is damaged")
            return
        content = read_exactly(stream, num_bytes)
        if len(header) < 8 or len(content) < num_bytes:
            faults.report(place, "the file ends within it: it is truncated, or its header is damaged")
            return
        if owner != packets.number:
            continue
        try:
            content = decompress(content, packets.compression)
            events = _events(content)
        except Damaged as error:
            faults.report(place, f"it is damaged: {error}")
            continue
        num_unpacked += len(content)
        if num_unpacked > unpacked_limit(num_bytes_of_file):
            faults.fail(unpacks_to_too_much(num_bytes_of_file))
        if (events["p"] > 1).any():
            faults.report(place, "a polarity is neither 0 nor 1", count=int((events["p"] > 1).sum()))
            events = events[events["p"] <= 1]
        yield events
    _check_table(stream, faults, packets)


def _check_table(stream: BinaryIO, faults: Faults, packets: _Packets) -> None:
    """Report what lies where the table of packets should, if it is a packet, or the rest of one."""
    position = stream.tell()
    header = stream.read(8)
    owner, num_bytes = struct.unpack("<iI", header) if len(header) == 8 else (-1, 0)
    is_packet = owner in packets.others and position + 8 + num_bytes <= size_of(stream)
    if position != packets.end or is_packet:
        what = f"the header says that the packets end at byte {packets.end}, and they do not: events may be missing"
        faults.report(f"byte {position}", what)


def open_aedat4(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Packets after a header."""
    if stream.read(len(MAGIC)) != MAGIC:
        faults.fail(f"does not start with {MAGIC.decode().strip()}", "Is the format right?")
    prefix = stream.read(4)
    num_bytes = struct.unpack("<I", prefix)[0] if len(prefix) == 4 else 0
    if num_bytes > LARGEST_HEADER_BYTES:
        faults.fail(f"says that its header has {num_bytes} bytes, more than {LARGEST_HEADER_BYTES}: it is damaged")
    head = prefix + read_exactly(stream, num_bytes)
    try:
        table = Table(head, b"IOHE")
        compression, end = table.number(0, "<i", 0), table.number(1, "<q", -1)
        streams = _streams(table.vector(2, 1).decode("utf-8"))
    except (Damaged, ElementTree.ParseError, UnicodeDecodeError) as error:
        faults.fail(f"has a damaged header: {error}")
    if not 0 <= compression < len(COMPRESSIONS):
        faults.fail(f"is compressed in a way ({compression}) that is not known")
    of_events = [number for number, attributes in streams.items() if attributes.get("typeIdentifier") == "EVTS"]
    if not of_events:
        faults.fail("holds no stream of events")
    number, attributes = of_events[0], streams[of_events[0]]
    sides = [attributes.get(name, "") for name in ("sizeX", "sizeY")]
    is_sized = all(side.isdecimal() and len(side) < 9 and 1 <= int(side) <= 1 << 15 for side in sides)
    metadata = attributes | {"event_streams": " ".join(map(str, of_events)), "stream": str(number)}
    packets = _Packets(number=number, others=frozenset(streams), compression=compression, start=stream.tell(), end=end)
    return Source(
        chunks=_chunks(stream, faults, packets),
        sensor_size=(int(sides[0]), int(sides[1])) if is_sized else None,
        metadata=metadata | {"compression": COMPRESSIONS[compression]},
    )

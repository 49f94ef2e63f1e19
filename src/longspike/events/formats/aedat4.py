"""AEDAT 4, as DV and dv-processing write it: flatbuffers, plain or compressed with LZ4 or Zstandard.

A line "#!AER-DAT4.0", a header buffer with an XML description of the streams, then packets: stream (32 bits), length (32
bits), and a buffer. Events come in buffers "EVTS", 16 bytes each: time in microseconds (64 bits), x, y (16 bits), p.
Frames, IMU samples and triggers are left out. Of several streams of events the first is read; `metadata` names them.

Reference: iniVation, "AEDAT 4.0" (docs.inivation.com).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from longspike.events.faults import Faults
from longspike.events.formats.compression import COMPRESSIONS, decompress
from longspike.events.formats.flatbuffer import Table
from longspike.events.formats.source import Damaged, Source, read_exactly
from longspike.events.record import EVENT_DTYPE

MAGIC = b"#!AER-DAT4.0\r\n"
LONGEST_HEADER = 1 << 24
ITEM_DTYPE = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("unused", "u1", 3)])


def _attributes(node: ElementTree.Element) -> dict[str, str]:
    return {attr.get("key", ""): attr.text or "" for attr in node.findall("attr")}


def _event_streams(text: str) -> list[tuple[int, dict[str, str]]]:
    """Number and attributes of each stream of events, in order."""
    if "<!" in text:  # no entities, no document types: the format uses none
        raise ElementTree.ParseError("it has declarations")
    found = []
    for node in ElementTree.fromstring(text).iterfind("./node[@name='outInfo']/node"):
        attributes = _attributes(node)
        if attributes.get("typeIdentifier") == "EVTS" and node.get("name", "").isdecimal():
            info = node.find("./node[@name='info']")
            found.append((int(node.get("name", "")), attributes | (_attributes(info) if info is not None else {})))
    return sorted(found, key=lambda pair: pair[0])


def _events(content: bytes) -> np.ndarray:
    items = np.frombuffer(Table(content, b"EVTS").vector(0, ITEM_DTYPE.itemsize), ITEM_DTYPE)
    events = np.empty(len(items), EVENT_DTYPE)
    for name in "xytp":  # a negative coordinate wraps to one that lies outside of every sensor
        events[name] = items[name].view("<u2") if name in "xy" else items[name]
    return events


def _chunks(stream: BinaryIO, faults: Faults, number: int, compression: int, end: int) -> Iterator[np.ndarray]:
    while (position := stream.tell()) < end or end < 0:
        header = stream.read(8)
        if not header and end < 0:
            return
        place = f"packet at byte {position}"
        owner, num_bytes = struct.unpack("<iI", header) if len(header) == 8 else (-1, 0)
        content = read_exactly(stream, num_bytes)
        if len(header) < 8 or len(content) < num_bytes:
            faults.report(place, "the file ends within it: it is truncated, or its header is damaged")
            return
        if owner != number:
            continue
        try:
            events = _events(decompress(content, compression))
        except Damaged as error:
            faults.report(place, f"it is damaged: {error}")
            continue
        if (events["p"] > 1).any():
            faults.report(place, "a polarity is neither 0 nor 1", count=int((events["p"] > 1).sum()))
            events = events[events["p"] <= 1]
        yield events


def open_aedat4(stream: BinaryIO, faults: Faults, sensor_size: tuple[int, int] | None) -> Source:
    """Packets after a header."""
    if stream.read(len(MAGIC)) != MAGIC:
        faults.fail(f"does not start with {MAGIC.decode().strip()}", "Is the format right?")
    prefix = stream.read(4)
    num_bytes = struct.unpack("<I", prefix)[0] if len(prefix) == 4 else 0
    head = prefix + read_exactly(stream, min(num_bytes, LONGEST_HEADER))
    try:
        table = Table(head, b"IOHE")
        compression, end = table.number(0, "<i", 0), table.number(1, "<q", -1)
        streams = _event_streams(table.vector(2, 1).decode("utf-8"))
    except (Damaged, ElementTree.ParseError, UnicodeDecodeError) as error:
        faults.fail(f"has a damaged header: {error}")
    if not 0 <= compression < len(COMPRESSIONS):
        faults.fail(f"is compressed in a way ({compression}) that is not known")
    if not streams:
        faults.fail("holds no stream of events")
    number, attributes = streams[0]
    sides = (attributes.get("sizeX", ""), attributes.get("sizeY", ""))
    is_sized = (
        all(side.isdecimal() and 1 <= int(side) <= 1 << 15 for side in sides if len(side) < 9)
        and max(map(len, sides)) < 9
    )
    metadata = attributes | {"event_streams": " ".join(str(k) for k, _ in streams), "stream": str(number)}
    return Source(
        chunks=_chunks(stream, faults, number, compression, end),
        sensor_size=(int(sides[0]), int(sides[1])) if is_sized else None,
        metadata=metadata | {"compression": COMPRESSIONS[compression]},
    )

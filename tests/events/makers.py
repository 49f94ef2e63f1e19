"""Recordings that the tests write themselves, by the published layouts, next to the events that they must give."""

import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from longspike.events import EVENT_DTYPE, WRITERS, make_events


class Made(NamedTuple):
    """A file's bytes and what reading it must give."""

    content: bytes
    events: np.ndarray
    format: str
    sensor_size: tuple[int, int] | None
    start_us: int = 0


def as_events(rows: list[tuple[int, int, int, int]]) -> np.ndarray:
    """Events from (x, y, t, p)."""
    return np.array(rows, EVENT_DTYPE)


def random_events(
    rng: np.random.Generator, count: int, sensor_size: tuple[int, int], *, longest_gap: int = 900, first: int = 0
) -> np.ndarray:
    """`count` events in order of time, the first at `first`; equal times among them."""
    t = np.cumsum(rng.integers(0, longest_gap, count))
    t += first - (t[0] if count else 0)
    width, height = sensor_size
    return make_events(rng.integers(0, width, count), rng.integers(0, height, count), t, rng.integers(0, 2, count))


def rebased(events: np.ndarray) -> np.ndarray:
    """The same events, with the first at time 0."""
    moved = events.copy()
    if len(moved):
        moved["t"] -= moved["t"][0]
    return moved


def _finish(content: bytes, events: np.ndarray, name: str, size: tuple[int, int] | None) -> Made:
    return Made(content, rebased(events), name, size, int(events["t"][0]) if len(events) else 0)


def make_evt2(rng: np.random.Generator, count: int) -> Made:
    """EVT2 over a wrap of its 34 bits, with triggers and extensions in between; the header as of old cameras."""
    events = random_events(rng, count, (640, 480), first=(1 << 34) - 700)
    words, high = [], None
    for x, y, t, p in events.tolist():
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high % (1 << 28))
        if rng.random() < 0.2:
            words += [0xA << 28 | 0x1234, 0xE << 28 | 7, 0xF << 28 | 9]
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    header = b"% Date 2020-09-14 09:03:25\n% plugin_name hal_plugin_gen3_fx3\n% evt 2.0\n"
    return _finish(header + np.array(words, "<u4").tobytes(), events, "evt2", (640, 480))


def _evt21(rng: np.random.Generator, count: int, *, is_legacy: bool) -> Made:
    rows: list[tuple[int, int, int, int]] = []
    words, high, t = [], None, (1 << 34) - 300
    while len(rows) < count:
        t += int(rng.integers(0, 50)) if rows else 0
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 60 | (high % (1 << 28)) << 32)
        x, y, p, valid = int(rng.integers(0, 40)) * 32, int(rng.integers(0, 720)), int(rng.integers(0, 2)), 0
        for column in sorted(set(rng.integers(0, 32, 1 + len(rows) % 4).tolist())):
            valid |= 1 << column
            rows.append((x + column, y, t, p))
        words.append(p << 60 | (t & 63) << 54 | x << 43 | y << 32 | valid)
        if rng.random() < 0.2:
            words += [0xA << 60 | 5, 0xE << 60]
    halves = np.array(words, "<u8").view("<u4").reshape(-1, 2)
    order = ";endianness=legacy" if is_legacy else ""
    header = f"% evt 2.1\n% format EVT21;height=720;width=1280{order}\n% end\n".encode()
    content = header + (halves[:, ::-1] if is_legacy else halves).tobytes()
    return _finish(content, as_events(rows), "evt21", (1280, 720))


def make_evt21(rng: np.random.Generator, count: int) -> Made:
    """EVT2.1, little-endian."""
    return _evt21(rng, count, is_legacy=False)


def make_evt21_legacy(rng: np.random.Generator, count: int) -> Made:
    """EVT2.1 with the halves of its words swapped."""
    return _evt21(rng, count, is_legacy=True)


def make_evt3(rng: np.random.Generator, count: int) -> Made:
    """EVT3 with single events, vectors of 12 and 8, other words, and wraps of its 24 bits."""
    rows: list[tuple[int, int, int, int]] = []
    words: list[int] = []
    high, low, y, t = None, None, None, (1 << 24) - 2000  # no wrap before the first event
    while len(rows) < count:
        t += int(rng.choice([0, 3, 700, 1 << 21], p=[0.3, 0.4, 0.2, 0.1])) if rows else 0
        if t >> 12 != high:
            high, low = t >> 12, 0
            words.append(0x8000 | high % 4096)
        if t & 4095 != low:
            low = t & 4095
            words.append(0x6000 | low)
        if y is None or rng.random() < 0.4:
            y = int(rng.integers(0, 720))
            words.append(y | int(rng.integers(0, 2)) << 11)
        p, x = int(rng.integers(0, 2)), int(rng.integers(0, 1240))
        if rng.random() < 0.5:
            words.append(0x2000 | p << 11 | x)
            rows.append((x, y, t, p))
        else:
            words.append(0x3000 | p << 11 | x)
            for kind, width in ((0x4, 12), (0x4, 12), (0x5, 8)):
                valid = int(rng.integers(0, 1 << width))
                words.append(kind << 12 | valid)
                rows += [(x + k, y, t, p) for k in range(width) if valid >> k & 1]
                x += width
        if rng.random() < 0.2:
            words += [0xA101, 0xE001, 0x7003, 0xF123]
    header = b"% evt 3.0\n% format EVT3;height=720;width=1280\n% geometry 1280x720\n% end\n"
    return _finish(header + np.array(words, "<u2").tobytes(), as_events(rows), "evt3", (1280, 720))


def make_dat2(rng: np.random.Generator, count: int) -> Made:
    """DAT, version 2, over a wrap of its 32 bits."""
    events = random_events(rng, count, (640, 480), first=(1 << 32) - 400)
    words = [(t % (1 << 32), p << 28 | y << 14 | x) for x, y, t, p in events.tolist()]
    header = b"% Data file containing CD events.\n% Version 2\n% Width 640\n% Height 480\n"
    return _finish(header + b"\x0c\x08" + np.array(words, "<u4").tobytes(), events, "dat", (640, 480))


def make_dat1(rng: np.random.Generator, count: int) -> Made:
    """DAT, version 1, of the ATIS camera."""
    events = random_events(rng, count, (304, 240), first=17)
    words = [(t, p << 17 | y << 9 | x) for x, y, t, p in events.tolist()]
    header = b"% Data file containing TD events.\n"
    return _finish(header + b"\x00\x08" + np.array(words, "<u4").tobytes(), events, "dat", (304, 240))


def make_aedat2_dvs128(rng: np.random.Generator, count: int) -> Made:
    """AEDAT2 of a DVS128, with external events in between."""
    events = random_events(rng, count, (128, 128), first=(1 << 32) - 400)
    words = []
    for x, y, t, p in events.tolist():
        if rng.random() < 0.2:
            words.append((0x8000 | 77, t % (1 << 32)))
        words.append(((127 - y) << 8 | (127 - x) << 1 | (1 - p), t % (1 << 32)))
    header = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
    return _finish(header + np.array(words, ">u4").tobytes(), events, "aedat2", (128, 128))


def make_aedat2_davis(rng: np.random.Generator, count: int) -> Made:
    """AEDAT2 of a DAVIS240, with frames, IMU samples and triggers in between."""
    events = random_events(rng, count, (240, 180), first=5)
    words = []
    for x, y, t, p in events.tolist():
        if rng.random() < 0.3:
            words += [(1 << 31 | 0x3FFF, t), (1 << 10 | 3 << 12, t)]
        words.append(((179 - y) << 22 | (239 - x) << 12 | p << 11, t))
    header = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n"
    return _finish(header + np.array(words, ">u4").tobytes(), events, "aedat2", (240, 180))


def make_aedat3(rng: np.random.Generator, count: int) -> Made:
    """AEDAT3.1: polarity packets with invalid events among them, IMU packets in between, an overflow of time."""
    events = random_events(rng, count, (128, 128), first=(1 << 31) - 1500)
    lines = ["#!AER-DAT3.1", "#Format: RAW", "#Source 1: DVS128", "#Start-Time: 2015-12-03 14:47:00 (TZ+0100)"]
    parts = ["".join(f"{line}\r\n" for line in [*lines, "#!END-HEADER"]).encode()]
    overflows = events["t"] >> 31
    for overflow in np.unique(overflows).tolist():
        for group in np.array_split(events[overflows == overflow], 2):
            words = []
            for x, y, t, p in group.tolist():
                words.append((x << 17 | y << 2 | p << 1 | 1, t % (1 << 31)))
                if rng.random() < 0.2:
                    words.append((5 << 17 | 9 << 2, t % (1 << 31)))  # marked invalid
            header = struct.pack("<hhiiiiii", 1, 1, 8, 4, overflow, len(words), len(words), len(group))
            imu = struct.pack("<hhiiiiii", 3, 1, 36, 4, overflow, 2, 2, 2) + bytes(72)
            parts += [header + np.array(words, "<u4").tobytes(), imu]
    return _finish(b"".join(parts), events, "aedat3", (128, 128))


def flatbuffer(identifier: bytes, field_bytes: list[bytes], tail: bytes) -> bytes:
    """A size-prefixed buffer of one table: its inline fields, and what follows it."""
    table_fields = 8 + 4 + 2 * len(field_bytes)
    table_fields += -table_fields % 4
    offsets, place = [], 4
    for field in field_bytes:
        offsets.append(place)
        place += len(field)
    fields = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), place, *offsets)
    fields += bytes(table_fields - 8 - len(fields))
    body = struct.pack("<I", table_fields) + identifier + fields + struct.pack("<i", table_fields - 8)
    body += b"".join(field_bytes) + tail
    return struct.pack("<I", len(body)) + body


def aedat4_file(packets: list[tuple[int, bytes]], *, compression: int = 0, end: int | None = None) -> bytes:
    """An AEDAT4 file of packets (stream, content), with streams 2 (IMU) and 5 (events); `end` overwrites where they end."""
    info = (
        b'<dv version="2.0"><node name="outInfo" path="/"><node name="2"><attr key="typeIdentifier">IMUS</attr></node>'
        b'<node name="5"><attr key="typeIdentifier">EVTS</attr><node name="info"><attr key="sizeX">320</attr>'
        b'<attr key="sizeY">240</attr></node></node></node></dv>'
    )
    data = b"".join(struct.pack("<iI", number, len(content)) + content for number, content in packets)
    string = struct.pack("<I", len(info)) + info + b"\0"

    def header(end: int) -> bytes:
        fields = [struct.pack("<i", compression), struct.pack("<q", end), struct.pack("<I", 4)]
        return b"#!AER-DAT4.0\r\n" + flatbuffer(b"IOHE", fields, string)

    table = b"the table of packets, which is not read"
    return header(len(header(0)) + len(data) if end is None else end) + data + table


def aedat4_packet(events: np.ndarray) -> bytes:
    """The buffer of a packet of events."""
    items = b"".join(struct.pack("<qhhBxxx", t, x, y, p) for x, y, t, p in events.tolist())
    return flatbuffer(b"EVTS", [struct.pack("<I", 4)], struct.pack("<I", len(events)) + items)


def _aedat4(rng: np.random.Generator, count: int, compression: int, pack: Callable[[bytes], bytes]) -> Made:
    events = random_events(rng, count, (320, 240), first=1605507493718345)
    packets = []
    for group in np.array_split(events, 3):
        packets += [(2, b"no EVT"), (5, pack(aedat4_packet(group)))]
    return _finish(aedat4_file(packets, compression=compression), events, "aedat4", (320, 240))


def make_aedat4(rng: np.random.Generator, count: int) -> Made:
    """AEDAT4 without compression."""
    return _aedat4(rng, count, 0, bytes)


def make_aedat4_lz4(rng: np.random.Generator, count: int) -> Made:
    """AEDAT4 with LZ4."""
    lz4 = pytest.importorskip("lz4.frame")
    return _aedat4(rng, count, 1, lambda content: lz4.compress(content, content_checksum=True))


def make_aedat4_zstd(rng: np.random.Generator, count: int) -> Made:
    """AEDAT4 with Zstandard."""
    zstandard = pytest.importorskip("zstandard")
    return _aedat4(rng, count, 3, zstandard.ZstdCompressor(write_checksum=True).compress)


def make_es(rng: np.random.Generator, count: int) -> Made:
    """Event Stream with long gaps and resets; rows count from the bottom."""
    events = random_events(rng, count, (320, 240), first=300)
    parts, latest = [b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", 320, 240)], 0
    for x, y, t, p in events.tolist():
        overflows, rest = divmod(t - latest, 127)
        parts.append(b"\xff" * overflows + (b"\xfe" if rng.random() < 0.2 else b""))
        parts.append(struct.pack("<BHH", rest << 1 | p, x, 239 - y))
        latest = t
    return Made(b"".join(parts), events, "es", (320, 240))


def make_nmnist(rng: np.random.Generator, count: int) -> Made:
    """N-MNIST, with markers of overflows."""
    events = random_events(rng, count, (34, 34), first=11)
    parts = []
    for k, (x, y, t, p) in enumerate(events.tolist()):
        if k == count // 2:
            parts.append(bytes([1, 240, 0, 0, 0]))
        parts.append(bytes([x, y]) + struct.pack(">I", p << 23 | t)[1:])
    moved = events.copy()
    moved["t"][count // 2 :] += 1 << 13
    return Made(b"".join(parts), moved, "nmnist", (34, 34))


def _written(name: str, rng: np.random.Generator, count: int) -> Made:
    events, stream = random_events(rng, count, (90, 70), first=40), io.BytesIO()
    WRITERS[name](stream, events, (90, 70))
    return Made(stream.getvalue(), events, name, (90, 70))


def make_npz(rng: np.random.Generator, count: int) -> Made:
    """Four arrays and the size, compressed."""
    return _written("npz", rng, count)


def make_npz_structured(rng: np.random.Generator, count: int) -> Made:
    """One structured array with other widths and a field more, not compressed, no size."""
    events = random_events(rng, count, (90, 70), first=40)
    wide = np.zeros(count, [("t", ">i8"), ("weight", "f4"), ("p", "?"), ("y", "i4"), ("x", "i8")])
    for name in "xytp":
        wide[name] = events[name]
    stream = io.BytesIO()
    np.savez(stream, labels=np.arange(3), recording=wide)
    return Made(stream.getvalue(), events, "npz", None)


def make_csv(rng: np.random.Generator, count: int) -> Made:
    """What `write` writes."""
    return _written("csv", rng, count)


def make_csv_t_first(rng: np.random.Generator, count: int) -> Made:
    """Blanks, another order, -1 for off, a comment in the middle."""
    events = random_events(rng, count, (90, 70), first=40)
    lines = [f"{t} {x} {y} {2 * p - 1}" for x, y, t, p in events.tolist()]
    lines.insert(count // 2, "# half of it")
    return Made(("%geometry:90,70\n# t x y p\n" + "\n".join(lines) + "\n").encode(), events, "csv", (90, 70))


def make_hdf5(rng: np.random.Generator, count: int) -> Made:
    """Four data sets in a group, as DSEC has them."""
    import h5py

    events, stream = random_events(rng, count, (90, 70), first=40), io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name in "xytp":
            file.create_dataset(f"events/{name}", data=events[name], chunks=(5,), compression="gzip")
        file["t_offset"] = np.int64(55_000_000)
        file.attrs["sensor_size"] = np.array([90, 70])
    return Made(stream.getvalue(), events, "hdf5", (90, 70), 55_000_000)


def make_hdf5_compound(rng: np.random.Generator, count: int) -> Made:
    """One compound data set with the camera's times, as Metavision has it (uncompressed)."""
    import h5py

    events, stream = random_events(rng, count, (90, 70), first=40_000), io.BytesIO()
    compound = np.zeros(count, [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    for name in "xytp":
        compound[name] = events[name]
    with h5py.File(stream, "w") as file:
        file["CD/events"] = compound
        file.attrs["width"], file.attrs["height"] = 90, 70
    return _finish(stream.getvalue(), events, "hdf5", (90, 70))


MAKERS: dict[str, Callable[[np.random.Generator, int], Made]] = {
    name.removeprefix("make_"): function
    for name, function in list(globals().items())
    if name.startswith("make_") and name != "make_events"
}
"""Every maker, by what it makes."""

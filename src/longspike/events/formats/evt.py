"""Prophesee RAW files: EVT 2.0, 2.1 and 3.0 words after a text header.

Reference: Prophesee, "RAW File Format", "EVT 2.0 Format", "EVT 2.1 Format" and "EVT 3.0 Format" (docs.prophesee.ai).
Time is 34 bits of microseconds in EVT2 and EVT2.1, 24 in EVT3; wraps are followed, as long as no two time words lie more
than half the range apart. External triggers and vendor's words give no events.
"""

from typing import BinaryIO

import numpy as np

from longspike.events.decoding import Decoder
from longspike.events.faults import Faults
from longspike.events.formats.prophesee_header import read_header
from longspike.events.formats.source import Asked, Source, decoded

LARGEST_SIDE = 2048
"""Of what 11 bits can address."""

MOST_TIME_WORDS = 1 << 24


def _open(name: str, stream: BinaryIO, faults: Faults) -> Source:
    header = read_header(stream, faults)
    found = header.encoding()
    if found is not None and found != name:
        faults.fail(f"holds {found} words, not {name}", f'Leave `format` out, or pass format="{found}".')
    endianness = header.options().get("endianness", header.fields.get("endianness", "little")).lower()
    if endianness not in ("little", "legacy") or (endianness == "legacy" and name != "evt21"):
        faults.fail(
            f"holds {name} words in {endianness}-endian order, which is not read", "Convert it to little-endian."
        )
    settings = {2: 1} if endianness == "legacy" else None
    decoder = Decoder(name, faults, offset=header.num_bytes, settings=settings)
    return Source(
        chunks=decoded(stream, decoder, faults),
        sensor_size=header.sensor_size(),
        likely_size=header.likely_size(),
        metadata=dict(header.fields),
    )


def open_evt2(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """EVT 2.0: 32-bit words."""
    return _open("evt2", stream, faults)


def open_evt21(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """EVT 2.1: 64-bit words, little-endian or, with "endianness=legacy", with their halves swapped."""
    return _open("evt21", stream, faults)


def open_evt3(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """EVT 3.0: 16-bit words."""
    return _open("evt3", stream, faults)


def _header(name: str, version: str, sensor_size: tuple[int, int]) -> bytes:
    width, height = sensor_size
    if max(sensor_size) > LARGEST_SIDE:
        raise ValueError(
            f"write: {name} addresses at most {LARGEST_SIDE} pixels a side; got {width}x{height}. Use npz."
        )
    lines = (
        f"evt {version}",
        f"format {name.upper()};height={height};width={width}",
        f"geometry {width}x{height}",
        "end",
    )
    return "".join(f"% {line}\n" for line in lines).encode("ascii")


def _time_words(t: np.ndarray, low_bits: int, high_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The high parts of time to send before each event, flat, and how many before each: none while it stays; in a leap,
    every quarter of the range that is passed, and at a wrap the largest and the smallest value, so that no reader misses a
    wrap in a silence of any length."""
    high = t >> low_bits
    before = np.concatenate([high[:1] - 1, high[:-1]])
    span, quarter = 1 << high_bits, 1 << (high_bits - 2)
    num_passed = high // quarter - before // quarter + (high + 1) // span - (before + 1) // span
    num_passed[:1] = 0
    counts = num_passed + (high != before)
    if counts.sum() > MOST_TIME_WORDS:
        raise ValueError(
            "write: the gaps between events take too many time words; got times up to "
            f"{int(t[-1])} µs. Split the recording, or use npz."
        )
    ends = np.cumsum(counts)
    words = np.empty(counts.sum(), np.int64)
    words[ends[counts > 0] - 1] = high[counts > 0]
    for k in np.flatnonzero(num_passed):
        quarters = np.arange(before[k] // quarter + 1, high[k] // quarter + 1) * quarter
        largest = np.arange((before[k] + 1) // span + 1, (high[k] + 1) // span + 1) * span - 1
        words[ends[k] - counts[k] : ends[k] - 1] = np.sort(np.concatenate([quarters, largest]))
    return words & (span - 1), counts


def _interleave(columns: list[tuple[np.ndarray, np.ndarray]], dtype: str) -> bytes:
    """Words of several kinds in the order of the events they belong to: (words, how many for each event)."""
    num_events = len(columns[0][1])
    places = np.concatenate([np.repeat(np.arange(num_events) * len(columns) + k, c[1]) for k, c in enumerate(columns)])
    words = np.concatenate([words for words, _ in columns])
    return words[np.argsort(places, kind="stable")].astype(dtype).tobytes()


def write_evt2(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """EVT 2.0. Time is kept modulo 2^34 µs."""
    stream.write(_header("evt2", "2.0", sensor_size))
    if not len(events):
        return
    x, y, t, p = (events[name].astype(np.int64) for name in "xytp")
    highs, counts = _time_words(t, 6, 28)
    words = p << 28 | (t & 0x3F) << 22 | x << 11 | y
    stream.write(_interleave([(8 << 28 | highs, counts), (words, np.ones_like(counts))], "<u4"))


def write_evt3(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """EVT 3.0, without vectors. Time is kept modulo 2^24 µs."""
    stream.write(_header("evt3", "3.0", sensor_size))
    if not len(events):
        return
    x, y, t, p = (events[name].astype(np.int64) for name in "xytp")
    highs, counts = _time_words(t, 12, 12)
    low_changes = (np.diff(t, prepend=-1) != 0).astype(np.int64)
    row_changes = (np.diff(y, prepend=-1) != 0).astype(np.int64)
    columns = [
        (0x8000 | highs, counts),
        (0x6000 | (t & 0xFFF)[low_changes > 0], low_changes),
        (y[row_changes > 0], row_changes),
        (0x2000 | p << 11 | x, np.ones_like(counts)),
    ]
    stream.write(_interleave(columns, "<u2"))

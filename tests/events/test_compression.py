"""Compressed packets: what was packed comes back, nothing damaged comes through, and no packet takes the memory."""

import tracemalloc
from collections.abc import Callable

import pytest

from longspike.events.formats import compression
from longspike.events.formats.compression import LARGEST_PACKET_BYTES, PIECE_BYTES, decompress
from longspike.events.formats.source import Damaged

CONTENT = b"events, events, events and their times; " * 40
LONG = bytes(range(256)) * (PIECE_BYTES // 64) + b"the end"  # more than four pieces
KINDS = {"LZ4": 1, "LZ4, harder": 2, "Zstandard": 3, "Zstandard, harder": 4}


def packer(kind: str) -> Callable[[bytes], bytes]:
    """A compressor of that kind, with a checksum of the content."""
    if kind.startswith("LZ4"):
        frame = pytest.importorskip("lz4.frame")
        level = 9 if "harder" in kind else 0
        return lambda content: frame.compress(content, compression_level=level, content_checksum=True)
    zstandard = pytest.importorskip("zstandard")
    return zstandard.ZstdCompressor(level=19 if "harder" in kind else 3, write_checksum=True).compress


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"x", CONTENT, LONG[: 2 * PIECE_BYTES], LONG], ids=len)
def test_round_trip(kind: str, content: bytes) -> None:
    assert decompress(packer(kind)(content), KINDS[kind]) == content


def test_plain_packets_are_left_alone() -> None:
    assert decompress(CONTENT, 0) is CONTENT


@pytest.mark.parametrize("kind", ["LZ4", "Zstandard"])
def test_every_flip_of_a_packet_is_noticed(kind: str) -> None:
    """Or it gives the same bytes: a few bits of a header say how it was packed, not what."""
    packed = packer(kind)(CONTENT)
    num_noticed = 0
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x10
        try:
            assert decompress(bytes(damaged), KINDS[kind]) in (CONTENT, b"")
        except Damaged:
            num_noticed += 1
    assert num_noticed > 0.8 * len(packed)


def test_a_frame_cut_anywhere_is_noticed() -> None:
    packed = packer("LZ4")(CONTENT)
    for length in range(len(packed)):
        with pytest.raises(Damaged, match=r"its LZ4 frame (ends early|is damaged)"):
            decompress(packed[:length], 1)


@pytest.mark.parametrize("kind", ["LZ4", "Zstandard"])
def test_a_packet_that_unpacks_to_too_much_is_refused_in_bounded_memory(kind: str, monkeypatch) -> None:
    limit = 5 * PIECE_BYTES
    monkeypatch.setattr(compression, "LARGEST_PACKET_BYTES", limit)
    bomb = packer(kind)(bytes(40 * PIECE_BYTES))
    assert len(bomb) < PIECE_BYTES
    tracemalloc.start()
    with pytest.raises(Damaged, match=f"it unpacks to more than {limit} bytes"):
        decompress(bomb, KINDS[kind])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit + 3 * PIECE_BYTES
    assert LARGEST_PACKET_BYTES >= 1 << 27


def test_a_size_that_lies_costs_no_memory() -> None:
    """An LZ4 frame can state the size of its content; this one states 2^60 bytes, under every checksum of the header."""
    frame = pytest.importorskip("lz4.frame")
    packed = bytearray(frame.compress(CONTENT, store_size=True))
    packed[6:14] = (1 << 60).to_bytes(8, "little")
    for checksum in range(256):
        packed[14] = checksum
        with pytest.raises(Damaged, match="its LZ4 frame is damaged"):
            decompress(bytes(packed), 1)

"""LZ4 frames: what our small compressor makes comes back, and nothing damaged comes through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.lz4_frames import compress, compress_block
from longspike.events import decoding, reference
from longspike.events.formats.lz4 import Damaged, decompress
from longspike.kernels import native

contents = st.one_of(
    st.binary(max_size=900),
    st.builds(
        lambda part, count, tail: part * count + tail,
        st.binary(max_size=9),
        st.integers(0, 300),
        st.binary(max_size=30),
    ),
)


@given(content=contents, is_linked=st.booleans(), with_checks=st.booleans(), block_bytes=st.sampled_from([30, 600]))
def test_round_trip(content: bytes, is_linked: bool, with_checks: bool, block_bytes: int) -> None:
    frame = compress(content, is_linked=is_linked, with_checks=with_checks, block_bytes=block_bytes)
    assert decompress(frame) == content


def test_long_runs_shrink_and_come_back() -> None:
    content = b"abcdefg" * 9000 + bytes(70_000) + bytes(range(256)) * 3
    frame = compress(content, block_bytes=60_000)
    assert len(frame) < len(content) // 20
    assert decompress(frame) == content


def test_published_digests() -> None:
    for digest in (reference.xxh32, decoding.xxh32):
        assert (digest(b""), digest(b"abc")) == (0x02CC5D05, 0x32D153FF)  # xxHash's own test vectors


@given(content=st.binary(max_size=100))
def test_digests_agree(content: bytes) -> None:
    assert reference.xxh32(content) == decoding.xxh32(content)


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
@given(block=st.one_of(st.binary(max_size=60), contents.map(compress_block)), capacity=st.integers(0, 2000))
def test_compiled_is_the_reference(block: bytes, capacity: int) -> None:
    """Any bytes, any room: the same bytes come out, or both refuse."""
    history = b"some bytes before"[: capacity // 2]
    outs = [np.zeros(capacity, np.uint8) for _ in range(2)]
    for out in outs:
        out[: len(history)] = np.frombuffer(history, np.uint8)
    ends = [decoding.lz4_block(block, outs[0], len(history)), reference.lz4_block(block, outs[1], len(history))]
    assert ends[0] == ends[1]
    if ends[0] >= 0:
        np.testing.assert_array_equal(outs[0][: ends[0]], outs[1][: ends[0]])


def test_every_flip_of_a_checked_frame_is_noticed() -> None:
    content = b"events, events, events and their times; " * 6
    frame = compress(content, block_bytes=90)
    for place in range(len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        with pytest.raises(Damaged):
            decompress(bytes(damaged))
    for length in range(len(frame)):
        with pytest.raises(Damaged):
            decompress(frame[:length])


def test_a_distance_cannot_leave_an_independent_block() -> None:
    first, second = compress_block(b"0123456789abcdef"), bytes([0x04, 16, 0, 0x50]) + b"vwxyz"
    frame = compress(b"", is_linked=False, with_checks=False)[:7]
    for block in (first, second):
        frame += len(block).to_bytes(4, "little") + block
    with pytest.raises(Damaged, match="a block is damaged"):
        decompress(frame + bytes(4))

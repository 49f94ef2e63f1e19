"""Decompression of LZ4 frames: the frame here, the blocks in C++ (or, without the extension, in Python).

Reference: Y. Collet, "LZ4 Frame Format Description" 1.6 and "LZ4 Block Format Description" (lz4.org).
"""

import struct

import numpy as np

from longspike.events.decoding import lz4_block, xxh32

MAGIC = 0x184D2204
BLOCK_SIZES = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}


class Damaged(Exception):
    """The bytes are no LZ4 frame, or a damaged one."""


class _Bytes:
    """A position in a frame."""

    def __init__(self, frame: bytes) -> None:
        self.frame, self.position = frame, 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > len(self.frame) - self.position:
            raise Damaged("it ends early")
        self.position += count
        return self.frame[self.position - count : self.position]

    def number(self) -> int:
        """The next 32-bit number."""
        return int(struct.unpack("<I", self.take(4))[0])


def _block(block: bytes, out: np.ndarray, position: int, *, is_plain: bool, is_linked: bool) -> int:
    """Append one block; the new position."""
    if is_plain:
        if len(block) > len(out) - position:
            raise Damaged("a block is longer than the frame allows")
        out[position : position + len(block)] = np.frombuffer(block, np.uint8)
        return position + len(block)
    start = 0 if is_linked else position
    end = lz4_block(block, out[start:], position - start)
    if end < 0:
        raise Damaged("a block is damaged")
    return start + end


def decompress(frame: bytes) -> bytes:
    """The content of one LZ4 frame.

    Raises: Damaged if it ends early, a length or a distance points outside, or a checksum that it carries is wrong.
    """
    data = _Bytes(frame)
    if data.number() != MAGIC:
        raise Damaged("it does not start as an LZ4 frame")
    flags, size_code = data.take(2)
    if flags >> 6 != 1 or flags & 2 or (size_code >> 4) not in BLOCK_SIZES:
        raise Damaged("its header is damaged")
    content_bytes = struct.unpack("<Q", data.take(8))[0] if flags & 8 else None
    if flags & 1:
        raise Damaged("it needs a dictionary")
    if data.take(1)[0] != xxh32(frame[4 : data.position - 1]) >> 8 & 0xFF:
        raise Damaged("its header is damaged")
    largest, out, position = BLOCK_SIZES[size_code >> 4], np.empty(0, np.uint8), 0
    while size := data.number():
        block = data.take(size & 0x7FFFFFFF)
        if flags & 0x10 and data.number() != xxh32(block):
            raise Damaged("the checksum of a block is wrong")
        if len(out) < position + largest:
            out = np.concatenate([out[:position], np.empty(max(position, 2 * largest), np.uint8)])
        end = _block(block, out[: position + largest], position, is_plain=bool(size >> 31), is_linked=not flags & 0x20)
        position = end
    content = out[:position].tobytes()
    if flags & 4 and data.number() != xxh32(content):
        raise Damaged("the checksum of its content is wrong")
    if content_bytes is not None and content_bytes != len(content):
        raise Damaged(f"it says {content_bytes} bytes and holds {len(content)}")
    return content

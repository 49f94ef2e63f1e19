"""LZ4 frames for tests: a greedy compressor with every optional part of the frame."""

import struct

from longspike.events.reference import xxh32


def _length(value: int) -> bytes:
    """What follows a length of 15 in a token."""
    if value < 15:
        return b""
    full, rest = divmod(value - 15, 255)
    return b"\xff" * full + bytes([rest])


def _sequence(literals: bytes, distance: int = 0, match: int = 0) -> bytes:
    token = min(len(literals), 15) << 4 | (min(match - 4, 15) if match else 0)
    tail = struct.pack("<H", distance) + _length(match - 4) if match else b""
    return bytes([token]) + _length(len(literals)) + literals + tail


def compress_block(content: bytes, history: bytes = b"") -> bytes:
    """One block; matches may reach into `history`. The last five bytes are literals, as the format demands."""
    data, seen, parts = history + content, {}, []
    position = first = len(history)
    for k in range(max(0, len(history) - 3)):
        seen[data[k : k + 4]] = k
    while position < len(data) - 12:
        key = data[position : position + 4]
        start = seen.get(key)
        seen[key] = position
        if start is None or position - start > 65535:
            position += 1
            continue
        match = 4
        while position + match < len(data) - 5 and data[start + match] == data[position + match]:
            match += 1
        parts.append(_sequence(data[first:position], position - start, match))
        position += match
        first = position
    return b"".join(parts) + _sequence(data[first:])


def compress(content: bytes, *, block_bytes: int = 600, is_linked: bool = True, with_checks: bool = True) -> bytes:
    """A frame of blocks of at most `block_bytes`; a block that does not shrink is stored."""
    flags = 0x40 | (0 if is_linked else 0x20) | (0x10 | 8 | 4 if with_checks else 0)
    descriptor = bytes([flags, 0x40]) + (struct.pack("<Q", len(content)) if with_checks else b"")
    parts = [struct.pack("<I", 0x184D2204), descriptor, bytes([xxh32(descriptor) >> 8 & 0xFF])]
    for first in range(0, len(content), block_bytes):
        plain = content[first : first + block_bytes]
        packed = compress_block(plain, content[:first] if is_linked else b"")
        is_plain = len(packed) >= len(plain)
        stored = plain if is_plain else packed
        parts += [struct.pack("<I", len(stored) | is_plain << 31), stored]
        if with_checks:
            parts.append(struct.pack("<I", xxh32(stored)))
    parts.append(bytes(4))
    if with_checks:
        parts.append(struct.pack("<I", xxh32(content)))
    return b"".join(parts)

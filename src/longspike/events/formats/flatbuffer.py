"""As much of the flatbuffers format as AEDAT4 needs, every access checked against the buffer's end.

Reference: Google, "FlatBuffers internals" (flatbuffers.dev).
"""

import struct

from longspike.events.formats.source import Damaged


def _read(buffer: bytes, layout: str, position: int) -> int:
    if not 0 <= position <= len(buffer) - struct.calcsize(layout):
        raise Damaged(f"an offset points to byte {position} of {len(buffer)}")
    return int(struct.unpack_from(layout, buffer, position)[0])


class Table:
    """The root table of a size-prefixed buffer.

    Args:
        buffer: the bytes from the size on.
        identifier: the four letters that name the schema.

    Raises: Damaged if an offset or a length points outside the buffer.
    """

    def __init__(self, buffer: bytes, identifier: bytes) -> None:
        if buffer[8:12] != identifier:
            raise Damaged(f"it is a buffer of {buffer[8:12]!r}, not of {identifier!r}")
        size = _read(buffer, "<I", 0)
        if size > len(buffer) - 4:
            raise Damaged(f"it says {size} bytes and has {len(buffer) - 4}")
        self._buffer = buffer[: size + 4]
        self._position = 4 + _read(self._buffer, "<I", 4)
        self._fields = self._position - _read(self._buffer, "<i", self._position)
        self._num_bytes = _read(self._buffer, "<H", self._fields)

    def _place(self, index: int) -> int | None:
        """Where a field's value is, None if it is left out."""
        entry = 4 + 2 * index
        if entry + 2 > self._num_bytes:
            return None
        offset = _read(self._buffer, "<H", self._fields + entry)
        return self._position + offset if offset else None

    def number(self, index: int, layout: str, default: int) -> int:
        """A number, in the words of the struct module."""
        place = self._place(index)
        return default if place is None else _read(self._buffer, layout, place)

    def vector(self, index: int, item_bytes: int) -> bytes:
        """The bytes of a vector of items (or of a string), empty if it is left out."""
        place = self._place(index)
        if place is None:
            return b""
        start = place + _read(self._buffer, "<I", place)
        length = _read(self._buffer, "<I", start)
        if length * item_bytes > len(self._buffer) - start - 4:
            raise Damaged(f"a vector of {length} items of {item_bytes} bytes does not fit")
        return self._buffer[start + 4 : start + 4 + length * item_bytes]

"""Decompression of packets, piece by piece, so that one that unpacks to more than any camera sends costs no memory."""

from collections.abc import Iterator

from longspike._core.extras import require
from longspike._core.limits import LARGEST_PACKET_BYTES
from longspike.events.formats.source import Damaged

COMPRESSIONS = ("none", "LZ4", "LZ4", "Zstandard", "Zstandard")
"""What the number in an AEDAT4 header means; the second of each kind compresses harder."""

PIECE_BYTES = 1 << 20


def _lz4(content: bytes) -> Iterator[bytes]:
    lz4 = require("lz4.frame", extra="events", purpose="reading AEDAT4 compressed with LZ4")
    frame = lz4.LZ4FrameDecompressor()
    try:
        piece = frame.decompress(content, PIECE_BYTES)
        while True:
            yield piece
            if frame.eof:
                return
            piece = frame.decompress(b"", PIECE_BYTES)
            if not piece and not frame.eof:
                raise Damaged("its LZ4 frame ends early")
    except RuntimeError as error:  # what the package raises for every fault of a frame
        raise Damaged(f"its LZ4 frame is damaged ({error})") from error


def _zstandard(content: bytes) -> Iterator[bytes]:
    zstandard = require("zstandard", extra="events", purpose="reading AEDAT4 compressed with Zstandard")
    reader = zstandard.ZstdDecompressor().stream_reader(content)
    try:
        while piece := reader.read(PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise Damaged(f"its Zstandard frame is damaged ({error})") from error


def decompress(content: bytes, compression: int) -> bytes:
    """The bytes of one packet.

    Args: compression, a place in COMPRESSIONS.
    Raises: Damaged if it ends early, is wrong, or holds more than LARGEST_PACKET_BYTES; MissingExtraError without
    the package.
    """
    kind = COMPRESSIONS[compression]
    if kind == "none":
        return content
    parts, total = [], 0
    for piece in _lz4(content) if kind == "LZ4" else _zstandard(content):
        parts.append(piece)
        total += len(piece)
        if total > LARGEST_PACKET_BYTES:
            raise Damaged(f"it unpacks to more than {LARGEST_PACKET_BYTES} bytes")
    return b"".join(parts)

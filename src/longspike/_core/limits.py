"""How much memory and time a file may cost, whatever it says of itself: every bound of a reader, in one place.

A file that breaks one is refused with an error that names the bound. docs/limits.md lists them.
"""

UNPACKED_FREE_BYTES = 1 << 28
"""What any compressed file may unpack to, however small it is: 256 MiB."""
LARGEST_RATIO = 200
"""Beyond that, bytes unpacked for each byte of the file. Recordings and images reach 20, bombs begin at 1,000."""
LARGEST_PACKET_BYTES = 1 << 28
"""An AEDAT4 packet, packed or unpacked: 16 million events, where cameras send packets of some thousands."""
LARGEST_CHUNK_BYTES = 1 << 28
"""A chunk of an HDF5 data set, which the library unpacks at once."""
LARGEST_ENTRY_BYTES = 1 << 10
"""One entry of an array of events; the largest fields of events take 8 bytes."""
LARGEST_HEADER_BYTES = 1 << 24
"""The header of AEDAT4."""
LARGEST_AEDAT_HEADER_BYTES = 1 << 20
"""The lines that begin AEDAT2 and AEDAT3."""
LARGEST_PROPHESEE_HEADER_BYTES = 1 << 16
"""The lines that begin RAW and DAT."""
LARGEST_LINE_BYTES = 1 << 16
"""A line of a text with events."""
LARGEST_PICKLE_BYTES = 1 << 28
"""A pickled batch of CIFAR-10, which has 31 MB, and the texts that it may turn into bytes."""
LARGEST_TEXT = 1 << 24
"""Characters of a text in a file of pairs of texts."""
HIGHEST_RATE_HZ = 1_000_000
"""The sampling rate of sound."""
LARGEST_FILTERBANK = 1 << 27
"""Channels times samples of sound that are filtered at once; complex numbers of 8 bytes."""
LARGEST_TABLE_BYTES = 1 << 30
"""A table or text that is read whole: 1 GiB. Its cells take several times as much."""
LARGEST_TABLE_CELL = 1 << 16
"""Characters of one cell of a table."""
MOST_AXES = 32
"""The axes of an array in a file."""
LARGEST_LENGTH = 1 << 48
"""The entries of an array in a file along an axis, and altogether where an axis of length 0 hides them."""
MOST_LINKS = 8
"""The links that a path in an HDF5 file may lead through."""


def unpacked_limit(packed_bytes: int) -> int:
    """The bytes that a compressed file of `packed_bytes` may unpack to.

    Example:
        >>> unpacked_limit(0) == 1 << 28, unpacked_limit(10_000_000) - unpacked_limit(0)
        (True, 2000000000)
    """
    return UNPACKED_FREE_BYTES + LARGEST_RATIO * packed_bytes


def unpacks_to_too_much(packed_bytes: int) -> str:
    """What is wrong with a file that does not keep `unpacked_limit`, for a message."""
    return (
        f"unpacks to more than {unpacked_limit(packed_bytes):,} bytes, the bound for a file of {packed_bytes:,}: "
        "it is damaged, or made to fill the memory"
    )

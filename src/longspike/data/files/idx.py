"""Reader and writer of idx files, the array format of MNIST, plain or gzip-compressed.

Layout, big-endian: two zero bytes, a type code, the number of axes, one uint32 per axis, then the values in C order.
"""

import gzip
import math
import os
import struct
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np

from longspike._core.limits import LARGEST_LENGTH, MOST_AXES, unpacked_limit
from longspike.errors import DataFileError
from longspike.events.faults import check_regular, shortened

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type codes of the format and what they stand for, in numpy's words."""

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20


def _read_up_to(stream: BufferedReader | gzip.GzipFile, num_bytes: int) -> bytearray:
    """At most `num_bytes`, in chunks: a header that promises too much costs no more than the file holds."""
    content = bytearray()
    while len(content) < num_bytes:
        chunk = stream.read(min(CHUNK_BYTES, num_bytes - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def _read_stream(stream: BufferedReader | gzip.GzipFile, path: Path, most_bytes: int) -> np.ndarray:
    """The array of an uncompressed stream of at most `most_bytes`; `path` is for the messages."""
    head = _read_up_to(stream, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in DTYPES:
        codes = ", ".join(f"0x{code:02x}" for code in DTYPES)
        raise DataFileError(
            f"{path} is not an idx file: it must start with 00 00, a type code of {codes}, and the number of axes; "
            f"got {head.hex(' ') or 'an empty file'}. Download it again."
        )
    dtype, num_axes = np.dtype(DTYPES[head[2]]), head[3]
    if num_axes > MOST_AXES:
        raise DataFileError(f"{path} must have at most {MOST_AXES} axes; got {num_axes}. Download it again.")
    sizes = _read_up_to(stream, 4 * num_axes)
    if len(sizes) < 4 * num_axes:
        raise DataFileError(f"{path} is truncated: it ends within the sizes of its {num_axes} axes. Download it again.")
    shape = struct.unpack(f">{num_axes}I", sizes)
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > most_bytes or math.prod(filter(None, shape)) > LARGEST_LENGTH:
        raise DataFileError(
            f"{path} is truncated: shape {shortened(str(shape), 80)} needs {shortened(str(num_bytes), 30)} bytes after the "
            f"header, and it can hold {most_bytes} at most. Download it again."
        )
    content = _read_up_to(stream, num_bytes)
    if len(content) < num_bytes:
        raise DataFileError(
            f"{path} is truncated: shape {shape} needs {num_bytes} bytes after the header; got {len(content)}. "
            "Download it again."
        )
    if stream.read(1):
        raise DataFileError(
            f"{path} has trailing bytes: shape {shape} needs exactly {num_bytes} bytes after the header. "
            "Download it again."
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array that an idx file holds, in the machine's byte order, writable.

    A gzip file is known by its first bytes, not by its name.

    Raises: DataFileError, naming the path, if the file is missing, has a wrong magic number, ends early, goes on after
    the last value, or is a broken gzip file.
    """
    path = Path(path)
    check_regular(path)
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if stream.peek(2)[:2] != GZIP_MAGIC:
                return _read_stream(stream, path, size)
            with gzip.GzipFile(fileobj=stream) as unzipped:
                return _read_stream(unzipped, path, unpacked_limit(size))
    except DataFileError:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFileError(f"{path} is a broken gzip file ({error}). Download it again.") from error
    except OSError as error:
        raise DataFileError(
            f"{path} cannot be read ({error.strerror}). Check that it exists and its rights."
        ) from error


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as an idx file, gzip-compressed if the name ends in .gz; an existing file is replaced.

    The same array gives the same bytes: the gzip header carries no time.

    Raises: ValueError if the array's dtype is none of the format's, or it has more than 255 axes.
    """
    path = Path(path)
    codes = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(
            f"write_idx: `array` must have one of the dtypes {', '.join(str(dtype) for dtype in codes)}; "
            f"got {array.dtype}. Convert it with x.astype(...)."
        )
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    content = header + array.astype(DTYPES[code]).tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)

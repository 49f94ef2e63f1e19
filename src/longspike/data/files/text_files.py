"""Many small files of text, read once and cached as one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspike.data.files.cache import cache_folder, fingerprint, read_array, write_array
from longspike.errors import DataFileError

CACHE_VERSION = "texts 1"


def read_texts(paths: Sequence[Path]) -> list[bytes]:
    """The contents of files, cached as texts-<fingerprint>.npy in `cache_folder()`: the lengths, then all bytes.

    A changed, added or removed file gives another fingerprint; a damaged cache is made again.

    Raises: DataFileError if a file cannot be read or the cache cannot be written.
    """
    cache_path = cache_folder() / f"texts-{fingerprint(paths, version=CACHE_VERSION)}.npy"
    stored = read_array(cache_path)
    if stored is None or stored.dtype != np.uint8 or stored.ndim != 1 or len(stored) < 8 * len(paths):
        return _read_and_cache(paths, cache_path)
    ends = stored[: 8 * len(paths)].view(np.int64).cumsum()
    if len(stored) != 8 * len(paths) + (int(ends[-1]) if len(ends) else 0):
        return _read_and_cache(paths, cache_path)
    content = stored[8 * len(paths) :].tobytes()
    return [content[start:end] for start, end in zip([0, *ends.tolist()], ends.tolist(), strict=False)]


def _read_and_cache(paths: Sequence[Path], cache_path: Path) -> list[bytes]:
    contents = []
    for path in paths:
        try:
            contents.append(path.read_bytes())
        except OSError as error:
            raise DataFileError(f"{path} cannot be read ({error.strerror}). Unpack the files again.") from error
    lengths = np.array([len(content) for content in contents], np.int64)
    write_array(cache_path, np.concatenate([lengths.view(np.uint8), np.frombuffer(b"".join(contents), np.uint8)]))
    return contents


def as_text(path: Path, content: bytes) -> str:
    """The text of a file in UTF-8.

    Raises: DataFileError, naming the file, if it is none.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"{path} must be text in UTF-8; byte {error.start} is not. Unpack the files again."
        ) from error

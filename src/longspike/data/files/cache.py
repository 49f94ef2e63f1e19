"""The cache of decoded files: its folder, its keys, and arrays in it."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from longspike._core.files import replace_folder
from longspike.data.files.sealed import read_folder, seal
from longspike.errors import DataFileError


def cache_folder() -> Path:
    """Where decoded data are kept: LONGSPIKE_CACHE, else ~/.cache/longspike."""
    return Path(os.environ.get("LONGSPIKE_CACHE") or "~/.cache/longspike").expanduser()


def fingerprint(paths: Iterable[Path], *, version: str) -> str:
    """A key of a list of files: SHA-256 over the version and each file's folder, name, size and time of change, in order.

    Args:
        version: of the decoding; another one gives another key.
    """
    digest = hashlib.sha256(version.encode())
    for path in paths:
        status = os.stat(path)
        name = os.fsencode(f"{path.parent.name}/{path.name}")  # names that the locale cannot read are names too
        digest.update(b"\n" + name + f" {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def read_array(path: Path) -> np.ndarray | None:
    """The array of an .npy file; None where the file is absent or damaged and has to be made again."""
    try:
        return np.load(path, allow_pickle=False)
    except Exception:  # numpy's header parser is one of Python's own and raises nearly anything
        return None


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file under a temporary name and rename it, so that readers see all of it or none.

    Raises: DataFileError if it cannot be written.
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(8)}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.save(temporary, array)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataFileError(
            f"{path}: the decoded data cannot be cached ({error.strerror}). Set LONGSPIKE_CACHE to a folder that can "
            "be written."
        ) from error


def cached_folder(name: str, key: str, write: Callable[[Path], None]) -> dict[str, np.ndarray]:
    """The arrays that `write` leaves as .npy files in a new folder; made at the first call, then mapped from there.

    The folder <name>-<key> of the cache carries their checksums; one that is damaged is made again.

    Args: key: of what they are made of, by `fingerprint`.
    Raises: DataFileError if they cannot be written; what `write` raises.
    """
    folder, settings = cache_folder() / f"{name}-{key}", {"key": key}
    with contextlib.suppress(Exception):  # absent or damaged; numpy's header parser raises nearly anything
        return read_folder(folder, settings=settings, remedy="")

    def write_sealed(new: Path) -> None:
        write(new)
        seal(new, settings=settings)

    try:
        replace_folder(folder, write_sealed)
    except OSError as error:
        if isinstance(error.__cause__, DataFileError):  # what `write` says of the files that it reads
            raise error.__cause__ from None
        raise DataFileError(
            f"{folder}: the decoded data cannot be cached ({error}) Set LONGSPIKE_CACHE to a folder that can be written."
        ) from error
    return read_folder(folder, settings=settings, remedy="")


def cached_arrays(name: str, key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """As `cached_folder`, of arrays that `make` returns, by name."""

    def write(new: Path) -> None:
        for each, array in make().items():
            np.save(new / f"{each}.npy", array)

    return cached_folder(name, key, write)

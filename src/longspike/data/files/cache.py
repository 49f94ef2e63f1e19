"""The cache of decoded files: its folder, its keys, and arrays in it."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from longspike._core.files import replace_folder
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


def cached_arrays(name: str, key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays that `make` returns, by name; made at the first call, then mapped from the folder <name>-<key>.

    Args: key: of what they are made of, by `fingerprint`.
    Raises: DataFileError if they cannot be written; what `make` raises.
    """
    folder = cache_folder() / f"{name}-{key}"
    try:
        return _mapped(folder)
    except Exception:  # absent or damaged; numpy's header parser raises nearly anything
        arrays = make()

    def write(new: Path) -> None:
        for each, array in arrays.items():
            np.save(new / f"{each}.npy", array)

    try:
        replace_folder(folder, write)
    except OSError as error:
        raise DataFileError(
            f"{folder}: the decoded data cannot be cached ({error}) Set LONGSPIKE_CACHE to a folder that can be written."
        ) from error
    return _mapped(folder)


def _mapped(folder: Path) -> dict[str, np.ndarray]:
    paths = [path for path in os.scandir(folder) if path.name.endswith(".npy")]
    if not paths:
        raise FileNotFoundError(folder)
    return {Path(path.name).stem: np.load(path.path, mmap_mode="c", allow_pickle=False) for path in paths}

"""Files and folders that are written whole or not at all, also if the process is killed or the machine loses power.

What is new is written beside its place, in a folder `.NAME.<token>.partial`, flushed to the disk, and moved to its place by
one rename. The writer holds a lock on that folder while it lives, so the next writer of NAME can tell and sweep what killed
ones left. An old folder is swapped with the new one in one step where the system can (Linux, local disks). Elsewhere (NFS,
macOS) there are two renames; between them the old folder lies in `.NAME.<token>.partial/old`, where `find_folder` finds it.
"""

import contextlib
import ctypes
import errno
import fcntl
import io
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from longspike.errors import FileWriteError

_NEW, _OLD, _DONE = "new", "old", "done"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_SPACE = "Free some space or choose another place."
_RIGHTS = "Choose a place that you may write to."
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.EISDIR: "Name a file, not a folder.",
}


def replace_file(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Make the file `path` of what `write` writes into the stream that it gets; an old file keeps its rights.

    The folder is made. A link is followed. A device or a pipe (/dev/stdout) is written to directly.

    Raises: FileWriteError, an OSError, that names `path` and the reason; the old file is then unchanged.
    """
    path = Path(path)
    with _named(path):
        if path.exists() and not path.is_file():
            with open(path, "wb") as stream:
                write(stream)
            return
        place = Path(os.path.realpath(path))
        with _staging(place) as staging:
            _write_stream(staging / _NEW, write)
            if place.exists():
                shutil.copymode(place, staging / _NEW)
            os.replace(staging / _NEW, place)
            _flush_folder(place.parent)


def replace_text(path: str | Path, text: str) -> None:
    """`replace_file` with `text` in UTF-8."""
    replace_file(path, lambda stream: stream.write(text.encode()))


def replace_folder(path: str | Path, write: Callable[[Path], object]) -> None:
    """Make the folder `path` of the files that `write` puts into the empty folder that it gets.

    An old folder goes, with all that is in it: whether it may is for the caller to check. A link is followed.

    Raises: FileWriteError, an OSError, that names `path` and the reason; the old folder is then unchanged.
    """
    path = Path(path)
    with _named(path):
        place = Path(os.path.realpath(path))
        with _staging(place) as staging:
            new = staging / _NEW
            new.mkdir()
            write(new)
            _flush_tree(new)
            if place.exists():
                shutil.copymode(place, new)
            if not (place.exists() and _exchange(new, place)):
                if place.exists():
                    os.replace(place, staging / _OLD)
                os.replace(new, place)
            _flush_folder(place.parent)


def check_place(path: str | Path) -> None:
    """Try whether the file `path` could be written, before the work whose result it is to hold; nothing is left there.

    Raises: FileWriteError as `replace_file` would.
    """
    path = Path(path)
    with _named(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.is_file() or not path.exists():
            with _staging(Path(os.path.realpath(path))):
                pass


def find_folder(path: str | Path) -> Path:
    """Where the folder written to `path` is: there, or where a writer killed between two renames has left the old one."""
    path = Path(path)
    if not path.exists():
        place = Path(os.path.realpath(path))
        for staging in _stagings(place):
            if (staging / _OLD).is_dir():
                return staging / _OLD
    return path


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every OSError as a FileWriteError about `path`."""
    try:
        yield
    except FileWriteError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "Choose another place.")
        named = FileWriteError(f"cannot write {path}: {reason}. {remedy}")
        named.errno, named.filename = error.errno, str(path)
        raise named from error


@contextlib.contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """A new, locked folder beside `place`, gone at the end; first what killed writers of `place` have left is swept."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in _stagings(place):
        with _locked(left, without_locks=False) as is_ours:
            if is_ours:
                _settle(left, place)
    while True:
        folder = place.with_name(f".{place.name}.{secrets.token_hex(8)}.partial")
        folder.mkdir()
        with _locked(folder, without_locks=True) as is_ours:
            if not is_ours:  # another writer has swept it before it was locked
                continue
            try:
                yield folder
            finally:
                _settle(folder, place)
            return


def _stagings(place: Path) -> list[Path]:
    """The folders in which writers of `place` are at work or were killed."""
    ours = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{16}}\.partial")
    try:
        names = os.listdir(place.parent)
    except OSError:
        return []
    return [place.parent / name for name in sorted(names) if ours.fullmatch(name)]


@contextlib.contextmanager
def _locked(folder: Path, *, without_locks: bool) -> Iterator[bool]:
    """Whether `folder` is there and locked by nobody else; then it is locked here. The system unlocks for the dead.

    Args: without_locks: the answer where the file system has no locks.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(handle), os.stat(folder))
        except OSError as error:
            is_ours = without_locks and error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF)
        yield is_ours
    finally:
        os.close(handle)


def _settle(staging: Path, place: Path) -> None:
    """Put an old folder back if nothing has taken its place, then remove `staging`, never leaving half of it as old."""
    old = staging / _OLD
    with contextlib.suppress(OSError):
        if old.exists():
            os.replace(old, place if not place.exists() else staging / _DONE)
    if not old.exists():
        shutil.rmtree(staging, ignore_errors=True)


def _exchange(new: Path, place: Path) -> bool:
    """Swap two folders in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(place), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code))


class _Raw(io.FileIO):
    """A file that remembers why it could not be written, since PyTorch loses the reason."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.failure = error
            raise


def _write_stream(file: Path, write: Callable[[BinaryIO], object]) -> None:
    raw = _Raw(file, "xb")
    try:
        with io.BufferedWriter(raw) as stream:
            write(stream)
            stream.flush()
            os.fsync(raw.fileno())
    except Exception as error:
        if raw.failure is None or raw.failure is error:
            raise
        raise raw.failure from error


def _flush_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            with open(Path(parent) / name, "rb") as stream:
                os.fsync(stream.fileno())
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk; some network file systems do that by themselves and know no such call."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)

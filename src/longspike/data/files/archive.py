"""Safe unpacking of a tar archive into a folder."""

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from longspike._core.limits import unpacked_limit, unpacks_to_too_much
from longspike.errors import DataFileError

OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""What opens a compressed archive, by its first bytes."""
CHUNK_BYTES = 1 << 20


def _contents_only(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """The standard library's filter for data, stricter: only files and folders, names that are safe on any system.

    Only contents are taken: no owners, rights or times.
    """
    path = PurePosixPath(member.name)
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        raise tarfile.OutsideDestinationError(member, member.name)
    return tarfile.data_filter(member, folder).replace(mode=None, mtime=None, deep=False)  # type: ignore[arg-type]


def _check_unpacked(archive: Path) -> None:
    """Read the archive to its end, which checks its checksum; raise if it unpacks to more than a file of its size may."""
    num_bytes, total = archive.stat().st_size, 0
    with archive.open("rb") as stream:
        head = stream.read(max(map(len, OPENERS)))
    opener = next((opener for magic, opener in OPENERS.items() if head.startswith(magic)), open)
    with opener(archive, "rb") as unpacked:
        while piece := unpacked.read(CHUNK_BYTES):
            total += len(piece)
            if total > unpacked_limit(num_bytes):
                raise DataFileError(f"{archive} {unpacks_to_too_much(num_bytes)}. Nothing was unpacked; do not use it.")


def _file_names(tar: tarfile.TarFile) -> list[str]:
    """The names of the files in an archive; raise unless zeros end it: the library takes a damaged member for the end."""
    names = [member.name for member in tar.getmembers() if member.isfile()]
    stream: Any = tar.fileobj
    stream.seek(tar.offset)  # type: ignore[attr-defined]
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError(f"it is truncated or damaged after {len(names)} files")
    return names


def _check_no_links(folder: Path, names: list[str]) -> None:
    """Raise if a folder that a member would go into is a link already: it could lead anywhere."""
    parents = {parent for name in names for parent in Path(name).parents}
    for parent in sorted(parents - {Path(".")}):
        if (folder / parent).is_symlink():
            raise DataFileError(
                f"{folder / parent} is a link, and unpacking would write where it leads. Nothing was unpacked; remove it."
            )


def unpack(archive: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack the files of a tar archive, compressed or not, below `folder`; existing ones are replaced.

    All are written to a temporary folder, and only when every member was found sound is each renamed into place.

    Returns: the paths of the files, in the archive's order.
    Raises: DataFileError, naming the member, if one would land outside `folder`, also by a link that is there already, is
    a link or a device, or the archive is truncated, unpacks to too much or cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_unpacked(archive)
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
            names = _file_names(tar)
            tar.extractall(temporary, filter=_contents_only)
            _check_no_links(folder, names)
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary) / name, folder / name)
    except DataFileError:
        raise
    except tarfile.SpecialFileError as error:
        raise DataFileError(
            f"{archive} must hold files and folders only; member {error.tarinfo.name!r} is a link or a device. "
            "Nothing was unpacked; do not use it."
        ) from error
    except tarfile.FilterError as error:
        raise DataFileError(
            f"{archive} would write outside its folder: member {error.tarinfo.name!r}. Nothing was unpacked; do not "
            "use it."
        ) from error
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise DataFileError(
            f"{archive} cannot be unpacked in {folder} ({error}). Download it again, and check that the folder can be "
            "written and has room."
        ) from error
    return tuple(folder / name for name in names)

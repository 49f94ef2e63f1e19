"""Safe unpacking of a tar archive into a folder."""

import os
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from longspike.errors import DataFileError


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


def unpack(archive: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack the files of a tar archive, compressed or not, below `folder`; existing ones are replaced.

    All are written to a temporary folder, and only when every member was found sound is each renamed into place.

    Returns: the paths of the files, in the archive's order.
    Raises: DataFileError, naming the member, if one would land outside `folder`, is a link or a device, or the archive
    cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
            names = [member.name for member in tar.getmembers() if member.isfile()]
            tar.extractall(temporary, filter=_contents_only)
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary) / name, folder / name)
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
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataFileError(
            f"{archive} cannot be unpacked in {folder} ({error}). Download it again, and check that the folder can be "
            "written and has room."
        ) from error
    return tuple(folder / name for name in names)

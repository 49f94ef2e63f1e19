"""Safe unpacking of a tar archive into a folder."""

import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from longspike.errors import DataFileError


def check_member(archive: Path, member: tarfile.TarInfo) -> None:
    """Raise unless the member is a file or a folder that stays below the folder it is unpacked into."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        raise DataFileError(
            f"{archive} would write outside its folder: member {member.name!r}. Nothing was unpacked; do not use it."
        )
    if not (member.isfile() or member.isdir()):
        raise DataFileError(
            f"{archive} must hold files and folders only; member {member.name!r} is a link or a device. "
            "Nothing was unpacked; do not use it."
        )


def unpack(archive: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack the files of a tar archive, compressed or not, below `folder`; existing ones are replaced.

    Every member is checked before the first is written, all are written to a temporary folder, and each is then
    renamed into place. Only contents are taken: no owners, rights or times.

    Returns: the paths of the files, in the archive's order.
    Raises: DataFileError, naming the member, if one would land outside `folder`, is a link or a device, or the archive
    cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
            members = tar.getmembers()
            for member in members:
                check_member(archive, member)
            files = [member for member in members if member.isfile()]
            names = [member.name for member in files]
            for member in files:
                content = tar.extractfile(member)
                if content is None:
                    raise tarfile.ReadError(f"member {member.name!r} has no content")
                target = Path(temporary) / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with content, open(target, "wb") as stream:
                    shutil.copyfileobj(content, stream)
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary) / name, folder / name)
    except DataFileError:
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataFileError(
            f"{archive} cannot be unpacked in {folder} ({error}). Download it again, and check that the folder can be "
            "written and has room."
        ) from error
    return tuple(folder / name for name in names)

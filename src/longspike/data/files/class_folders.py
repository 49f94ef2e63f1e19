"""Files in one folder per class: their paths and labels."""

import os
from pathlib import Path

import numpy as np

from longspike.errors import DataFileError


def list_classes(folder: Path) -> tuple[str, ...]:
    """The names of the folders in `folder`, sorted; those that begin with a dot are left out.

    Raises: DataFileError if `folder` cannot be listed or holds no folder.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataFileError(f"{folder} cannot be listed ({error.strerror}). Check the path and its rights.") from error
    if not names:
        raise DataFileError(f"{folder} must hold one folder per class; got none. Sort the files into such folders.")
    return tuple(names)


def list_class_files(
    folder: Path, class_names: tuple[str, ...], *, kind: str, suffixes: tuple[str, ...] = ("",)
) -> tuple[list[Path], np.ndarray]:
    """The files below folder/<class>/, by class in the order given and by name within a class.

    Args:
        kind: what the files hold, for the messages.
        suffixes: endings in lower case that are taken, whatever the case of a name; names that begin with a dot never.
    Returns: the paths, and their labels, int64, (num_samples,).
    Raises: DataFileError if a class has no folder or no file.
    """
    paths: list[Path] = []
    counts = []
    for name in class_names:
        try:
            entries = sorted(
                entry
                for entry in os.listdir(folder / name)
                if entry.lower().endswith(suffixes) and not entry.startswith(".")
            )
        except OSError as error:
            raise DataFileError(
                f"{folder / name} cannot be listed ({error.strerror}). Unpack the {kind} again."
            ) from error
        if not entries:
            endings = f" ({', '.join(suffixes)})" if any(suffixes) else ""
            raise DataFileError(f"{folder / name} must hold {kind}{endings}; got none. Unpack them again.")
        paths += [folder / name / entry for entry in entries]
        counts.append(len(entries))
    return paths, np.repeat(np.arange(len(class_names), dtype=np.int64), counts)

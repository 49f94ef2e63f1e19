"""A folder of arrays with their checksums: whole, and what was meant, or not read at all."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from longspike._core.files import replace_file
from longspike.errors import DataFileError

MANIFEST = "made.json"
LARGEST_SUMMED_BYTES = 1 << 29
"""A larger file is compared by its size only when it is read, since it is mapped and not read whole."""


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(folder: Path, *, settings: Mapping[str, Any]) -> None:
    """Write made.json: the settings, and the size and the SHA-256 of every .npy file in the folder."""
    sums = {path.stem: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(folder.glob("*.npy"))}
    text = json.dumps({"settings": dict(settings), "arrays": sums}, indent=2) + "\n"
    replace_file(folder / MANIFEST, lambda stream: stream.write(text.encode()))


def recorded(folder: Path) -> dict[str, Any]:
    """What made.json says; nothing if it is not there or damaged."""
    try:
        found = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_folder(folder: Path, *, settings: Mapping[str, Any], remedy: str) -> dict[str, np.ndarray]:
    """The arrays of a folder that `seal` has sealed, compared with their checksums.

    They are mapped from their files, to which nothing is written, whatever is written to them.

    Raises: DataFileError if it was made by another version or with other settings, or a file is damaged.
    """
    found = recorded(folder)
    if found.get("settings") != dict(settings):
        raise DataFileError(f"{folder} is not what this version makes, by its {MANIFEST}. {remedy}")
    arrays = {}
    for name, kept in found["arrays"].items():
        path = folder / f"{name}.npy"
        is_there = path.is_file() and path.stat().st_size == kept["bytes"]
        if not is_there or (kept["bytes"] <= LARGEST_SUMMED_BYTES and _sha256(path) != kept["sha256"]):
            raise DataFileError(f"{path} is damaged: its size or checksum is not that of {MANIFEST}. {remedy}")
        arrays[name] = np.load(path, mmap_mode="c", allow_pickle=False)
    return arrays

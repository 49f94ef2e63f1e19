"""A generated data set in a folder: made piece by piece on all cores, resumable, whole or not at all, with checksums."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from longspike._core.files import replace_file, replace_folder
from longspike.errors import DataFileError

MANIFEST = "made.json"
Piece = dict[str, np.ndarray]
"""Arrays by name; those of all pieces are joined along their first axis."""
Progress = Callable[[int, int], None]
"""Called with the pieces that are done and all of them."""
LARGEST_SUMMED_BYTES = 1 << 29
"""A larger file is compared by its size only when it is read, since it is mapped and not read whole."""


def make_folder(
    folder: Path,
    make_piece: Callable[[int], Piece],
    *,
    num_pieces: int,
    settings: Mapping[str, Any],
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make the data set `folder` of its pieces; one that is there with the same settings is left as it is.

    Pieces are kept beside the folder, in `.NAME.pieces`, until all are there: who was stopped goes on where it was.

    Args:
        make_piece: the piece of a number, a pure function of it.
        settings: all that decides the content, JSON values: kept in made.json, and compared.
        num_threads: that make pieces; as many as there are processors if not given.
    Returns: the folder: NAME.npy for every array, and made.json with the SHA-256 of each.
    Raises: FileWriteError if it cannot be written.
    """
    if _recorded(folder).get("settings") == dict(settings):
        return folder
    key = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:16]
    place = folder.with_name(f".{folder.name}.pieces") / key
    with ThreadPoolExecutor(num_threads or _num_processors()) as pool:
        waiting = [pool.submit(_keep_piece, place / str(k), partial(make_piece, k)) for k in range(num_pieces)]
        try:
            for done, each in enumerate(as_completed(waiting), start=1):
                each.result()
                if progress is not None:
                    progress(done, num_pieces)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    replace_folder(folder, lambda new: _join(new, place, num_pieces, settings))
    shutil.rmtree(place.parent, ignore_errors=True)
    return folder


def _num_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _keep_piece(place: Path, make: Callable[[], Piece]) -> None:
    if not place.is_dir():
        arrays = make()
        replace_folder(place, lambda new: _save(new, arrays))


def _save(folder: Path, arrays: Piece) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def _join(new: Path, place: Path, num_pieces: int, settings: Mapping[str, Any]) -> None:
    """Write the arrays of all pieces one behind another, without holding them, and what they are."""
    sums = {}
    for name in sorted(path.stem for path in (place / "0").glob("*.npy")):
        parts = [np.load(place / str(k) / f"{name}.npy", mmap_mode="r") for k in range(num_pieces)]
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        joined = np.lib.format.open_memmap(new / f"{name}.npy", mode="w+", dtype=parts[0].dtype, shape=shape)
        start = 0
        for part in parts:
            joined[start : start + len(part)] = part
            start += len(part)
        joined.flush()
        del joined
        sums[name] = {"bytes": (new / f"{name}.npy").stat().st_size, "sha256": _sha256(new / f"{name}.npy")}
    text = json.dumps({"settings": dict(settings), "arrays": sums}, indent=2) + "\n"
    replace_file(new / MANIFEST, lambda stream: stream.write(text.encode()))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _recorded(folder: Path) -> dict[str, Any]:
    """What made.json says; nothing if it is not there or damaged."""
    try:
        found = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_folder(folder: Path, *, settings: Mapping[str, Any], remedy: str) -> Piece:
    """The arrays of a folder that `make_folder` has made, compared with their checksums.

    They are mapped from their files, to which nothing is written, whatever is written to them.

    Raises: DataFileError if it was made by another version or with other settings, or a file is damaged.
    """
    found = _recorded(folder)
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

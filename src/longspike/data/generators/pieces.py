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

from longspike._core.files import replace_folder
from longspike.data.files.sealed import recorded, seal

Piece = dict[str, np.ndarray]
"""Arrays by name; those of all pieces are joined along their first axis."""
Progress = Callable[[int, int], None]
"""Called with the pieces that are done and all of them."""


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
    if recorded(folder).get("settings") == dict(settings):
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
    seal(new, settings=settings)

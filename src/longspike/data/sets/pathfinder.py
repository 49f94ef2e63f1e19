"""Pathfinder: whether two discs lie on one dashed line, pixel by pixel; made by the rules, or read from published images."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from longspike._core.checks import check_positive_int
from longspike._core.extras import require
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.cache import cached_arrays, fingerprint
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.sealed import MANIFEST, read_folder, recorded
from longspike.data.generators.pathfinder import draw_pictures, pathfinder_rules
from longspike.data.generators.pieces import Piece, Progress, make_folder
from longspike.data.holdout import divide_at_random
from longspike.data.splits import Split
from longspike.errors import ConfigError, DataFileError

NUM_PICTURES, FEWEST_PICTURES = 200_000, 20
PIECES = {32: 2_000, 64: 200, 128: 500, 256: 2_000}
"""Pictures made at a time, some seconds' work."""
SEED = 2021
DIVISION_SEED = 42
CLASS_NAMES = ("apart", "joined")
PUBLISHED_FOLDERS = {"easy": "curv_baseline", "mid": "curv_contour_length_9", "hard": "curv_contour_length_14"}
SETS = {
    "pathfinder": (32, "hard"),
    "pathfinder-mid": (32, "mid"),
    "pathfinder-easy": (32, "easy"),
    "pathfinder-64": (64, "hard"),
    "path-x": (128, "hard"),
    "pathfinder-256": (256, "hard"),
}
"""Name, and size and difficulty."""


def _layouts(name: str) -> tuple[Layout, ...]:
    """The published images, else the folder that `longspike data generate` makes."""
    size, difficulty = SETS[name]
    published = PUBLISHED_FOLDERS[difficulty]
    places = (f"pathfinder{size}", f"lra_release/pathfinder{size}", f"lra_release/lra_release/pathfinder{size}")
    needs = ((f"{published}/imgs",), (f"{published}/metadata",))
    return Layout(folders=places, needs=needs), Layout(folders=(name,), needs=((MANIFEST,),))


def settings(name: str, num_pictures: int) -> dict[str, object]:
    """All that decides what is made."""
    size, difficulty = SETS[name]
    return {
        "rules": "pathfinder 1",
        "size": size,
        "difficulty": difficulty,
        "seed": SEED,
        "pictures": num_pictures,
        "piece": PIECES[size],
    }


def make_piece(name: str, num_pictures: int, number: int) -> Piece:
    """Some of so many pictures, flat, and their labels: half of all labels are 1, in a random order."""
    size, difficulty = SETS[name]
    first = number * PIECES[size]
    labels = np.random.RandomState(SEED).permutation(num_pictures)[first : first + PIECES[size]] % 2
    images, _ = draw_pictures(labels, rules=pathfinder_rules(size, difficulty), seed=SEED, first=first)
    return {"images": images.reshape(len(images), -1), "labels": labels.astype(np.uint8)}


def _num_made(folder: Path) -> int | None:
    """How many pictures a folder holds by its manifest; None if none were made there."""
    found = recorded(folder).get("settings")
    count = found.get("pictures") if isinstance(found, dict) else None
    return count if isinstance(count, int) else None


def generate_pathfinder(
    name: str, root: Path, progress: Progress | None = None, num_samples: int | None = None
) -> Path:
    """Make so many pictures in root/NAME, 200,000 if not given.

    On one processor that is a minute for 32 pixels, an hour for 64, half an hour for 128, a quarter for 256.

    Raises: ValueError for an odd number, of which no half can be joined; ConfigError if another number is there already.
    """
    num_pictures = NUM_PICTURES if num_samples is None else num_samples
    check_positive_int("generate", "num_samples", num_pictures, low=FEWEST_PICTURES)
    if num_pictures % 2:
        raise ValueError(f"generate: `num_samples` must be even, as half of the discs are joined; got {num_pictures}.")
    folder = root / name
    there = _num_made(folder)
    if there not in (None, num_pictures) and recorded(folder)["settings"] == settings(name, there or 0):
        raise ConfigError(
            f"{folder} holds {there:,} pictures, not {num_pictures:,}. Use these, or remove the folder and make others."
        )
    return make_folder(
        folder,
        partial(make_piece, name, num_pictures),
        num_pieces=-(-num_pictures // PIECES[SETS[name][0]]),
        settings=settings(name, num_pictures),
        progress=progress,
    )


def read_published(folder: Path, size: int) -> Piece:
    """The images and labels of a folder with imgs/ and metadata/, in the order of its lists; unreadable images are left out.

    A row of metadata/*.npy holds, between blanks, a folder below `folder`, a file in it, a number and the label, 0 or 1.

    Raises: DataFileError for lists that are no such lists, or if more than a hundredth of the images cannot be read.
    """
    image_module = require("PIL.Image", extra="data", purpose="Reading Pathfinder's images")
    rows = [row for path in _lists(folder) for row in _rows(path)]
    images, labels = [], []
    for place, file, label in rows:
        try:
            with image_module.open(folder / place / file) as image:
                pixels = np.asarray(image.convert("L"))
        except (OSError, SyntaxError, ValueError):  # the published set holds an empty file
            continue
        if pixels.shape != (size, size):
            raise DataFileError(f"{folder / place / file} must have {size}x{size} pixels; got {pixels.shape}.")
        images.append(pixels.reshape(-1))
        labels.append(label)
    if len(images) < 0.99 * len(rows) or not images:
        raise DataFileError(f"{folder}: only {len(images)} of {len(rows)} images can be read. Unpack them again.")
    return {"images": np.stack(images), "labels": np.array(labels, np.uint8)}


def _lists(folder: Path) -> list[Path]:
    paths = [path for path in (folder / "metadata").iterdir() if path.suffix == ".npy" and path.stem.isdigit()]
    if not paths:
        raise DataFileError(f"{folder / 'metadata'} must hold lists NUMBER.npy; got none. Unpack them again.")
    return sorted(paths, key=lambda path: int(path.stem))


def _rows(path: Path) -> list[tuple[str, str, int]]:
    """Folder, file and label of every image of a list, which is text whatever its name says."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        is_row = len(words) >= 4 and words[3] in ("0", "1") and ".." not in Path(words[0], words[1]).parts
        if not is_row or Path(words[0], words[1]).is_absolute():
            raise DataFileError(
                f"{path}, line {number} must hold folder, file, number and label, 0 or 1; got {line[:60]!r}. Unpack it "
                "again."
            )
        found.append((words[0], words[1], int(words[3])))
    return found


def _split(arrays: Piece) -> Split:
    values = torch.from_numpy(arrays["images"])[..., None]
    labels = torch.from_numpy(np.array(arrays["labels"], np.int64))
    lengths = torch.full((len(labels),), values.shape[1])
    rows = torch.arange(len(labels))
    return Split(values=values, lengths=lengths, labels=labels, scale=2 / 255, shift=-1.0, rows=rows)


def load_pathfinder(name: str, root: Path) -> DataBundle:
    """Pictures as sequences of pixels in raster order, x = (grey / 255 - 0.5) / 0.5; whether the discs are joined.

    Of 200,000 pictures 160,000 to train on, 20,000 each for validation and test, by `divide_at_random` with seed 42; of a
    set that was made smaller a tenth each. The published images are read if they are there and cached, else the pictures
    that `longspike data generate NAME` has made by the same rules
    (`longspike.data.generators.pathfinder_reference`), half of them joined exactly; results on either say which.

    Args:
        name: a key of `SETS`. root: a folder that holds the files in one of the places of the entry's layouts.
    Raises: DataFileError if they are missing or damaged.
    """
    size, difficulty = SETS[name]
    folder, paths = require_files(name, root, _layouts(name), command="generate")
    is_made = paths[0].name == MANIFEST
    if is_made:
        remedy = f"Remove the folder and run `longspike data generate {name}`."
        num_pictures = _num_made(folder) or NUM_PICTURES
        arrays = read_folder(folder, settings=settings(name, num_pictures), remedy=remedy)
        origin = f"{num_pictures:,} pictures made by longspike by its rules"
    else:
        images = folder / PUBLISHED_FOLDERS[difficulty]
        key = fingerprint(_lists(images), version=f"pathfinder 1 {images}")
        arrays, origin = cached_arrays(name, key, lambda: read_published(images, size)), "the published images"
    whole = _split(arrays)
    num_held_out = len(whole) // 10
    sizes = (len(whole) - 2 * num_held_out, num_held_out, num_held_out)
    train, val, test = (whole.select(part) for part in divide_at_random(len(whole), sizes, seed=DIVISION_SEED))
    return DataBundle(
        name=name,
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=1,
        class_names=CLASS_NAMES,
        source=f"Pathfinder (Linsley et al. 2018; Tay et al. 2021), {size}x{size}, {difficulty}, {origin}; Apache 2.0.",
    )


def _entry(name: str) -> DatasetEntry:
    size, difficulty = SETS[name]
    load: Callable[[Path], DataBundle] = partial(load_pathfinder, name)
    title = "Path-X" if name == "path-x" else "Pathfinder"
    return DatasetEntry(
        description=f"whether two discs lie on one dashed line, {size}x{size} pixels, {difficulty} ({title})",
        seqlen=size * size,
        d_input=1,
        num_classes=len(CLASS_NAMES),
        files=f"pathfinder{size}/{PUBLISHED_FOLDERS[difficulty]}/{{imgs,metadata}}/; else {name}/, which longspike makes",
        load=load,
        layouts=_layouts(name),
        generate=partial(generate_pathfinder, name),
    )


ENTRIES = {name: _entry(name) for name in SETS}

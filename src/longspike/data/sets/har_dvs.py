"""HARDVS: human activities before a DAVIS346 camera, from the published compact event files and lists."""

import os
from pathlib import Path

import torch

from longspike.data.bundle import EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import LazyEventSplit
from longspike.data.files.locate import Layout, require_files
from longspike.data.recordings import RecordingReader, split_of_files
from longspike.errors import DataFileError

PAGE = "https://github.com/Event-AHU/HARDVS"
SENSOR_SIZE = (346, 260)
LAYOUTS = (
    Layout(
        folders=("HARDVS", "HAR-DVS", "har-dvs", "MINI_HARDVS_files"),
        needs=tuple((f"{part}_label.txt",) for part in ("train", "val", "test")),
    ),
)
SUFFIXES = (".npz", ".csv", ".aedat4")
"""What a listed recording may end in; the first that exists is read."""
SOURCE = (
    "HARDVS (Wang et al. 2022, no terms stated), recordings of a DAVIS346 camera, 346x260 pixels; published division."
)


def read_list(path: Path) -> list[str]:
    """The recordings that a list names, as <class>/<recording>, in its order.

    Raises: DataFileError, naming the line, if one does not begin with such a name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read as text ({error}). Fetch it again.") from error
    names = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = line.split()[0]
        folder, _, recording = name.partition("/")
        if not recording or "/" in recording or ".." in (folder, recording):
            raise DataFileError(
                f"{path}, line {number}, must be `<class>/<recording> <label>`; got {line[:80]!r}. Fetch it again."
            )
        names.append(name)
    if not names:
        raise DataFileError(f"{path} must name recordings; it is empty. Fetch it again.")
    return names


def _find(folder: Path, names: list[str]) -> list[Path]:
    """The files of the recordings."""
    classes = {name.partition("/")[0] for name in names}
    files = {c: set(os.listdir(folder / c)) if (folder / c).is_dir() else set() for c in sorted(classes)}
    paths, missing = [], []
    for name in names:
        chosen, _, recording = name.partition("/")
        present = [f"{recording}{suffix}" for suffix in SUFFIXES if f"{recording}{suffix}" in files[chosen]]
        if present:
            paths.append(folder / chosen / present[0])
        else:
            missing.append(name)
    if missing:
        raise DataFileError(
            f"{folder} lacks {len(missing):,} of {len(names):,} listed recordings, the first {missing[0]} "
            f"({', '.join(SUFFIXES)}). Unpack every action_*.zip into a folder of its name, or shorten the lists."
        )
    return paths


def load_har_dvs(root: Path, *, on_error: str = "raise") -> EventBundle:
    """HARDVS: 300 activities, on a sensor of 346x260 pixels, about 5 s a recording.

    Read from HARDVS/ below `root`: the published lists {train,val,test}_label.txt, whose lines begin with
    <class>/<recording>, and the compact event files <class>/<recording>.npz with the arrays x, y, t (microseconds) and
    p; .csv and .aedat4 files of the same names are read too. The published event images are not read. Samples are read
    when they are drawn; the classes are those of train_label.txt, sorted.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if files are missing or the lists disagree; drawing a sample raises it for files that are not
    what they claim to be.
    Reference: Wang et al. 2022, HARDVS: Revisiting Human Activity Recognition with Dynamic Vision Sensors, arXiv
    2211.09648.
    """
    folder, _ = require_files("har-dvs", root, LAYOUTS, page=PAGE)
    lists = {part: read_list(folder / f"{part}_label.txt") for part in ("train", "val", "test")}
    class_names = tuple(sorted({name.partition("/")[0] for name in lists["train"]}))
    indices = {name: index for index, name in enumerate(class_names)}
    reader = RecordingReader(sensor_size=SENSOR_SIZE, on_error=on_error)
    splits: dict[str, LazyEventSplit] = {}
    for part, names in lists.items():
        classes = [name.partition("/")[0] for name in names]
        unknown = sorted(set(classes) - set(indices))
        if unknown:
            raise DataFileError(
                f"{folder / f'{part}_label.txt'} must name classes of train_label.txt; got {unknown[0]} as well. "
                "Fetch the lists again."
            )
        labels = torch.tensor([indices[name] for name in classes], dtype=torch.int64)
        splits[part] = split_of_files(_find(folder, names), labels, reader=reader)
    return EventBundle(
        name="har-dvs",
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        num_classes=len(class_names),
        sensor_size=SENSOR_SIZE,
        class_names=class_names,
        source=SOURCE,
    )


ENTRIES = {
    "har-dvs": DatasetEntry(
        description="HARDVS, human activities",
        sensor_size=SENSOR_SIZE,
        num_classes=300,
        files="HARDVS/: {train,val,test}_label.txt and the compact event files <class>/*.npz",
        load=load_har_dvs,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

"""People's own recordings, sorted into one folder per class, as an event data set."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspike.data.bundle import EventBundle, without_validation
from longspike.data.files.class_folders import list_class_files, list_classes
from longspike.data.holdout import HOLDOUT_SEED
from longspike.data.recordings import RecordingReader, divided_bundle, split_of_files
from longspike.errors import DataFileError
from longspike.events import open as open_recording

PARTS = ("train", "val", "test")


def _parts(folder: Path) -> tuple[str, ...]:
    """The parts that the folder is divided into; none if it holds classes."""
    found = tuple(part for part in PARTS if (folder / part).is_dir())
    if found and ("train" not in found or "test" not in found):
        raise DataFileError(
            f"{folder} must hold train/ and test/ (val/ as well if there is one), or one folder per class; "
            f"got only {' and '.join(f'{part}/' for part in found)}. Add the missing part."
        )
    return found


def _check_classes(folder: Path, parts: tuple[str, ...], class_names: tuple[str, ...]) -> None:
    """Raise if a part has a class that train/ lacks."""
    for part in parts:
        unknown = sorted(set(list_classes(folder / part)) - set(class_names))
        if unknown:
            raise DataFileError(
                f"{folder / part} must hold classes of {folder / 'train'}; got {', '.join(unknown)} as well. "
                "Name the folders of a class alike in every part."
            )


def _list_part(folder: Path, class_names: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """The files of one part, which may lack classes, and their labels."""
    present = list_classes(folder)
    paths, labels = list_class_files(folder, present, kind="recordings")
    return paths, np.array([class_names.index(name) for name in present], dtype=np.int64)[labels]


def event_folder(
    path: str | os.PathLike[str],
    *,
    sensor_size: tuple[int, int] | None = None,
    format: str | None = None,  # noqa: A002
    on_error: str = "raise",
    columns: str | Sequence[str] | None = None,
    time_unit: str | None = None,
    seed: int = HOLDOUT_SEED,
    name: str | None = None,
    source: str | None = None,
) -> EventBundle:
    """Recordings in one folder per class, in any format that `longspike.events.read` knows; read when they are drawn.

        path/<class>/<recording>, divided here: a tenth each for test and validation, stratified, by `seed`; or
        path/{train,val,test}/<class>/<recording>; without val/ it is one in ten of train/, stratified, by `seed`.

    The classes are the folders' names, sorted. Files whose names begin with a dot are left out.

    Args:
        path: the folder.
        sensor_size: (width, height) for files that do not say it; None takes it from the first recording.
        format: for files whose content does not tell; one of `longspike.events.FORMATS`.
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
        columns, time_unit: of text and tables that do not name their columns or their unit of time, as for
            `longspike.events.read`; all files must be such.
        seed: of what is held out here.
        name, source: of the bundle; the folder's name, and a sentence that says where it lies.
    Raises: DataFileError if a folder is missing or empty, or train/ lacks a class; ValueError if there are too few
    recordings to divide. Drawing a sample raises what `longspike.events.read` raises, also if its sensor is another.

    Example:
        >>> import tempfile
        >>> from longspike.events import make_events, write
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(12):
        ...         file = Path(folder, "left" if number % 2 else "right", f"{number}.npz")
        ...         file.parent.mkdir(exist_ok=True)
        ...         write(file, make_events(x=[number], y=[1], t=[0], p=[1]), sensor_size=(16, 8))
        ...     bundle = event_folder(folder)
        ...     print(bundle.class_names, bundle.sensor_size, len(bundle.train), len(bundle.train.sample(0)))
        ('left', 'right') (16, 8) 10 1
    """
    folder = Path(path)
    parts = _parts(folder)
    class_names = list_classes(folder / "train" if parts else folder)
    _check_classes(folder, parts, class_names)
    name = folder.resolve().name if name is None else name
    source = f"Recordings of the folder {folder.resolve().name!r}" if source is None else source
    listed = {part: _list_part(folder / part, class_names) for part in parts or (".",)}
    if sensor_size is None:
        first = next(iter(listed.values()))[0][0]
        with open_recording(first, format=format, on_error=on_error, columns=columns, time_unit=time_unit) as recording:
            sensor_size = recording.sensor_size
    reader = RecordingReader(
        sensor_size=sensor_size, format=format, on_error=on_error, columns=columns, time_unit=time_unit
    )
    splits = {part: split_of_files(paths, labels, reader=reader) for part, (paths, labels) in listed.items()}
    if not parts:
        return divided_bundle(name, splits["."], class_names=class_names, source=source, seed=seed)
    if "val" not in splits:
        splits["train"], splits["val"] = without_validation(splits["train"], seed=seed)
        source = f"{source}; validation held out from train/ (seed {seed}, stratified)"
    return EventBundle(
        name=name,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        num_classes=len(class_names),
        sensor_size=sensor_size,
        class_names=class_names,
        source=f"{source}.",
    )

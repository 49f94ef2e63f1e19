"""DVS128 Gesture: hand and arm gestures before a DVS128 camera, cut from the published recordings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from longspike.data.bundle import EventBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import LazyEventSplit
from longspike.data.files.cache import cache_folder, fingerprint, read_array, write_array
from longspike.data.files.locate import Layout, require_files
from longspike.errors import DataFileError
from longspike.events import EVENT_DTYPE, read

PAGE = "https://research.ibm.com/interactive/dvsgesture/"
LISTS = ("trials_to_train.txt", "trials_to_test.txt")
LAYOUTS = (Layout(folders=("DvsGesture", "DVSGesture", "dvs-gesture", "."), needs=tuple((name,) for name in LISTS)),)
CLASS_NAMES = (
    "hand_clapping",
    "right_hand_wave",
    "left_hand_wave",
    "right_arm_clockwise",
    "right_arm_counter_clockwise",
    "left_arm_clockwise",
    "left_arm_counter_clockwise",
    "arm_roll",
    "air_drums",
    "air_guitar",
    "other_gestures",
)
"""The published classes 1 to 11."""
SENSOR_SIZE = (128, 128)
LABEL_HEADER = "class,startTime_usec,endTime_usec"
CACHE_VERSION = "dvs-gesture 1"
"""Part of the cache's key; to be raised when cutting changes."""
SOURCE = (
    "DVS128 Gesture (Amir et al. 2017, CC BY 4.0), recordings of a DVS128, 128x128 pixels; published division by "
    "subject, validation held out from the training gestures."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gesture:
    """One gesture of a recording.

    Args:
        path: the recording.
        number: which gesture of the recording, from 0.
        label: 0 to 10.
        start_us, stop_us: first microsecond, and the one after the last, by the camera's clock.
    """

    path: Path
    number: int
    label: int
    start_us: int
    stop_us: int


def label_path(path: Path) -> Path:
    """The file that names a recording's gestures."""
    return path.with_name(f"{path.stem}_labels.csv")


def _read_lines(path: Path) -> list[str]:
    """The lines of a text file that hold something."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read as text ({error}). Unpack the data set again.") from error


def read_gestures(path: Path) -> list[Gesture]:
    """The gestures of the recording `path`, from its file of labels, in its order.

    Raises: DataFileError, naming the line, if it is not `class,startTime_usec,endTime_usec` as it should be.
    """
    lines = _read_lines(label_path(path))
    if not lines or lines[0].replace(" ", "") != LABEL_HEADER:
        raise DataFileError(
            f"{label_path(path)} must begin with the line {LABEL_HEADER!r}; got {lines[0] if lines else ''!r}. "
            "Unpack the data set again."
        )
    gestures = []
    for number, line in enumerate(lines[1:]):
        fields = [field.strip() for field in line.split(",")]
        values = [int(field) for field in fields if field.isdecimal()]
        if len(fields) != 3 or len(values) != 3 or not 1 <= values[0] <= len(CLASS_NAMES) or values[1] >= values[2]:
            raise DataFileError(
                f"{label_path(path)}, line {number + 2}, must be a class from 1 to {len(CLASS_NAMES)}, a start and a "
                f"later end; got {line!r}. Unpack the data set again."
            )
        label, start_us, stop_us = values
        gestures.append(Gesture(path=path, number=number, label=label - 1, start_us=start_us, stop_us=stop_us))
    return gestures


@dataclass(frozen=True, kw_only=True, slots=True)
class GestureReader:
    """Reads gestures: a recording is decoded when the first of its gestures is drawn, and all of them are cached.

    Args:
        on_error: "raise" or "skip", see `longspike.events.read`.
    """

    on_error: str = "raise"

    def __call__(self, gesture: Gesture) -> np.ndarray:
        """The events of a gesture; t counts from its labelled start."""
        files = (gesture.path, label_path(gesture.path))
        key = fingerprint(files, version=f"{CACHE_VERSION} {self.on_error}")
        folder = cache_folder() / "dvs-gesture"
        cached = read_array(folder / f"{key}-{gesture.number}.npy")
        if cached is not None and cached.dtype == EVENT_DTYPE:
            return cached
        samples = self._cut(gesture.path)
        for number, sample in enumerate(samples):
            write_array(folder / f"{key}-{number}.npy", sample)
        return samples[gesture.number]

    def _cut(self, path: Path) -> list[np.ndarray]:
        """The gestures of a recording, in the order of its labels."""
        recording = read(path, format="aedat3", sensor_size=SENSOR_SIZE, on_error=self.on_error)
        time_us = recording.events["t"] + recording.start_us
        samples = []
        for gesture in read_gestures(path):
            first, last = np.searchsorted(time_us, (gesture.start_us, gesture.stop_us))
            if first == last:
                raise DataFileError(
                    f"{path} holds no event from {gesture.start_us} to {gesture.stop_us} µs, where {label_path(path).name} "
                    f"has gesture {gesture.number + 1}. The two files do not belong together; unpack the set again."
                )
            sample = recording.events[first:last].copy()
            sample["t"] = time_us[first:last] - gesture.start_us
            samples.append(sample)
        return samples


def _part(folder: Path, list_name: str, reader: GestureReader) -> LazyEventSplit:
    """The gestures of the recordings that a list names."""
    names = _read_lines(folder / list_name)
    missing = [name for name in names if not ((folder / name).is_file() and label_path(folder / name).is_file())]
    if missing:
        raise DataFileError(
            f"{folder} lacks {len(missing)} of the {len(names)} recordings of {list_name}, or their labels, the first "
            f"{missing[0]}. Unpack the data set again."
        )
    gestures = tuple(gesture for name in names for gesture in read_gestures(folder / name))
    labels = torch.tensor([gesture.label for gesture in gestures], dtype=torch.int64)
    return LazyEventSplit(sources=gestures, labels=labels, sensor_size=SENSOR_SIZE, reader=reader)


def load_dvs_gesture(root: Path, *, on_error: str = "raise") -> EventBundle:
    """DVS128 Gesture: eleven gestures, on a sensor of 128x128 pixels, about 6 s a sample.

    Read from DvsGesture/ below `root`: trials_to_train.txt and trials_to_test.txt name the recordings (AEDAT 3.1), and
    <recording>_labels.csv the gestures in each, by the camera's clock: start <= t < end. Validation is one in ten of the
    training gestures (see `hold_out`), so it shares subjects with training; the test set does not.

    A recording is decoded when its first gesture is drawn; the gestures are then cached below dvs-gesture/ in the folder
    that LONGSPIKE_CACHE names (else ~/.cache/longspike), 13 bytes an event: some gigabytes for the whole set.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if files are missing or the lists and labels are damaged; drawing a sample raises it for
    recordings that are not what they claim to be.
    Reference: Amir et al. 2017, A Low Power, Fully Event-Based Gesture Recognition System.
    """
    folder, _ = require_files("dvs-gesture", root, LAYOUTS, page=PAGE)
    reader = GestureReader(on_error=on_error)
    published, test = (_part(folder, name, reader) for name in LISTS)
    train, val = without_validation(published)
    return EventBundle(
        name="dvs-gesture",
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        sensor_size=SENSOR_SIZE,
        class_names=CLASS_NAMES,
        source=SOURCE,
    )


ENTRIES = {
    "dvs-gesture": DatasetEntry(
        description="DVS128 Gesture, hand and arm gestures",
        sensor_size=SENSOR_SIZE,
        num_classes=len(CLASS_NAMES),
        files="DvsGesture/: *.aedat, *_labels.csv, trials_to_train.txt, trials_to_test.txt",
        load=load_dvs_gesture,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

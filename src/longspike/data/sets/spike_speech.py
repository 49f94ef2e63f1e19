"""The Heidelberg spiking data sets: spoken digits (SHD) and spoken words (SSC) as spikes of an inner-ear model."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from longspike.data.bundle import EventBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import AnyEventSplit, LazyEventSplit, split_of_samples
from longspike.data.files.locate import Layout, require_files
from longspike.data.recordings import IN_MEMORY_BYTES
from longspike.errors import DataFileError
from longspike.events import EVENT_DTYPE
from longspike.events.formats.shd import ShdFile, SpikeTrain

PAGE = "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/"
NUM_UNITS = 700
SENSOR_SIZE = (NUM_UNITS, 1)
SOURCE = "(Cramer et al. 2022, CC BY 4.0), 700 channels of an inner-ear model"


def _layouts(name: str, parts: tuple[str, ...]) -> tuple[Layout, ...]:
    """How the files <name>_<part>.h5 can lie."""
    return (Layout(folders=(name.upper(), name, "hsd", "."), needs=tuple((f"{name}_{part}.h5",) for part in parts)),)


SHD_LAYOUTS = _layouts("shd", ("train", "test"))
SSC_LAYOUTS = _layouts("ssc", ("train", "valid", "test"))


def events_of_spikes(spikes: SpikeTrain) -> np.ndarray:
    """Spikes as events: x = unit, y = 0, p = 1."""
    events = np.zeros(len(spikes.t_us), EVENT_DTYPE)
    events["x"], events["t"], events["p"] = spikes.unit, spikes.t_us, 1
    return events


@dataclass(frozen=True, kw_only=True, slots=True)
class SpikeSource:
    """One sample of a file: the source of a `LazyEventSplit`."""

    path: Path
    index: int


def read_spikes(source: SpikeSource) -> np.ndarray:
    """The events of one sample; the file is opened and closed again."""
    with ShdFile(source.path, num_units=NUM_UNITS) as file:
        return events_of_spikes(file[source.index])


def read_split(path: Path) -> AnyEventSplit:
    """The samples of a file: read at once if it is no larger than 512 MiB, else when they are drawn."""
    with ShdFile(path, num_units=NUM_UNITS) as file:
        labels = torch.from_numpy(file.labels)
        if os.stat(path).st_size > IN_MEMORY_BYTES:
            sources = tuple(SpikeSource(path=path, index=index) for index in range(len(labels)))
            return LazyEventSplit(sources=sources, labels=labels, sensor_size=SENSOR_SIZE, reader=read_spikes)
        samples = [events_of_spikes(file[index]) for index in range(len(labels))]
    return split_of_samples(samples, labels, sensor_size=SENSOR_SIZE)


def read_class_names(path: Path, num_classes: int) -> tuple[str, ...]:
    """The words of the classes, in the order of the labels, from the file's extra/keys.

    Raises: DataFileError if the file lacks them.
    """
    with ShdFile(path, num_units=NUM_UNITS) as file:
        keys = file.class_names()
    if len(keys) != num_classes:
        raise DataFileError(f"{path} must name {num_classes} classes in extra/keys; got {len(keys)}. Fetch it again.")
    return keys


def _bundle(
    name: str, splits: tuple[AnyEventSplit, AnyEventSplit, AnyEventSplit], path: Path, num_classes: int, source: str
) -> EventBundle:
    """The data set of three splits, with the names that its training file `path` gives to the classes."""
    train, val, test = splits
    return EventBundle(
        name=name,
        train=train,
        val=val,
        test=test,
        num_classes=num_classes,
        sensor_size=SENSOR_SIZE,
        class_names=read_class_names(path, num_classes),
        source=source,
    )


def load_shd(root: Path) -> EventBundle:
    """Spiking Heidelberg Digits: 20 spoken digits, English and German; 8,156 + 2,264 samples of about 1 s.

    x = unit (0 to 699), y = 0, p = 1, t rounded to microseconds; sensor_size (700, 1). Read from shd_train.h5 and
    shd_test.h5, unpacked, in SHD/, shd/, hsd/ or `root` itself. Validation is one in ten of the training samples,
    stratified (see `hold_out`), so it shares speakers with training; two speakers of the test set do not.

    Raises: DataFileError if files are missing or damaged; MissingExtraError without h5py.
    Reference: Cramer, Stradmann, Schemmel and Zenke 2022, The Heidelberg Spiking Data Sets for the Systematic
    Evaluation of Spiking Neural Networks.
    """
    _, (train_path, test_path) = require_files("shd", root, SHD_LAYOUTS, page=PAGE)
    published, test = read_split(train_path), read_split(test_path)
    train, val = without_validation(published)
    source = f"Spiking Heidelberg Digits {SOURCE}; validation held out from the training samples."
    return _bundle("shd", (train, val, test), train_path, 20, source)


def load_ssc(root: Path) -> EventBundle:
    """Spiking Speech Commands: 35 spoken words; 75,466 + 9,981 + 20,382 samples of about 1 s, division as published.

    Events, reference and errors as in `load_shd`. Read from ssc_train.h5, ssc_valid.h5 and ssc_test.h5, unpacked, in
    SSC/, ssc/, hsd/ or `root` itself. A file larger than 512 MiB is read sample by sample.
    """
    _, paths = require_files("ssc", root, SSC_LAYOUTS, page=PAGE)
    train, val, test = (read_split(path) for path in paths)
    return _bundle("ssc", (train, val, test), paths[0], 35, f"Spiking Speech Commands {SOURCE}; published division.")


ENTRIES = {
    "shd": DatasetEntry(
        description="Spiking Heidelberg Digits, spoken digits through an inner-ear model",
        sensor_size=SENSOR_SIZE,
        num_classes=20,
        files="SHD/, hsd/ or the folder itself: shd_train.h5, shd_test.h5",
        load=load_shd,
        layouts=SHD_LAYOUTS,
        page=PAGE,
    ),
    "ssc": DatasetEntry(
        description="Spiking Speech Commands, spoken words through an inner-ear model",
        sensor_size=SENSOR_SIZE,
        num_classes=35,
        files="SSC/, hsd/ or the folder itself: ssc_train.h5, ssc_valid.h5, ssc_test.h5",
        load=load_ssc,
        layouts=SSC_LAYOUTS,
        page=PAGE,
    ),
}

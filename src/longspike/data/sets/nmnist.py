"""N-MNIST: MNIST's digits shown to a moving event camera, from the published folders."""

from pathlib import Path

from longspike.data.bundle import EventBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import LazyEventSplit
from longspike.data.files.class_folders import list_class_files
from longspike.data.files.locate import Layout, require_files
from longspike.data.recordings import RecordingReader, in_memory_if_small, split_of_files

PAGE = "https://www.garrickorchard.com/datasets/n-mnist"
CLASS_NAMES = tuple(str(digit) for digit in range(10))
SENSOR_SIZE = (34, 34)
LAYOUTS = (
    Layout(
        folders=("NMNIST", "N-MNIST", "nmnist", "."),
        needs=tuple((f"{part}/{label}",) for part in ("Train", "Test") for label in CLASS_NAMES),
    ),
)
SOURCE = (
    "N-MNIST (Orchard et al. 2015, CC BY-SA 4.0), recordings of an ATIS sensor, 34x34 pixels, three saccades; "
    "{train:,} + {test:,} recordings found; validation held out from the training recordings."
)


def _part(folder: Path, reader: RecordingReader) -> LazyEventSplit:
    """The recordings of folder/<label>/."""
    paths, labels = list_class_files(folder, CLASS_NAMES, kind="recordings", suffixes=(".bin",))
    return split_of_files(paths, labels, reader=reader)


def load_nmnist(root: Path, *, on_error: str = "raise") -> EventBundle:
    """N-MNIST: 34x34 pixels, ten digits, about 300 ms and 4,000 events a recording.

    Read from NMNIST/{Train,Test}/<label>/*.bin below `root`, whichever recordings are there (60,000 + 10,000 are
    published). Validation is one in ten of the training recordings (see `hold_out`). A split whose files are no larger
    than 512 MiB together is read at once, a larger one sample by sample.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if files are missing or not what they claim to be.
    Reference: Orchard, Jayawant, Cohen and Thakor 2015, Converting Static Image Datasets to Spiking Neuromorphic
    Datasets Using Saccades.
    """
    folder, _ = require_files("nmnist", root, LAYOUTS, page=PAGE)
    reader = RecordingReader(sensor_size=SENSOR_SIZE, format="nmnist", on_error=on_error)
    published, test = _part(folder / "Train", reader), _part(folder / "Test", reader)
    train, val = without_validation(published)
    return EventBundle(
        name="nmnist",
        train=in_memory_if_small(train),
        val=in_memory_if_small(val),
        test=in_memory_if_small(test),
        num_classes=len(CLASS_NAMES),
        sensor_size=SENSOR_SIZE,
        class_names=CLASS_NAMES,
        source=SOURCE.format(train=len(published), test=len(test)),
    )


ENTRIES = {
    "nmnist": DatasetEntry(
        description="N-MNIST, digits before a moving event camera",
        sensor_size=SENSOR_SIZE,
        num_classes=len(CLASS_NAMES),
        files="NMNIST/{Train,Test}/<label>/*.bin",
        load=load_nmnist,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

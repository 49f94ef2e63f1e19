"""CIFAR10-DVS: images of CIFAR-10 moved before a DVS128, from the published folders."""

from pathlib import Path

from longspike.data.bundle import EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.class_folders import list_class_files
from longspike.data.files.locate import Layout, require_files
from longspike.data.recordings import RecordingReader, divided_bundle, split_of_files
from longspike.data.sets.cifar10 import CLASS_NAMES

PAGE = "https://doi.org/10.6084/m9.figshare.4724671"
SENSOR_SIZE = (128, 128)
LAYOUTS = (
    Layout(
        folders=("CIFAR10DVS", "CIFAR10-DVS", "cifar10-dvs", "."),
        needs=tuple((name,) for name in CLASS_NAMES),
    ),
)
SOURCE = (
    "CIFAR10-DVS (Li et al. 2017, CC BY 4.0), 1,000 images of each class of CIFAR-10 before a DVS128, 128x128 pixels"
)


def load_cifar10_dvs(root: Path, *, on_error: str = "raise") -> EventBundle:
    """CIFAR10-DVS: ten classes of images, on a sensor of 128x128 pixels, about 1.3 s a recording.

    Read from CIFAR10DVS/<class>/cifar10_<class>_<n>.aedat (AEDAT 2.0) below `root`, sample by sample. The set is
    published whole: a tenth each is taken for test and validation, stratified, with this package's fixed seed. Results
    compare only on the same division.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if files are missing; drawing a sample raises it for files that are not what they claim to be.
    Reference: Li, Liu, Ji, Li and Shi 2017, CIFAR10-DVS: An Event-Stream Dataset for Object Classification.
    """
    folder, _ = require_files("cifar10-dvs", root, LAYOUTS, page=PAGE)
    paths, labels = list_class_files(folder, CLASS_NAMES, kind="recordings", suffixes=(".aedat",))
    reader = RecordingReader(sensor_size=SENSOR_SIZE, format="aedat2", on_error=on_error)
    split = split_of_files(paths, labels, reader=reader)
    return divided_bundle("cifar10-dvs", split, class_names=CLASS_NAMES, source=SOURCE)


ENTRIES = {
    "cifar10-dvs": DatasetEntry(
        description="CIFAR10-DVS, moved images of CIFAR-10 before an event camera",
        sensor_size=SENSOR_SIZE,
        num_classes=len(CLASS_NAMES),
        files="CIFAR10DVS/<class>/cifar10_<class>_<n>.aedat",
        load=load_cifar10_dvs,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

"""CIFAR10-DVS: images of CIFAR-10 moved before a DVS128, from the published folders."""

from pathlib import Path

from longspike.data.cifar10 import CLASS_NAMES
from longspike.data.class_folders import list_class_files
from longspike.data.event_files import RecordingReader, divided_bundle, split_of_files
from longspike.data.event_splits import EventBundle
from longspike.data.locate import Layout, require_layout

PAGE = "https://doi.org/10.6084/m9.figshare.4724671"
FOLDERS = ("CIFAR10DVS", "CIFAR10-DVS", "cifar10-dvs", ".")
SENSOR_SIZE = (128, 128)
SOURCE = (
    "CIFAR10-DVS (Li et al. 2017, CC BY 4.0), 1,000 images of each class of CIFAR-10 before a DVS128, 128x128 pixels"
)


def cifar10_dvs_layouts(root: Path) -> tuple[Layout, ...]:
    """Where CIFAR10-DVS is looked for below `root`."""
    needs = tuple((name,) for name in CLASS_NAMES)
    return tuple(Layout(folder=root / folder, needs=needs) for folder in FOLDERS)


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
    layout, _ = require_layout("cifar10-dvs", cifar10_dvs_layouts(root), page=PAGE)
    paths, labels = list_class_files(layout.folder, CLASS_NAMES, kind="recordings", suffixes=(".aedat",))
    reader = RecordingReader(sensor_size=SENSOR_SIZE, format="aedat2", on_error=on_error)
    split = split_of_files(paths, labels, reader=reader)
    return divided_bundle("cifar10-dvs", split, class_names=CLASS_NAMES, source=SOURCE)

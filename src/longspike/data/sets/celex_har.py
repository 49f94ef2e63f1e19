"""CeleX-HAR: human actions before a CeleX-V camera, from recordings that were converted to a readable format."""

from pathlib import Path

from longspike.data.bundle import EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.event_folder import event_folder
from longspike.data.files.locate import Layout, require_files

PAGE = "https://github.com/Event-AHU/CeleX-HAR"
SENSOR_SIZE = (1280, 800)
LAYOUTS = (Layout(folders=("CeleX-HAR", "celex-har"), needs=(("train",), ("test",))),)
SOURCE = "CeleX-HAR (Wang et al. 2024, no terms stated), recordings of a CeleX-V camera, 1280x800 pixels, converted"


def load_celex_har(root: Path, *, on_error: str = "raise") -> EventBundle:
    """CeleX-HAR: 150 actions, on a sensor of 1280x800 pixels, 124,625 recordings.

    **The format of the published files is not verified**: no public description of it was found, so this loader reads
    CeleX-HAR/{train,test}/<class>/<recording> (val/ too if it is there) below `root`, each recording one file with the
    columns x, y, t (integer microseconds) and p, as CSV with a header or as NumPy archive, or in any other format of
    `longspike.events.read`. Convert the published files to that, and keep the published division. Samples are read when
    they are drawn; the classes are the folders that are there.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if folders are missing; drawing a sample raises it for files that cannot be read.
    Reference: Wang, Wang, Shao, Jiang, Zhu and Tian 2024, Event Stream based Human Action Recognition: A
    High-Definition Benchmark Dataset and Algorithms, arXiv 2408.09764.
    """
    folder, _ = require_files("celex-har", root, LAYOUTS, page=PAGE)
    return event_folder(folder, sensor_size=SENSOR_SIZE, on_error=on_error, name="celex-har", source=SOURCE)


ENTRIES = {
    "celex-har": DatasetEntry(
        description="CeleX-HAR, human actions in high definition; published format not verified",
        sensor_size=SENSOR_SIZE,
        num_classes=150,
        files="CeleX-HAR/{train,test}/<class>/: recordings converted to CSV or npz",
        load=load_celex_har,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

"""N-Caltech101: Caltech101's photographs shown to a moving event camera, from the published folders."""

from pathlib import Path

from longspike.data.bundle import EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.class_folders import list_class_files
from longspike.data.files.locate import Layout, require_files
from longspike.data.recordings import RecordingReader, divided_bundle, split_of_files

PAGE = "https://www.garrickorchard.com/datasets/n-caltech101"
SENSOR_SIZE = (240, 180)
WORDS = (
    "BACKGROUND_Google Faces_easy Leopards Motorbikes accordion airplanes anchor ant barrel bass beaver binocular bonsai "
    "brain brontosaurus buddha butterfly camera cannon car_side ceiling_fan cellphone chair chandelier cougar_body "
    "cougar_face crab crayfish crocodile crocodile_head cup dalmatian dollar_bill dolphin dragonfly electric_guitar "
    "elephant emu euphonium ewer ferry flamingo flamingo_head garfield gerenuk gramophone grand_piano hawksbill headphone "
    "hedgehog helicopter ibis inline_skate joshua_tree kangaroo ketch lamp laptop llama lobster lotus mandolin mayfly "
    "menorah metronome minaret nautilus octopus okapi pagoda panda pigeon pizza platypus pyramid revolver rhino rooster "
    "saxophone schooner scissors scorpion sea_horse snoopy soccer_ball stapler starfish stegosaurus stop_sign strawberry "
    "sunflower tick trilobite umbrella watch water_lilly wheelchair wild_cat windsor_chair wrench yin_yang"
)
CLASS_NAMES = tuple(WORDS.split())
"""The published folders: Caltech101's without its class Faces, and the background images as a class."""
LAYOUTS = (
    Layout(
        folders=("Caltech101", "N-Caltech101/Caltech101", "N-Caltech101", "ncaltech101"),
        needs=tuple((name,) for name in CLASS_NAMES),
    ),
)
SOURCE = "N-Caltech101 (Orchard et al. 2015, CC BY 4.0), recordings of an ATIS sensor, at most 240x180 pixels"


def load_ncaltech101(root: Path, *, on_error: str = "raise") -> EventBundle:
    """N-Caltech101: 101 classes of photographs, on a sensor of 240x180 pixels, about 300 ms a recording.

    Read from Caltech101/<class>/image_*.bin below `root`, sample by sample. The set is published whole: a tenth each is
    taken for test and validation, stratified, with this package's fixed seed. Results compare only on the same
    division, and with the background class counted.

    Args:
        on_error: "raise" or "skip", what to do about faulty events (see `longspike.events.read`).
    Raises: DataFileError if files are missing; drawing a sample raises it for files that are not what they claim to be.
    Reference: Orchard, Jayawant, Cohen and Thakor 2015, Converting Static Image Datasets to Spiking Neuromorphic
    Datasets Using Saccades.
    """
    folder, _ = require_files("ncaltech101", root, LAYOUTS, page=PAGE)
    paths, labels = list_class_files(folder, CLASS_NAMES, kind="recordings", suffixes=(".bin",))
    reader = RecordingReader(sensor_size=SENSOR_SIZE, format="nmnist", on_error=on_error)
    split = split_of_files(paths, labels, reader=reader)
    return divided_bundle("ncaltech101", split, class_names=CLASS_NAMES, source=SOURCE)


ENTRIES = {
    "ncaltech101": DatasetEntry(
        description="N-Caltech101, photographs before a moving event camera",
        sensor_size=SENSOR_SIZE,
        num_classes=len(CLASS_NAMES),
        files="Caltech101/<class>/image_*.bin",
        load=load_ncaltech101,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

"""Speech Commands v0.02: 35 spoken words as waveforms of 16 kHz, one second each."""

from pathlib import Path

import numpy as np
import torch

from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.class_folders import list_class_files
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.sound_files import read_sounds
from longspike.data.ragged_splits import RaggedSplit
from longspike.data.sounds import SCALE, UNIT
from longspike.errors import DataFileError

PAGE = "https://www.tensorflow.org/datasets/catalog/speech_commands"
RATE_HZ = SEQLEN = 16_000
CLASS_NAMES = (
    "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy", "house",
    "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop", "three", "tree",
    "two", "up", "visual", "wow", "yes", "zero",
)  # fmt: skip
LISTS = ("validation_list.txt", "testing_list.txt")
LAYOUTS = (
    Layout(
        folders=("speech_commands_v0.02", "SpeechCommands/speech_commands_v0.02", "speech_commands", "."),
        needs=tuple((name,) for name in (*LISTS, *CLASS_NAMES)),
    ),
)
SOURCE = (
    "Speech Commands v0.02 (Warden 2018, CC BY 4.0), 35 words, waveforms of 16 kHz; validation and test set by the "
    "published lists, in which no speaker of one part is in another."
)


def _listed(path: Path, numbers: dict[str, int]) -> np.ndarray:
    """The numbers of the files that a published list names, <word>/<file> a line.

    Raises: DataFileError if a file is not there.
    """
    names = path.read_text(encoding="utf-8", errors="surrogateescape").split()
    missing = next((name for name in names if name not in numbers), None)
    if missing is not None:
        raise DataFileError(f"{path} names {missing}, which is not there. Unpack the archive again.")
    return np.array([numbers[name] for name in names], dtype=np.int64)


def load_speech_commands(root: Path) -> DataBundle:
    """Spoken words sample by sample, up to 16,000 steps: 84,843 / 9,981 / 11,005 clips; shorter clips are not filled up.

    x = sample / 0.05, full scale being 1. The clips are decoded once, 3.4 GB in the cache, and drawn from there.

    Args: root: a folder that holds the unpacked archive in one of the places of `LAYOUTS`.
    Raises: DataFileError if files are missing or not what they claim to be, or the cache cannot be written.
    """
    folder, (validation, testing, *_) = require_files("speech-commands", root, LAYOUTS, page=PAGE)
    paths, labels = list_class_files(folder, CLASS_NAMES, kind="sounds", suffixes=(".wav",))
    numbers = {f"{path.parent.name}/{path.name}": number for number, path in enumerate(paths)}
    val, test = _listed(validation, numbers), _listed(testing, numbers)
    train = np.setdiff1d(np.arange(len(paths)), np.concatenate([val, test]))
    values, lengths = read_sounds(paths, rate_hz=RATE_HZ, samples_per_step=1, remedy="Get the published recordings.")
    whole = RaggedSplit(
        values=values,
        starts=torch.from_numpy(np.cumsum(lengths) - lengths),
        lengths=torch.from_numpy(lengths),
        labels=torch.from_numpy(labels),
        unit=UNIT,
        scale=SCALE,
    )
    return DataBundle(
        name="speech-commands",
        train=whole.select(torch.from_numpy(train)),
        val=whole.select(torch.from_numpy(val)),
        test=whole.select(torch.from_numpy(test)),
        num_classes=len(CLASS_NAMES),
        d_input=1,
        class_names=CLASS_NAMES,
        source=SOURCE,
        steps_per_second=float(RATE_HZ),
        samples_per_step=1,
    )


ENTRIES = {
    "speech-commands": DatasetEntry(
        description="Speech Commands, 35 words, waveforms sample by sample",
        seqlen=SEQLEN,
        d_input=1,
        num_classes=len(CLASS_NAMES),
        files="speech_commands_v0.02/<word>/*.wav, validation_list.txt, testing_list.txt",
        load=load_speech_commands,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

"""The Free Spoken Digit Dataset as spikes of a gammatone filterbank with spiking neurons."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from longspike.data.bundle import EventBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import EventSplit, split_of_samples
from longspike.data.files.locate import Layout, require_files
from longspike.data.holdout import SHARE
from longspike.errors import DataFileError
from longspike.events.audio import read_wav, spikes_from_audio
from longspike.events.record import EVENT_DTYPE

PAGE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
NUM_CLASSES = 10
NUM_CHANNELS = 70
SENSOR_SIZE = (NUM_CHANNELS, 1)
RATE_HZ = 8000
LAYOUTS = (
    Layout(
        folders=("fsdd/recordings", "free-spoken-digit-dataset/recordings", "recordings", "."),
        needs=tuple((f"{digit}_jackson_0.wav",) for digit in range(NUM_CLASSES)),
    ),
)
"""The first take of each digit by one speaker stands for all."""
RMS = 0.1
"""The level that every clip is brought to: the speakers' recordings differ in it."""
NUM_TEST_TAKES = 5
"""Takes 0 to 4 of each speaker and digit are the published test set."""
FILE_NAME = re.compile(r"([0-9])_([A-Za-z]+)_([0-9]+)\.wav")
SOURCE = (
    "Free Spoken Digit Dataset (Jackson et al.; CC BY-SA 4.0), 8 kHz, takes 0-4 for testing; turned into spikes by the "
    "gammatone front end of this package (longspike.events.audio), not by the inner-ear model of SHD; validation held "
    "out from the other takes."
)


class Clip(NamedTuple):
    """A recording, by its name."""

    digit: int
    speaker: str
    take: int
    path: Path


def list_clips(folder: Path) -> list[Clip]:
    """Every clip, by digit, speaker and take.

    Raises: DataFileError for a WAV file whose name is not <digit>_<speaker>_<take>.wav.
    """
    clips = []
    for path in folder.glob("*.wav"):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise DataFileError(f"{path} must be named <digit>_<speaker>_<take>.wav. Move other sounds elsewhere.")
        clips.append(Clip(int(match[1]), match[2], int(match[3]), path))
    return sorted(clips)


def clip_to_events(path: Path) -> np.ndarray:
    """The spikes of one clip as events: x is the channel, 0 the lowest, y = 0, p = 1.

    Raises: DataFileError if the file is no WAV file or not of 8 kHz.
    """
    samples, rate_hz = read_wav(path)
    if rate_hz != RATE_HZ:
        raise DataFileError(f"{path} must be sampled at {RATE_HZ} Hz; got {rate_hz}. Get the published recordings.")
    t_us, unit = spikes_from_audio(samples, rate_hz, num_channels=NUM_CHANNELS, rms=RMS)
    events = np.zeros(len(t_us), EVENT_DTYPE)
    events["x"], events["t"], events["p"] = unit, t_us, 1
    return events


def _split_of(clips: Sequence[Clip]) -> EventSplit:
    """Clips as a split."""
    samples = [clip_to_events(clip.path) for clip in clips]
    return split_of_samples(samples, torch.tensor([clip.digit for clip in clips]), sensor_size=SENSOR_SIZE)


def load_spoken_digits(root: Path) -> EventBundle:
    """Spoken digits as spikes of 70 channels: 2,430 / 270 / 300 clips of 0.1 to 2.3 s in the version of six speakers.

    Takes 0 to 4 of each speaker and digit are the test set, as published; of the others one in ten is held out for
    validation, stratified by digit (`hold_out`). Each clip is brought to a root mean square of 0.1 and goes through
    `longspike.events.audio.spikes_from_audio` with its defaults; that takes some ten seconds for all clips.

    Args:
        root: a folder that holds the recordings in one of the places of `LAYOUTS`.
    Raises: DataFileError if files are missing or not what they claim to be.
    """
    folder, _ = require_files("spoken-digits", root, LAYOUTS, page=PAGE)
    clips = list_clips(folder)
    rest = [clip for clip in clips if clip.take >= NUM_TEST_TAKES]
    test = [clip for clip in clips if clip.take < NUM_TEST_TAKES]
    if len(rest) < SHARE:
        raise DataFileError(
            f"{folder} must hold takes from {NUM_TEST_TAKES} on, the training set; got {len(rest)} of them. "
            "Get all recordings."
        )
    train, val = without_validation(_split_of(rest))
    return EventBundle(
        name="spoken-digits",
        train=train,
        val=val,
        test=_split_of(test),
        num_classes=NUM_CLASSES,
        sensor_size=SENSOR_SIZE,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=SOURCE,
    )


ENTRIES = {
    "spoken-digits": DatasetEntry(
        description="Free Spoken Digit Dataset as spikes of this package's gammatone front end",
        sensor_size=SENSOR_SIZE,
        num_classes=NUM_CLASSES,
        files="fsdd/recordings/<digit>_<speaker>_<take>.wav",
        load=load_spoken_digits,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

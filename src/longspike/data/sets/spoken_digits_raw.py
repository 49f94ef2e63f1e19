"""The Free Spoken Digit Dataset as waveforms: a sample a step, or frames; also with speakers of their own to test on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from longspike.data.bundle import DataBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.files.locate import require_files
from longspike.data.holdout import SHARE
from longspike.data.ragged_splits import RaggedSplit, ragged_split
from longspike.data.sets.spoken_digits import LAYOUTS, NUM_CLASSES, NUM_TEST_TAKES, PAGE, RATE_HZ, Clip, list_clips
from longspike.data.sounds import SCALE, UNIT, read_sound
from longspike.errors import DataFileError

LONGEST = 18_262
"""Samples of the longest clip."""
SAMPLES_PER_FRAME = 8
TEST_SPEAKER, VAL_SPEAKER = "yweweler", "theo"
ORIGIN = "Free Spoken Digit Dataset (Jackson et al.; CC BY-SA 4.0), waveforms of 8 kHz"
BY_TAKES = "takes 0-4 for testing, validation held out from the other takes"
BY_SPEAKERS = f"tested on the speaker {TEST_SPEAKER}, validated on {VAL_SPEAKER}, trained on the others"
FILES = "fsdd/recordings/<digit>_<speaker>_<take>.wav"

Division = tuple[RaggedSplit, RaggedSplit, RaggedSplit]


def _split_of(clips: Sequence[Clip], samples_per_step: int) -> RaggedSplit:
    remedy = "Get the published recordings."
    sounds = (
        read_sound(clip.path, rate_hz=RATE_HZ, samples_per_step=samples_per_step, remedy=remedy) for clip in clips
    )
    return ragged_split(sounds, torch.tensor([clip.digit for clip in clips]), dtype="int16", unit=UNIT, scale=SCALE)


def _by_takes(folder: Path, samples_per_step: int) -> Division:
    clips = list_clips(folder)
    rest = [clip for clip in clips if clip.take >= NUM_TEST_TAKES]
    if len(rest) < SHARE:
        raise DataFileError(
            f"{folder} must hold takes from {NUM_TEST_TAKES} on, the training set; got {len(rest)} of them. "
            "Get all recordings."
        )
    train, val = without_validation(_split_of(rest, samples_per_step))
    return train, val, _split_of([clip for clip in clips if clip.take < NUM_TEST_TAKES], samples_per_step)


def _by_speakers(folder: Path, samples_per_step: int) -> Division:
    clips = list_clips(folder)
    parts: list[list[Clip]] = [[], [], []]
    for clip in clips:
        parts[{VAL_SPEAKER: 1, TEST_SPEAKER: 2}.get(clip.speaker, 0)].append(clip)
    if not all(parts):
        found = ", ".join(sorted({clip.speaker for clip in clips}))
        raise DataFileError(
            f"{folder} must hold clips of {VAL_SPEAKER}, {TEST_SPEAKER} and others; got {found}. Get all recordings."
        )
    train, val, test = (_split_of(part, samples_per_step) for part in parts)
    return train, val, test


def _load(
    name: str, root: Path, divide: Callable[[Path, int], Division], division: str, samples_per_step: int
) -> DataBundle:
    folder, _ = require_files(name, root, LAYOUTS, page=PAGE)
    train, val, test = divide(folder, samples_per_step)
    return DataBundle(
        name=name,
        train=train,
        val=val,
        test=test,
        num_classes=NUM_CLASSES,
        d_input=samples_per_step,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=f"{ORIGIN}; {division}.",
        steps_per_second=RATE_HZ / samples_per_step,
        samples_per_step=samples_per_step,
    )


def load_spoken_digits_raw(root: Path) -> DataBundle:
    """Spoken digits sample by sample, 1,148 to 18,262 steps: 2,430 / 270 / 300 clips in the version of six speakers.

    x = sample / 0.05, full scale being 1: one factor for all clips, so their levels differ as they were recorded, and a
    stream is read alike. Takes 0 to 4 of each speaker and digit are the test set, as published; of the others one in ten is
    held out for validation, stratified by digit (`hold_out`).

    Args: root: a folder that holds the recordings in one of the places of `LAYOUTS`.
    Raises: DataFileError if files are missing or not what they claim to be.
    """
    return _load("spoken-digits-raw", root, _by_takes, BY_TAKES, 1)


def load_spoken_digits_frames(root: Path) -> DataBundle:
    """Spoken digits in frames of 8 successive samples, 1 ms, up to 2,283 steps; otherwise as `load_spoken_digits_raw`."""
    return _load("spoken-digits-frames", root, _by_takes, BY_TAKES, SAMPLES_PER_FRAME)


def load_spoken_digits_raw_speakers(root: Path) -> DataBundle:
    """Spoken digits sample by sample of speakers that were not trained on: 2,000 / 500 / 500 clips.

    Trained on george, jackson, lucas and nicolas; theo is the validation set, yweweler the test set. Otherwise as
    `load_spoken_digits_raw`.
    """
    return _load("spoken-digits-raw-speakers", root, _by_speakers, BY_SPEAKERS, 1)


def _entry(description: str, load: Callable[[Path], DataBundle], samples_per_step: int) -> DatasetEntry:
    return DatasetEntry(
        description=description,
        seqlen=-(-LONGEST // samples_per_step),
        d_input=samples_per_step,
        num_classes=NUM_CLASSES,
        files=FILES,
        load=load,
        layouts=LAYOUTS,
        page=PAGE,
    )


ENTRIES = {
    "spoken-digits-raw": _entry("Free Spoken Digit Dataset, waveforms sample by sample", load_spoken_digits_raw, 1),
    "spoken-digits-raw-speakers": _entry(
        "Free Spoken Digit Dataset, waveforms, tested on a speaker of its own", load_spoken_digits_raw_speakers, 1
    ),
    "spoken-digits-frames": _entry(
        "Free Spoken Digit Dataset, waveforms in frames of 8 samples", load_spoken_digits_frames, SAMPLES_PER_FRAME
    ),
}

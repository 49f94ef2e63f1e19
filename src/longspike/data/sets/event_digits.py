"""Simulated event recordings of the 8x8 digits that scikit-learn carries: an event data set that needs no download."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from longspike._core.extras import require
from longspike.data.bundle import EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.event_splits import split_of_samples
from longspike.data.holdout import divide
from longspike.data.sets.digits import NUM_CLASSES, NUM_TEST, NUM_VAL
from longspike.events.simulate import mismatched_contrast, saccade_frames, simulate_events

SENSOR_SIZE = (34, 34)
SCALE = 3.0
AMPLITUDE_PX = 4.0
SACCADE_US = 70_000
FRAMES_PER_SACCADE = 16
CONTRAST, CONTRAST_SPREAD = 0.8, 0.03
REFRACTORY_US = 1_000
NOISE_RATE_HZ = 0.1
SEED = 2024
"""Of the sensor's mismatch, and with a sample's number in scikit-learn's order, of that sample's noise."""
SOURCE = (
    "Simulated event-camera recordings (longspike.events.simulate; no camera was used) of the optical recognition of "
    "handwritten digits (Alpaydin and Kaynak 1998, UCI repository, CC BY 4.0), the 1,797 images that scikit-learn "
    "carries; split 1,347/90/360 by this package, as the data set 'digits'."
)


def simulate_digit(image: np.ndarray, *, contrast: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The simulated recording of one digit: 24x24 pixels on a 34x34 sensor, three saccades of 70 ms.

    Args:
        image: (8, 8), values 0 to 16.
        contrast: (34, 34), the sensor's thresholds.
        rng: draws the background noise.
    """
    frames, times_us = saccade_frames(
        image / 16.0,
        SENSOR_SIZE,
        scale=SCALE,
        amplitude_px=AMPLITUDE_PX,
        saccade_us=SACCADE_US,
        frames_per_saccade=FRAMES_PER_SACCADE,
    )
    return simulate_events(
        frames, times_us, contrast=contrast, refractory_us=REFRACTORY_US, noise_rate_hz=NOISE_RATE_HZ, rng=rng
    )


@cache
def _simulated_bundle() -> EventBundle:
    """The data set; simulated once in a process."""
    datasets = require("sklearn.datasets", extra="data", purpose="The data set 'event-digits'")
    values, classes = datasets.load_digits(return_X_y=True)
    labels = torch.from_numpy(classes.astype(np.int64))
    thresholds = mismatched_contrast(CONTRAST, SENSOR_SIZE, spread=CONTRAST_SPREAD, rng=np.random.default_rng(SEED))
    samples = [
        simulate_digit(image.reshape(8, 8), contrast=thresholds, rng=np.random.default_rng([SEED, k]))
        for k, image in enumerate(values)
    ]
    everything = split_of_samples(samples, labels, sensor_size=SENSOR_SIZE)
    train, val, test = divide(labels, num_val=NUM_VAL, num_test=NUM_TEST)
    return EventBundle(
        name="event-digits",
        train=everything.select(train),
        val=everything.select(val),
        test=everything.select(test),
        num_classes=NUM_CLASSES,
        sensor_size=SENSOR_SIZE,
        class_names=tuple(str(digit) for digit in range(NUM_CLASSES)),
        source=SOURCE,
    )


def load_event_digits(root: Path | None = None) -> EventBundle:
    """Simulated event recordings of the 8x8 digits, split as the data set `digits`: 1,347 / 90 / 360.

    Each image is shown to `longspike.events.simulate` magnified three times on a 34x34 sensor that makes three saccades
    of 70 ms along a triangle of 4 pixels. The pixels' thresholds spread by 3 per cent, one draw for the sensor; the
    refractory period is 1 ms; the noise is 0.1 events per pixel and second. The recordings are the same in every
    process; the first call simulates them in a few seconds, later calls return the same object.

    Args:
        root: accepted as by every loader of the registry; the images come with scikit-learn and no folder is read.
    Raises: MissingExtraError without scikit-learn.
    """
    return _simulated_bundle()


ENTRIES = {
    "event-digits": DatasetEntry(
        description="the 8x8 digits before a simulated event camera; no download",
        sensor_size=SENSOR_SIZE,
        num_classes=NUM_CLASSES,
        files="none; the package scikit-learn",
        load=load_event_digits,
        package="sklearn",
    )
}

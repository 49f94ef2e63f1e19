"""Sounds of WAV files as steps: one sample each, or frames of several."""

from pathlib import Path

import numpy as np

from longspike.errors import DataFileError
from longspike.events.audio import read_wav

FULL_SCALE = 1 << 15
"""A stored sample is a whole number of 1 / 32768 of full scale; 16-bit files are stored as they are."""
LEVEL = 0.05
"""The level, a root mean square as a share of full scale, that becomes 1: about that of speech near a microphone."""
UNIT, SCALE = 1.0 / FULL_SCALE, 1.0 / LEVEL
"""x = stored * UNIT * SCALE; one factor for all sounds, so that a stream, which does not know their level, is read alike."""


def frames_of_sound(samples: np.ndarray, *, samples_per_step: int) -> np.ndarray:
    """Samples as steps of successive samples, the last one filled up with silence.

        steps[t, k] = round(32768 samples[t * samples_per_step + k]), between -32768 and 32767

    Args: samples: (num_samples,), full scale being [-1, 1).
    Returns: (ceil(num_samples / samples_per_step), samples_per_step), int16.

    Example:
        >>> frames_of_sound(np.array([0.5, -1.0, 0.25]), samples_per_step=2).tolist()
        [[16384, -32768], [8192, 0]]
    """
    num_steps = -(-len(samples) // samples_per_step)
    steps = np.zeros(num_steps * samples_per_step, np.int16)
    steps[: len(samples)] = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return steps.reshape(num_steps, samples_per_step)


def read_sound(path: Path, *, rate_hz: int, samples_per_step: int, remedy: str) -> np.ndarray:
    """The steps of a WAV file, see `frames_of_sound`.

    Raises: DataFileError if it is no WAV file, or of another sampling rate, with the remedy.
    """
    samples, found_hz = read_wav(path)
    if found_hz != rate_hz:
        raise DataFileError(f"{path} must be sampled at {rate_hz} Hz; got {found_hz}. {remedy}")
    return frames_of_sound(samples, samples_per_step=samples_per_step)

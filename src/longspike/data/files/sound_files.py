"""Many sounds as one array of steps, decoded once, cached, and mapped from the cache."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspike.data.files.cache import cached_arrays, fingerprint
from longspike.data.sounds import read_sound

CACHE_VERSION = "sounds 1"
"""Part of the cache's key; to be raised when decoding changes."""


def read_sounds(
    paths: Sequence[Path], *, rate_hz: int, samples_per_step: int, remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """The steps of all files one behind another (num_stored, samples_per_step), int16, and the steps of each, int64.

    The first call decodes the files, for which their sound must fit into memory, into the folder sounds-<fingerprint> of
    `cache_folder()`; every call maps what is there. A changed, added or removed file gives another fingerprint.

    Args: rate_hz, samples_per_step, remedy: see `read_sound`.
    Raises: DataFileError if a file is damaged or of another sampling rate, or the cache cannot be written.
    """

    def decode() -> dict[str, np.ndarray]:
        lengths, stored = [], bytearray()
        for path in paths:
            steps = read_sound(path, rate_hz=rate_hz, samples_per_step=samples_per_step, remedy=remedy)
            lengths.append(len(steps))
            stored += steps.tobytes()
        values = np.frombuffer(stored, np.int16).reshape(-1, samples_per_step)
        return {"values": values, "lengths": np.array(lengths, np.int64)}

    key = fingerprint(paths, version=f"{CACHE_VERSION}, {rate_hz} Hz, {samples_per_step}")
    arrays = cached_arrays("sounds", key, decode)
    return arrays["values"], np.array(arrays["lengths"])

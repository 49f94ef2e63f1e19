"""N-MNIST's .bin files: five bytes an event, no header.

Byte 0 is x, byte 1 is y, the highest bit of byte 2 is p, and the 23 bits below it are the time in microseconds since the
recording's start, high byte first. Events in row 240, which lies outside the sensors that this format was made with, mark
an overflow of a counter of 2^13 µs: they give no event, and the time of all that follow is later by that much. N-MNIST
itself holds none. On a sensor of more than 240 rows they are events like any other.

Reference: Orchard et al. 2015, "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades",
Frontiers in Neuroscience 9:437, and the readers published with it.
"""

from typing import BinaryIO

import numpy as np

from longspike.events.decoding import Decoder
from longspike.events.faults import Faults
from longspike.events.formats.source import Asked, Source, decoded

SENSOR_SIZE = (34, 34)
"""N-MNIST's; files of the same layout from other sensors (N-Caltech101: up to 240x180) need `sensor_size`."""

MARKER_ROW = 240
LATEST_US = (1 << 23) - 1


def looks_like(head: bytes, num_bytes: int, sensor_size: tuple[int, int] | None) -> bool:
    """Whether a file of `num_bytes` that starts with `head` can be one: whole records, on the sensor, in order of time."""
    width, height = sensor_size or SENSOR_SIZE
    rows = np.frombuffer(head, np.uint8, len(head) // 5 * 5).reshape(-1, 5)
    is_event = rows[:, 1] != MARKER_ROW
    time = (rows[is_event, 2:].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])) & LATEST_US
    is_on_sensor = bool(((rows[is_event, 0] < width) & (rows[is_event, 1] < height)).all())
    return num_bytes % 5 == 0 and is_on_sensor and (not is_event.all() or bool((np.diff(time) >= 0).all()))


def open_nmnist(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Five bytes an event; the sensor is N-MNIST's unless the caller says another."""
    size = asked.sensor_size or SENSOR_SIZE
    decoder = Decoder("nmnist", faults, settings={1: int(size[1] <= MARKER_ROW)})
    return Source(chunks=decoded(stream, decoder, faults), sensor_size=size, is_camera_time=False)


def write_nmnist(stream: BinaryIO, events: np.ndarray, sensor_size: tuple[int, int]) -> None:
    """Five bytes an event.

    Raises: ValueError for sensors of more than 256 columns or 240 rows, or times of 2^23 µs (8.4 s) and more.
    """
    if sensor_size[0] > 256 or sensor_size[1] > MARKER_ROW:
        raise ValueError(
            f"write: N-MNIST's format holds at most 256x{MARKER_ROW} pixels; got {sensor_size[0]}x{sensor_size[1]}. "
            "Use evt3 or npz."
        )
    if len(events) and int(events["t"][-1]) > LATEST_US:
        raise ValueError(
            f"write: N-MNIST's format holds times up to {LATEST_US} µs; got {int(events['t'][-1])}. Use evt3 or npz."
        )
    word = events["p"].astype(np.int64) << 23 | events["t"]
    rows = np.stack([events["x"], events["y"], word >> 16, word >> 8 & 0xFF, word & 0xFF], axis=1)
    stream.write(rows.astype(np.uint8).tobytes())

"""Batches of event samples of different lengths in flat tensors, without padding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_offsets, describe
from longspike.events.arguments import check_on_sensor, check_sensor_size
from longspike.events.conversion import convert_events
from longspike.events.record import EVENT_DTYPE, LATEST_TIME_US

__all__ = ["RaggedEvents", "check_ragged", "collate_events"]

FIELD_DTYPES = {"x": torch.int32, "y": torch.int32, "t": torch.int64, "p": torch.int32}


class RaggedEvents(NamedTuple):
    """Events of several samples, one after the other; sample k owns offsets[k] : offsets[k+1].

    x, y: (num_events,), int32, column and row.
    t: (num_events,), int64, microseconds, non-decreasing within a sample.
    p: (num_events,), int32, 0 off, 1 on.
    offsets: (batch + 1,), int64, from 0 to num_events.
    """

    x: Tensor
    y: Tensor
    t: Tensor
    p: Tensor
    offsets: Tensor

    @property
    def batch(self) -> int:
        """The number of samples."""
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """(batch,), int64: the number of events of each sample."""
        return self.offsets.diff()

    def to(self, device: torch.device | str) -> "RaggedEvents":
        """The same events on a device."""
        return RaggedEvents(*(tensor.to(device) for tensor in self))

    def split(self) -> list[np.ndarray]:
        """The samples as event arrays: the inverse of `collate_events`."""
        everything = np.empty(self.t.shape[0], EVENT_DTYPE)
        for name in FIELD_DTYPES:
            everything[name] = getattr(self, name).cpu().numpy()
        return np.split(everything, self.offsets[1:-1].cpu().numpy()) if self.batch else []


def check_ragged(events: RaggedEvents, *, sensor_size: tuple[int, int] | None = None) -> None:
    """Raise unless a batch keeps the rules of `RaggedEvents`: shapes, dtypes, offsets, order of time, bounds.

    Args:
        events: the batch.
        sensor_size: (width, height), or None to leave x and y unbounded above.
    Raises: ValueError that names the field, what came and the remedy.
    """
    where, num_events = "RaggedEvents", events.t.shape[0] if events.t.dim() else -1
    for name, dtype in FIELD_DTYPES.items():
        tensor = getattr(events, name)
        if tensor.dtype != dtype or tuple(tensor.shape) != (num_events,):
            raise ValueError(
                f"{where}: `{name}` must be a tensor of shape ({num_events},) and dtype {dtype}; got "
                f"{describe(tensor)}. Build the batch with collate_events."
            )
    remedy = "Build the batch with collate_events."
    check_offsets(where, "offsets", events.offsets, num_events, f"the number of events, {num_events}", remedy=remedy)
    width, height = sensor_size or (65536, 65536)
    for name, size in (("x", width), ("y", height), ("t", LATEST_TIME_US + 1), ("p", 2)):
        field = getattr(events, name)
        if num_events and not (int(field.min()) >= 0 and int(field.max()) < size):
            raise ValueError(
                f"{where}: `{name}` must lie in [0, {size - 1}]; got min={int(field.min())}, max={int(field.max())}. "
                "Give the recording's sensor_size = (width, height), and t in microseconds since its start."
            )
    is_late = events.t.diff() < 0
    starts = events.offsets[1:-1]
    is_late[starts[(starts > 0) & (starts < num_events)] - 1] = False
    if bool(is_late.any()):
        first = int(is_late.nonzero()[0]) + 1
        sample = int(torch.searchsorted(events.offsets, first, right=True)) - 1
        raise ValueError(
            f"{where}: `t` must not decrease within a sample; it does at event {first - int(events.offsets[sample])} "
            f"of sample {sample}. Sort the sample by time."
        )


def collate_events(samples: Sequence[object], *, sensor_size: tuple[int, int] | None = None) -> RaggedEvents:
    """Put event arrays one after the other into a batch.

    Args:
        samples: what `as_events` takes, each in the order of time; empty ones are samples too.
        sensor_size: (width, height) to check x and y against, or None.
    Returns: the batch, on the CPU, in memory of its own.
    Raises: TypeError for what are no events; ValueError for times out of order, p outside {0, 1} or a pixel
        beyond the sensor.

    Example:
        >>> sample = np.array([(3, 1, 10, 1), (4, 1, 25, 0)], EVENT_DTYPE)
        >>> batch = collate_events([sample, sample[:1]], sensor_size=(8, 2))
        >>> batch.batch, batch.t.tolist(), batch.offsets.tolist()
        (2, [10, 25, 10], [0, 2, 3])
    """
    where = "collate_events"
    arrays = [convert_events(where, sample) for sample in samples]
    if sensor_size is not None:
        sensor_size = check_sensor_size(where, sensor_size)
        for array in arrays:
            check_on_sensor(where, array, sensor_size)
    everything = np.concatenate(arrays) if arrays else np.empty(0, EVENT_DTYPE)
    lengths = np.array([0, *(len(array) for array in arrays)], np.int64)
    batch = RaggedEvents(
        x=torch.from_numpy(everything["x"].astype(np.int32)),
        y=torch.from_numpy(everything["y"].astype(np.int32)),
        t=torch.from_numpy(everything["t"].astype(np.int64)),
        p=torch.from_numpy(everything["p"].astype(np.int32)),
        offsets=torch.from_numpy(np.cumsum(lengths)),
    )
    check_ragged(batch, sensor_size=sensor_size)
    return batch

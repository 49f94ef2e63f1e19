"""Decoders with their state: compiled where the extension is there, else the reference in Python."""

from dataclasses import dataclass

import numpy as np

from longspike.events import reference
from longspike.events.faults import DECODING_FAULTS, Faults
from longspike.events.record import EVENT_DTYPE
from longspike.kernels import native

CAPACITY = 1 << 16
"""Events of one output array: 0.9 MB."""

NUM_SLOTS, FAULTS, FAULT, FIRST_SLOT = 8, 0, 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The records of one format.

    Args:
        record_bytes: bytes of a record; of the smallest unit if records differ in length.
        most_events: events that one record can hold.
        start: what the state holds before the first record, from the first free slot on.
    """

    record_bytes: int
    most_events: int = 1
    start: tuple[int, ...] = ()


LAYOUTS = {
    "evt2": Layout(record_bytes=4),
    "evt21": Layout(record_bytes=8, most_events=32),
    "evt3": Layout(record_bytes=2, most_events=12, start=(0, 0, 0, -1, -1, 0)),
    "dat": Layout(record_bytes=8),
    "es": Layout(record_bytes=1),
    "nmnist": Layout(record_bytes=5),
}


def address(array: np.ndarray) -> int:
    """The address of a contiguous array's first byte."""
    if not array.flags.c_contiguous:
        raise ValueError("the array must be contiguous")
    return array.ctypes.data


class Decoder:
    """Turns the bytes of one format into events, piece by piece; splits change nothing.

    Args:
        name: a key of `LAYOUTS`.
        faults: where faulty records go.
        offset: the file position of the first byte, for the messages.
        settings: slots of the state that the format's header sets (see csrc/events/decoding.hpp).
        use_extension: None takes the compiled decoder if it is there.
    """

    def __init__(
        self,
        name: str,
        faults: Faults,
        *,
        offset: int = 0,
        settings: dict[int, int] | None = None,
        use_extension: bool | None = None,
    ) -> None:
        self.layout, self.position = LAYOUTS[name], offset
        self._faults = faults
        self.state = np.zeros(NUM_SLOTS, np.int64)
        self.state[FIRST_SLOT : FIRST_SLOT + len(self.layout.start)] = self.layout.start
        for slot, value in (settings or {}).items():
            self.state[FIRST_SLOT + slot] = value
        is_compiled = native.is_available() if use_extension is None else use_extension
        self._compiled = getattr(native.extension(), f"decode_{name}") if is_compiled else None
        self._reference = reference.DECODERS[name]

    def decode(self, records: np.ndarray, *, capacity: int = CAPACITY) -> tuple[int, np.ndarray]:
        """Bytes used and the events in them; at most `capacity` events, at least 32.

        Args:
            records: uint8, whole records or a rest that the next call starts with again.
        Raises: DataFileError at the first faulty record, unless faults are skipped.
        """
        events = np.empty(capacity, EVENT_DTYPE)
        count = len(records) // self.layout.record_bytes
        before = int(self.state[FAULTS])
        if self._compiled is not None:
            consumed, produced = self._compiled(
                address(records), count, address(self.state), address(events), capacity, self._faults.skips
            )
        else:
            consumed, produced = self._reference(records, count, self.state, events, self._faults.skips)
        used = consumed * self.layout.record_bytes
        if self.state[FAULT]:
            what = DECODING_FAULTS[int(self.state[FAULT])]
            self._faults.report(f"record at byte {self.position + used}", what)
        self._faults.skipped += int(self.state[FAULTS]) - before
        self.position += used
        return used, events[:produced]

"""The decoders in Python, slot for slot those of csrc/events/decoding.hpp: the truth for them, and the way without them.

Each takes records (uint8), their count, the state (int64, changed in place), the array that the events go to, and whether
faults are skipped; it returns how many records it read and how many events it wrote.
"""

from collections.abc import Callable, Iterator

import numpy as np

FAULTS, FAULT, FIRST_SLOT = 0, 1, 2
UNDEFINED_TYPE, BEFORE_TIME, BEFORE_ROW, BEFORE_COLUMN, PAST_LAST_COLUMN, PAST_LAST_ROW = 1, 2, 3, 4, 5, 6
OUTSIDE, BACKWARDS, TIME_RANGE = 7, 8, 9
PIECE_WORDS = 1 << 12
OTHER_TYPES = (0xA, 0xE, 0xF)
"""Word types without events: external triggers, extensions, and what continues them."""


def carry_on(high: int, sent: int, bits: int) -> int:
    """The high part of a time, of which `bits` bits are sent, over its wraps: back by more than half the range is one."""
    span = 1 << bits
    before = high % span
    return high - before + sent + (span if before - sent > span // 2 else 0)


def stops(state: np.ndarray, skip: bool, fault: int) -> bool:
    """Count a fault, or remember it and say that the call ends here."""
    if skip:
        state[FAULTS] += 1
        return False
    state[FAULT] = fault
    return True


def words(records: np.ndarray, dtype: str) -> Iterator[int]:
    """The words of records as Python's integers, which take ten times their memory: some thousands at a time."""
    everything = records.view(dtype)
    for first in range(0, len(everything), PIECE_WORDS):
        yield from everything[first : first + PIECE_WORDS].tolist()


def decode_evt2(records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool) -> tuple[int, int]:
    """EVT2: 32-bit words, type in the highest 4 bits, below it 6 bits of time, x, y; or 28 bits of time above them."""
    known, high = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 2])
    i = n = 0
    for w in words(records[: 4 * count], "<u4"):
        if n == len(events):
            break
        kind, fault = w >> 28, 0
        if kind <= 1:
            if known:
                events[n] = (w >> 11 & 0x7FF, w & 0x7FF, high << 6 | (w >> 22 & 0x3F), kind)
                n += 1
            else:
                fault = BEFORE_TIME
        elif kind == 8:
            high = carry_on(high, w & 0x0FFFFFFF, 28) if known else w & 0x0FFFFFFF
            known = 1
        elif kind not in OTHER_TYPES:
            fault = UNDEFINED_TYPE
        if fault and stops(state, skip, fault):
            break
        i += 1
    state[FIRST_SLOT : FIRST_SLOT + 2] = known, high
    return i, n


def decode_evt21(records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool) -> tuple[int, int]:
    """EVT2.1: 64-bit words like EVT2's, with the first of 32 columns and a mask of those that fired."""
    known, high, is_swapped = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 3])
    i = n = 0
    for word in words(records[: 8 * count], "<u8"):
        if n + 32 > len(events):
            break
        w = (word << 32 | word >> 32) & 0xFFFFFFFFFFFFFFFF if is_swapped else word
        kind, fault = w >> 60, 0
        if kind <= 1:
            if known:
                x, y, t = w >> 43 & 0x7FF, w >> 32 & 0x7FF, high << 6 | (w >> 54 & 0x3F)
                for column in range(32):
                    if w >> column & 1:
                        events[n] = (x + column, y, t, kind)
                        n += 1
            else:
                fault = BEFORE_TIME
        elif kind == 8:
            sent = w >> 32 & 0x0FFFFFFF
            high = carry_on(high, sent, 28) if known else sent
            known = 1
        elif kind not in OTHER_TYPES:
            fault = UNDEFINED_TYPE
        if fault and stops(state, skip, fault):
            break
        i += 1
    state[FIRST_SLOT : FIRST_SLOT + 2] = known, high
    return i, n


def _evt3_fault(known: int, y: int, x: int, valid: int) -> int:
    """What an event or a vector of events lacks, 0 if nothing; `x` is the last column's for a single event."""
    if not known:
        return BEFORE_TIME
    if y < 0:
        return BEFORE_ROW
    if x < 0:
        return BEFORE_COLUMN
    return PAST_LAST_COLUMN if valid and x + valid.bit_length() - 1 > 2047 else 0


def decode_evt3(records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool) -> tuple[int, int]:
    """EVT3: 16-bit words, type in the highest 4 bits, that each change one thing: row, column, time; or give events."""
    known, high, low, y, x, p = (int(value) for value in state[FIRST_SLOT:])
    i = n = 0
    for w in words(records[: 2 * count], "<u2"):
        if n + 12 > len(events):
            break
        kind, payload, fault = w >> 12, w & 0xFFF, 0
        if kind == 0x0:
            y = w & 0x7FF
        elif kind == 0x2:
            fault = _evt3_fault(known, y, 0, 0)
            if not fault:
                events[n] = (w & 0x7FF, y, high << 12 | low, w >> 11 & 1)
                n += 1
        elif kind == 0x3:
            x, p = w & 0x7FF, w >> 11 & 1
        elif kind in (0x4, 0x5):
            width, valid = (12, payload) if kind == 0x4 else (8, w & 0xFF)
            fault = _evt3_fault(known, y, x, valid)
            for column in range(0 if fault else width):
                if valid >> column & 1:
                    events[n] = (x + column, y, high << 12 | low, p)
                    n += 1
            if 0 <= x <= 2047:
                x += width
        elif kind == 0x6:
            low = payload
        elif kind == 0x8:
            following = carry_on(high, payload, 12) if known else payload
            if not known or following != high:
                low = 0  # the low part that belongs to it is still to come
            high, known = following, 1
        elif kind not in (*OTHER_TYPES, 0x7):
            fault = UNDEFINED_TYPE
        if fault and stops(state, skip, fault):
            break
        i += 1
    state[FIRST_SLOT:] = known, high, low, y, x, p
    return i, n


def decode_dat(records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool) -> tuple[int, int]:
    """DAT: 32 bits of time, then x, y and p in 14, 14 and 4 bits (version 1: 9, 8 and 1)."""
    count = min(count, len(events))
    latest, wraps, version = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 3])
    words = records[: 8 * count].view("<u4").reshape(-1, 2)
    t, w = words[:, 0].astype(np.int64), words[:, 1]
    num_wraps = np.cumsum(np.diff(t, prepend=latest) < -(1 << 31))
    events["t"][:count] = t + wraps + (num_wraps << 32)
    if version == 1:
        events["x"][:count], events["y"][:count], events["p"][:count] = w & 0x1FF, w >> 9 & 0xFF, w >> 17 & 1
    else:
        events["x"][:count], events["y"][:count], events["p"][:count] = w & 0x3FFF, w >> 14 & 0x3FFF, w >> 28 & 1
    if count:
        state[FIRST_SLOT : FIRST_SLOT + 2] = t[-1], wraps + (int(num_wraps[-1]) << 32)
    return count, count


def decode_es(records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool) -> tuple[int, int]:
    """Event Stream: overflow (127 µs) and reset bytes; else time since the last event and p, x, and y from the bottom."""
    t, height = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 2])
    data = records[:count].tobytes()
    i = n = 0
    while i < count and n < len(events):
        first = data[i]
        if first == 0xFF:
            t, i = t + 127, i + 1
        elif first == 0xFE:
            i += 1
        elif count - i < 5:
            break
        else:
            x, y = int.from_bytes(data[i + 1 : i + 3], "little"), int.from_bytes(data[i + 3 : i + 5], "little")
            if y >= height:
                if stops(state, skip, PAST_LAST_ROW):
                    break
            else:
                events[n] = (x, height - 1 - y, t + (first >> 1), first & 1)
                n += 1
            t, i = t + (first >> 1), i + 5
    state[FIRST_SLOT] = t
    return i, n


def decode_nmnist(
    records: np.ndarray, count: int, state: np.ndarray, events: np.ndarray, skip: bool
) -> tuple[int, int]:
    """N-MNIST: x, y, then p in the highest bit of 24 and time in the others; y = 240 may mark an overflow of 2^13 µs."""
    count = min(count, len(events))
    overflows, has_markers = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 2])
    rows = records[: 5 * count].reshape(-1, 5)
    is_marker = (rows[:, 1] == 240) & bool(has_markers)
    time = (rows[:, 2:].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])) & 0x7FFFFF
    carried = overflows + (np.cumsum(is_marker) << 13)
    is_event = ~is_marker
    n = int(is_event.sum())
    events["x"][:n], events["y"][:n] = rows[is_event, 0], rows[is_event, 1]
    events["t"][:n], events["p"][:n] = (time + carried)[is_event], rows[is_event, 2] >> 7
    if count:
        state[FIRST_SLOT] = carried[-1]
    return count, n


DECODERS: dict[str, Callable[[np.ndarray, int, np.ndarray, np.ndarray, bool], tuple[int, int]]] = {
    "evt2": decode_evt2,
    "evt21": decode_evt21,
    "evt3": decode_evt3,
    "dat": decode_dat,
    "es": decode_es,
    "nmnist": decode_nmnist,
}

"""Which events of a file are kept: those on the sensor and in order of time; and what becomes of times far ahead."""

from collections.abc import Iterable, Iterator

import numpy as np

from longspike.events.decoding import FAULT, FAULTS, FIRST_SLOT, NUM_SLOTS, address
from longspike.events.faults import DECODING_FAULTS, Faults
from longspike.events.record import EVENT_DTYPE, LATEST_TIME_US
from longspike.events.reference import BACKWARDS, OUTSIDE, TIME_RANGE
from longspike.kernels import native

FAR_US = 100_000
"""A time that is further ahead of the latest one is far: it is believed if most of what follows agrees."""
CONFIRMING, CONFIRMING_US = 32, 10_000
"""A far time is believed at once when so many more agree than disagree, and time has gone on so far behind it."""
LOOKAHEAD = 8192
"""Events that are asked; what they have not decided is believed, and so is what the end of the file leaves open."""


class Screen:
    """Keeps the events that lie on the sensor and in order, and counts their times from the recording's start.

    Where faults are skipped, one false time far ahead must not make everything behind it late. So a time more than
    `FAR_US` ahead of the latest one asks the events that follow:

        agree = #{j: t[j] >= t},  disagree = #{j: latest <= t[j] < t}

    It is false as soon as disagree > agree, and believed as soon as agree - disagree reaches `CONFIRMING` - 1 and an event
    is `CONFIRMING_US` behind it; what lies off the sensor or is late anyway is not asked.

    Args:
        faults: where the others go.
        sensor_size: (width, height).
        is_camera_time: whether the first event's time is subtracted; else times count from 0 already.
        use_extension: None takes the compiled loop if it is there.
    """

    def __init__(
        self,
        faults: Faults,
        sensor_size: tuple[int, int],
        *,
        is_camera_time: bool,
        use_extension: bool | None = None,
    ) -> None:
        self._faults, self._num_seen = faults, 0
        self._waiting = np.empty(0, EVENT_DTYPE)
        self.state = np.zeros(NUM_SLOTS, np.int64)
        self.state[FIRST_SLOT + 2 : FIRST_SLOT + 5] = (not is_camera_time, *sensor_size)
        self._is_compiled = native.is_available() if use_extension is None else use_extension

    @property
    def start_us(self) -> int:
        """What is subtracted from every time; 0 before the first event."""
        return int(self.state[FIRST_SLOT + 1])

    def keep(self, events: np.ndarray) -> np.ndarray:
        """The good ones of `events`, in its own memory; from a far time that is not decided on they wait for what follows.

        Raises: DataFileError at the first other one, unless faults are skipped.
        """
        if len(self._waiting):
            events = np.concatenate([self._waiting, events])
        before, count = int(self.state[FAULTS]), len(events)
        if self._is_compiled:
            place = address(events)
            consumed, kept = native.extension().screen_events(
                0, count, address(self.state), place, count, self._faults.skips
            )
        else:
            consumed, kept = screen(events, self.state, self._faults.skips)
        if self.state[FAULT]:
            x, y, t, p = (int(value) for value in events[consumed])
            width, height = (int(side) for side in self.state[FIRST_SLOT + 3 : FIRST_SLOT + 5])
            code = int(self.state[FAULT])
            what = DECODING_FAULTS[code] + (f" of {width}x{height} pixels" if code == OUTSIDE else "")
            self._faults.report(f"event {self._num_seen + consumed} (x={x}, y={y}, t={t} µs, p={p})", what)
        self._faults.skipped += int(self.state[FAULTS]) - before
        self._num_seen += consumed
        self._waiting = events[consumed:].copy()
        return events[:kept]

    def over(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The good ones of each array of `chunks`, and in the end of those that wait."""
        for chunk in chunks:
            yield self.keep(chunk)
        yield self.finish()

    def finish(self) -> np.ndarray:
        """The good ones of those that wait: nothing follows."""
        self.state[FIRST_SLOT + 5] = 1
        return self.keep(np.empty(0, EVENT_DTYPE))


def screen(events: np.ndarray, state: np.ndarray, skip: bool) -> tuple[int, int]:
    """Move the events that are kept together, and subtract the recording's start: the truth for csrc/events/decoding.cpp.

    Returns: how many events it decided on, and how many of them it kept.
    """
    latest, _, _, width, height = (int(value) for value in state[FIRST_SLOT : FIRST_SLOT + 5])
    t = events["t"]
    is_outside = (events["x"] >= width) | (events["y"] >= height)
    is_out_of_range = ~is_outside & ((t < 0) | (t > LATEST_TIME_US))
    is_placed = ~(is_outside | is_out_of_range)
    reached = np.maximum.accumulate(np.concatenate([[latest], np.where(is_placed, t, latest)]))[:-1]
    is_late = is_placed & (t < reached)
    if skip and (is_placed & (t - reached > FAR_US)).any():
        return _screen_in_turn(events, is_placed.tolist(), state)
    faults = OUTSIDE * is_outside + TIME_RANGE * is_out_of_range + BACKWARDS * is_late
    consumed = len(events)
    if faults.any():
        if skip:
            state[FAULTS] += np.count_nonzero(faults)
        else:
            consumed = int(np.argmax(faults > 0))
            state[FAULT] = faults[consumed]
    kept = np.flatnonzero(faults[:consumed] == 0)
    return consumed, _move(events, kept, state)


def _move(events: np.ndarray, kept: np.ndarray, state: np.ndarray) -> int:
    """Move the events of the indices `kept` to the front, and count their times from the start."""
    if len(kept):
        moved = events[kept]
        if not state[FIRST_SLOT + 2]:
            state[FIRST_SLOT + 1 : FIRST_SLOT + 3] = moved["t"][0], 1
        state[FIRST_SLOT] = moved["t"][-1]
        moved["t"] -= state[FIRST_SLOT + 1]
        events[: len(kept)] = moved
    return len(kept)


def _screen_in_turn(events: np.ndarray, is_placed: list[bool], state: np.ndarray) -> tuple[int, int]:
    """`screen` of events some of which have far times, with faults skipped."""
    latest, is_end = int(state[FIRST_SLOT]), bool(state[FIRST_SLOT + 5])
    t, kept, consumed = events["t"].tolist(), [], len(events)
    for i in range(len(t)):
        is_good = is_placed[i] and t[i] >= latest
        if is_good and t[i] - latest > FAR_US:
            belief = _is_believed(i, t, is_placed, latest, is_end)
            if belief is None:
                consumed = i
                break
            is_good = belief
        if is_good:
            latest = t[i]
            kept.append(i)
        else:
            state[FAULTS] += 1
    return consumed, _move(events, np.array(kept, np.int64), state)


def _is_believed(i: int, t: list[int], is_placed: list[bool], latest: int, is_end: bool) -> bool | None:
    """Whether what follows event `i` agrees with its far time; None: what follows is still to come."""
    votes = 1
    for j in range(i + 1, min(len(t), i + 1 + LOOKAHEAD)):
        if not is_placed[j] or t[j] < latest:
            continue
        if t[j] >= t[i]:
            votes += 1
            if votes >= CONFIRMING and t[j] - t[i] >= CONFIRMING_US:
                return True
        else:
            votes -= 1
            if votes == 0:
                return False
    return True if is_end or len(t) > i + LOOKAHEAD else None

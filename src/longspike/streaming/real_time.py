"""A recording at its own pace: packets wait until they are due, and decisions are timed against it."""

import time

import numpy as np

from longspike._core.checks import check_bounds, check_positive_int
from longspike.streaming.durations import Durations
from longspike.streaming.event_stream import MAX_GAP_US


class RealTime:
    """Holds packets back until they are due, and measures how far behind the recording the decisions are.

    A packet is due when its last event happens: (t_last - t_first) / factor after the first packet's first event, which
    happens at the moment of the first call. A step is decided when the packet that completes it has been worked through;
    its latency counts from the moment its last event was due. A packet whose last event is more than `max_gap_us` away from
    that of the packet before is due at once, and those behind it follow from there: a faulty time stops nothing.

    Args:
        factor: recording time over real time; 2 plays twice as fast. step_us: of the model.
        max_gap_us: the longest silence that is waited for, in microseconds of the recording.
    Raises: ValueError unless 0 < factor < infinity.

    Attributes:
        lateness: of packets. latency: of decisions, since the last event of their step was due.
    """

    def __init__(self, factor: float, *, step_us: int, max_gap_us: int = MAX_GAP_US) -> None:
        check_bounds("RealTime", "factor", factor, low=0, high=float("inf"), closed_low=False, closed_high=False)
        check_positive_int("RealTime", "max_gap_us", max_gap_us)
        self.factor, self._step_us, self._max_gap_us = factor, step_us, max_gap_us
        self._start_s: float | None = None
        self._first_us = self._before_us = 0  # the time that is due at `_start_s`, and the last packet's
        self._last_us: int | None = None  # of the open step's last event
        self.lateness, self.latency = Durations(), Durations()

    def _due_s(self, t_us: np.ndarray | int) -> np.ndarray:
        return (self._start_s or 0.0) + (np.asarray(t_us) - self._first_us) / (1e6 * self.factor)

    def wait(self, t_us: np.ndarray) -> None:
        """Sleep until a packet with these times is due."""
        if not len(t_us):
            return
        last = int(t_us[-1])
        if self._start_s is None:
            self._start_s, self._first_us = time.perf_counter(), int(t_us[0])
            self._before_us = self._first_us
        if abs(last - self._before_us) > self._max_gap_us:
            self._start_s, self._first_us, self._last_us = time.perf_counter(), last, None
        self._before_us = last
        due = float(self._due_s(last))
        ahead = due - time.perf_counter()
        if ahead > 0:  # sleeping for no time at all would give the processor away
            time.sleep(ahead)
        self.lateness.add([max(time.perf_counter() - due, 0.0) * 1e6])

    def decided(self, t_us: np.ndarray) -> None:
        """Note that the packet with these times has been worked through: all its steps but the last are decided."""
        if not len(t_us):
            return
        now = time.perf_counter()
        t_us = t_us[np.abs(t_us - t_us[-1]) <= self._max_gap_us]
        times = t_us if self._last_us is None else np.concatenate([[self._last_us], t_us])
        is_last = np.diff(times // self._step_us) > 0
        self.latency.add((now - self._due_s(times[:-1][is_last])) * 1e6)
        self._last_us = int(times[-1])

    def flushed(self) -> None:
        """Note that the open step has been decided too."""
        if self._last_us is not None:
            self.latency.add([(time.perf_counter() - float(self._due_s(self._last_us))) * 1e6])
            self._last_us = None

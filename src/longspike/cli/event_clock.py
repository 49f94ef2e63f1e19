"""Time in `longspike stream`: packets at the recording's own pace, and how long decisions take."""

import math
import time

import numpy as np

BINS_PER_OCTAVE, OCTAVES = 16, 40


class Durations:
    """Quantiles of any number of durations in bounded memory: bins of 1/16 octave (4.4 %), whose upper edge is given."""

    def __init__(self) -> None:
        self._bins = np.zeros(BINS_PER_OCTAVE * OCTAVES, np.int64)
        self.max_us = float("nan")

    def add(self, durations_us: np.ndarray) -> None:
        """Count durations in microseconds; below one counts as one."""
        if not len(durations_us):
            return
        octaves = np.log2(np.maximum(durations_us, 1.0))
        bins = np.minimum((octaves * BINS_PER_OCTAVE).astype(np.int64), len(self._bins) - 1)
        np.add.at(self._bins, bins, 1)
        largest = float(durations_us.max())
        self.max_us = largest if math.isnan(self.max_us) else max(self.max_us, largest)

    def quantile_us(self, q: float) -> float:
        """The quantile 0 <= q <= 1; NaN before the first duration."""
        total = int(self._bins.sum())
        if not total:
            return float("nan")
        rank = min(max(math.ceil(q * total), 1), total)
        k = int(np.searchsorted(self._bins.cumsum(), rank))
        return min(2.0 ** ((k + 1) / BINS_PER_OCTAVE), self.max_us)

    def summary(self) -> dict[str, float | None]:
        """Median, 99th percentile and maximum, in microseconds; None without any."""
        if math.isnan(self.max_us):
            return {"p50": None, "p99": None, "max": None}
        p50, p99 = self.quantile_us(0.5), self.quantile_us(0.99)
        return {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(self.max_us, 1)}


class RealTime:
    """Holds packets back until they are due, and measures how far behind the recording the decisions are.

    A packet is due when its last event happens: (t_last - t_first) / factor after the first packet's first event, which
    happens at the moment of the first call. A step is decided when the packet that completes it has been worked through;
    its latency counts from the moment its last event was due.

    Args:
        factor: recording time over real time; 2 plays twice as fast. step_us: of the model.
    """

    def __init__(self, factor: float, *, step_us: int) -> None:
        self._factor, self._step_us = factor, step_us
        self._start_s: float | None = None
        self._first_us = 0
        self._last_us: int | None = None  # of the open step's last event
        self.lateness, self.latency = Durations(), Durations()

    def _due_s(self, t_us: np.ndarray | int) -> np.ndarray:
        return (self._start_s or 0.0) + (np.asarray(t_us) - self._first_us) / (1e6 * self._factor)

    def wait(self, t_us: np.ndarray) -> None:
        """Sleep until a packet with these times is due."""
        if not len(t_us):
            return
        if self._start_s is None:
            self._start_s, self._first_us = time.perf_counter(), int(t_us[0])
        due = float(self._due_s(int(t_us[-1])))
        ahead = due - time.perf_counter()
        if ahead > 0:  # sleeping for no time at all would give the processor away
            time.sleep(ahead)
        self.lateness.add(np.array([max(time.perf_counter() - due, 0.0) * 1e6]))

    def decided(self, t_us: np.ndarray) -> None:
        """Note that the packet with these times has been worked through: all its steps but the last are decided."""
        if not len(t_us):
            return
        now = time.perf_counter()
        times = t_us if self._last_us is None else np.concatenate([[self._last_us], t_us])
        is_last = np.diff(times // self._step_us) > 0
        self.latency.add((now - self._due_s(times[:-1][is_last])) * 1e6)
        self._last_us = int(times[-1])

    def flushed(self) -> None:
        """Note that the open step has been decided too."""
        if self._last_us is not None:
            self.latency.add(np.array([(time.perf_counter() - float(self._due_s(self._last_us))) * 1e6]))
            self._last_us = None

    def summary(self) -> dict[str, object]:
        """The factor, lateness of packets and latency of decisions, in microseconds."""
        return {
            "factor": self._factor,
            "lateness_us": self.lateness.summary(),
            "end_to_end_us": self.latency.summary(),
        }

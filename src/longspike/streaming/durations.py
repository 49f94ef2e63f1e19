"""How long things take: quantiles of any number of durations, in bounded memory."""

import math
from collections.abc import Sequence

import numpy as np

BINS_PER_OCTAVE, OCTAVES = 16, 48
"""Bin k counts durations of 2^(k / 16) to 2^((k + 1) / 16) nanoseconds, as the compiled streams do."""


def bin_quantiles_us(bins: np.ndarray, quantiles: Sequence[float]) -> tuple[float, ...]:
    """Quantiles in microseconds of durations counted in bins, each the upper edge of its bin; NaN where none was counted.

        quantile(q) = 2^((k + 1) / 16) / 1000,  k the first bin with bins[0] + ... + bins[k] >= ceil(q * total)

    Args: bins (num_bins), int64. quantiles: 0 <= q <= 1.
    """
    total = int(bins.sum())
    if not total:
        return tuple(math.nan for _ in quantiles)
    ranks = np.ceil(np.array(quantiles) * total).clip(1, total)
    found = np.asarray(np.searchsorted(bins.cumsum(), ranks))
    return tuple((2.0 ** ((found + 1) / BINS_PER_OCTAVE) / 1000).tolist())


class Durations:
    """Quantiles of durations in bins of 1/16 octave (4.4 %), whose upper edge is given; the largest one exactly.

    Example:
        >>> durations = Durations()
        >>> durations.add([120.0, 80.0, 4000.0])
        >>> durations.summary()
        {'p50': 120.2, 'p99': 4000.0, 'max': 4000.0}
    """

    def __init__(self) -> None:
        self._bins: np.ndarray = np.zeros(BINS_PER_OCTAVE * OCTAVES, np.int64)
        self.max_us = math.nan

    def __len__(self) -> int:
        """How many were counted."""
        return int(self._bins.sum())

    def add_one(self, duration_us: float) -> None:
        """Count a duration in microseconds: `add` of one, in a tenth of the time."""
        octaves = math.log2(max(1000 * duration_us, 1.0))
        self._bins[min(int(octaves * BINS_PER_OCTAVE), len(self._bins) - 1)] += 1
        self.max_us = duration_us if math.isnan(self.max_us) else max(self.max_us, duration_us)

    def add(self, durations_us: Sequence[float] | np.ndarray) -> None:
        """Count durations in microseconds; below a nanosecond counts as one."""
        if not len(durations_us):
            return
        octaves = np.log2(np.maximum(1000 * np.asarray(durations_us, np.float64), 1.0))
        bins = np.minimum((octaves * BINS_PER_OCTAVE).astype(np.int64), len(self._bins) - 1)
        np.add.at(self._bins, bins, 1)
        self.max_us = float(np.fmax(self.max_us, np.max(durations_us)))

    def quantile_us(self, q: float) -> float:
        """The quantile 0 <= q <= 1; NaN before the first duration."""
        return float(np.fmin(bin_quantiles_us(self._bins, [q])[0], self.max_us))

    def summary(self) -> dict[str, float | None]:
        """Median, 99th percentile and maximum, in microseconds; None without any."""
        if not len(self):
            return {"p50": None, "p99": None, "max": None}
        p50, p99 = self.quantile_us(0.5), self.quantile_us(0.99)
        return {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(self.max_us, 1)}

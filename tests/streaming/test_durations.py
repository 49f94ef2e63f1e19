"""Durations: quantiles out of bins."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from longspike.kernels import native
from longspike.streaming import Durations, EventStream
from longspike.streaming.durations import BINS_PER_OCTAVE, bin_quantiles_us


def test_durations_have_quantiles() -> None:
    durations = Durations()
    assert durations.summary() == {"p50": None, "p99": None, "max": None}
    values = np.random.default_rng(0).lognormal(5, 2, 5000)
    for part in np.split(values, [10, 10, 3000]):
        durations.add(part)
    assert len(durations) == 5000
    assert durations.quantile_us(0.5) == pytest.approx(np.quantile(values, 0.5), rel=0.05)
    assert durations.quantile_us(0.99) == pytest.approx(np.quantile(values, 0.99), rel=0.05)
    assert durations.quantile_us(1.0) == durations.max_us == values.max()


def test_a_quantile_is_the_upper_edge_of_its_bin() -> None:
    bins = np.zeros(200, np.int64)
    assert all(map(math.isnan, bin_quantiles_us(bins, (0.0, 1.0))))
    bins[[160, 176]] = 3, 1  # 1024 and 2048 ns
    edges = [2 ** ((160 + 1) / 16) / 1000, 2 ** ((176 + 1) / 16) / 1000]
    assert bin_quantiles_us(bins, (0.0, 0.75, 0.76, 1.0)) == pytest.approx((edges[0], edges[0], edges[1], edges[1]))


def test_a_stream_s_latency_is_read_from_its_histogram() -> None:
    bins = np.zeros(200, np.int64)
    bins[[32, 96]] = 1, 1  # 4 and 64 ns
    stream = SimpleNamespace(_stream=SimpleNamespace(latency_histogram=lambda: bins))
    found = EventStream.latency_us(stream, 0.5, 1.0)  # type: ignore[arg-type]
    assert found == pytest.approx((0.004 * 2 ** (1 / 16), 0.064 * 2 ** (1 / 16)))


def test_one_at_a_time_is_all_at_once() -> None:
    values = [*np.random.default_rng(1).lognormal(3, 3, 300).tolist(), 0.0, 1e15]
    one_by_one, together = Durations(), Durations()
    for value in values:
        one_by_one.add_one(value)
    together.add(values)
    assert np.array_equal(one_by_one._bins, together._bins)
    assert one_by_one.summary() == together.summary()


def test_short_and_long_durations_have_a_bin() -> None:
    durations = Durations()
    durations.add([0.0, 1e15])
    assert len(durations) == 2
    assert durations.quantile_us(0.5) == pytest.approx(2 ** (1 / 16) / 1000)


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
def test_compiled_streams_count_in_the_same_bins() -> None:
    assert native.extension().latency_bins_per_octave == BINS_PER_OCTAVE

"""Filters of event arrays against plain loops over the events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_samples import event_arrays, random_events
from longspike.events import EVENT_DTYPE
from longspike.events.denoise import background_activity_filter, hot_pixel_filter, refractory_filter

SENSOR = (5, 3)
events_on_sensor = event_arrays(SENSOR, most=120)
times_us = st.sampled_from([0, 1, 3, 40, 2_000, 10**12])


def refractory_by_loop(events: np.ndarray, refractory_us: int) -> list[tuple[int, ...]]:
    last_kept: dict[tuple[int, int], int] = {}
    kept = []
    for x, y, t, p in events.tolist():
        if (x, y) not in last_kept or t - last_kept[x, y] >= refractory_us:
            last_kept[x, y] = t
            kept.append((x, y, t, p))
    return kept


def supported_by_loop(events: np.ndarray, window_us: int) -> list[tuple[int, ...]]:
    last: dict[tuple[int, int], int] = {}
    kept = []
    for x, y, t, p in events.tolist():
        around = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
        if any(pixel in last and t - last[pixel] <= window_us for pixel in around):
            kept.append((x, y, t, p))
        last[x, y] = t
    return kept


@given(events=events_on_sensor, refractory_us=times_us)
def test_refractory_filter_is_the_loop(events: np.ndarray, refractory_us: int) -> None:
    before = events.copy()
    found = refractory_filter(events, refractory_us=refractory_us)
    assert found.tolist() == refractory_by_loop(events, refractory_us)
    assert np.array_equal(events, before)
    assert not np.shares_memory(found, events)
    assert np.array_equal(refractory_filter(found, refractory_us=refractory_us), found)


def test_the_refractory_period_is_not_prolonged_by_dropped_events() -> None:
    """A pixel that fires every 60 us with a dead time of 100 us is heard every 120 us; a paralysable one, once."""
    events = np.array([(2, 1, t, 1) for t in range(0, 6000, 60)], EVENT_DTYPE)
    assert refractory_filter(events, refractory_us=100)["t"].tolist() == list(range(0, 6000, 120))


def test_refractory_filter_of_a_pixel_that_never_rests() -> None:
    events = random_events(30_000, (1, 1), duration_us=30_000, seed=1)
    assert refractory_filter(events, refractory_us=7).tolist() == refractory_by_loop(events, 7)


@given(events=events_on_sensor, window_us=times_us)
def test_background_activity_filter_is_the_loop(events: np.ndarray, window_us: int) -> None:
    assert background_activity_filter(events, window_us=window_us).tolist() == supported_by_loop(events, window_us)


def test_background_activity_filter_at_the_edges_of_the_coordinates() -> None:
    """The pixel after the last of a row is the first of the next row in memory, not a neighbour."""
    events = np.array([(65535, 0, 1, 1), (0, 1, 2, 1), (0, 2, 3, 1), (65535, 65535, 4, 1)], EVENT_DTYPE)
    assert background_activity_filter(events, window_us=10).tolist() == supported_by_loop(events, 10) == [(0, 2, 3, 1)]

    events = np.array([(0, 1, 1, 1), (65535, 0, 2, 1), (0, 2, 3, 1), (65535, 2, 20, 1)], EVENT_DTYPE)
    assert background_activity_filter(events, window_us=10).tolist() == supported_by_loop(events, 10) == [(0, 2, 3, 1)]


@given(events=events_on_sensor, max_rate_hz=st.sampled_from([10.0, 3000.0, 40_000.0]))
def test_hot_pixel_filter_is_the_loop(events: np.ndarray, max_rate_hz: float) -> None:
    duration_us = int(events["t"].max() - events["t"].min()) + 1 if len(events) else 0
    pixels = [(x, y) for x, y, _, _ in events.tolist()]
    expected = [event for event in events.tolist() if 1e6 * pixels.count(event[:2]) <= max_rate_hz * duration_us]
    assert hot_pixel_filter(events, max_rate_hz=max_rate_hz).tolist() == expected


def test_a_pixel_of_just_the_highest_rate_stays() -> None:
    """Four events of one pixel in 1000 us are 4 kHz."""
    events = np.array([(4, 7, t, 1) for t in (0, 300, 600, 999)], EVENT_DTYPE)
    assert len(hot_pixel_filter(events, max_rate_hz=4000.0)) == 4
    assert len(hot_pixel_filter(events, max_rate_hz=3999.0)) == 0


def test_a_hot_pixel_goes_and_the_others_stay() -> None:
    events = random_events(300, (16, 9), duration_us=100_000)
    hot = np.array([(4, 7, t, 1) for t in range(0, 100_000, 100)], EVENT_DTYPE)
    both = np.concatenate((events, hot))
    found = hot_pixel_filter(both[np.argsort(both["t"], kind="stable")], max_rate_hz=1000.0)
    assert not ((found["x"] == 4) & (found["y"] == 7)).any()
    assert len(found) == np.count_nonzero((events["x"] != 4) | (events["y"] != 7))


def test_rejects() -> None:
    late = np.array([(0, 0, 5, 1), (0, 0, 4, 1)], EVENT_DTYPE)
    with pytest.raises(ValueError, match="refractory_filter: `events` must be in the order of time; event 1"):
        refractory_filter(late, refractory_us=5)
    with pytest.raises(ValueError, match=r"`refractory_us` must lie in .*; got -1"):
        refractory_filter(late, refractory_us=-1)
    with pytest.raises(ValueError, match="background_activity_filter: `events` must be in the order of time"):
        background_activity_filter(late, window_us=5)
    with pytest.raises(ValueError, match="`max_rate_hz` must lie in"):
        hot_pixel_filter(late, max_rate_hz=0.0)
    with pytest.raises(TypeError, match="hot_pixel_filter: `events` must be a numpy array"):
        hot_pixel_filter(np.zeros(2), max_rate_hz=1.0)

"""Slices of event arrays: nothing is lost at the ends, and every window is what its definition says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_samples import event_arrays, random_events
from longspike.events import EVENT_DTYPE
from longspike.events.slicing import by_count, by_time, packets_by_time

events_on_sensor = event_arrays((11, 7))
EMPTY = np.empty(0, EVENT_DTYPE)


def at(*times: int) -> np.ndarray:
    """Events of one pixel at these times."""
    return np.array([(0, 0, t, 1) for t in times], EVENT_DTYPE)


@given(events=events_on_sensor, window_us=st.sampled_from([1, 6, 7, 60, 299, 300, 20_000]))
def test_windows_of_time_without_overlap_are_the_whole(events: np.ndarray, window_us: int) -> None:
    if len(events) and int(events["t"][-1]) > 1000 * window_us:
        return
    windows = list(by_time(events, window_us=window_us))
    assert np.array_equal(np.concatenate([EMPTY, *windows]), events)


@given(events=events_on_sensor, num_events=st.integers(1, 70))
def test_windows_of_count_without_overlap_are_the_whole(events: np.ndarray, num_events: int) -> None:
    windows = list(by_count(events, num_events=num_events))
    assert np.array_equal(np.concatenate([EMPTY, *windows]), events)
    assert all(len(window) == num_events for window in windows[:-1])


@given(events=events_on_sensor, data=st.data())
def test_overlapping_windows_follow_their_definition(events: np.ndarray, data: st.DataObject) -> None:
    window_us = data.draw(st.integers(200, 20_000))
    stride_us = data.draw(st.integers(100, window_us))
    start_us = int(events["t"][0]) - data.draw(st.integers(0, 50)) if len(events) else 0
    windows = list(by_time(events, window_us=window_us, stride_us=stride_us, start_us=start_us))
    for k, window in enumerate(windows):
        low = start_us + k * stride_us
        assert np.array_equal(window, events[(events["t"] >= low) & (events["t"] < low + window_us)])
    if len(events):
        reach = start_us + (len(windows) - 1) * stride_us + window_us
        assert reach > events["t"][-1]
        assert len(windows) == 1 or reach - stride_us <= events["t"][-1]


@given(events=events_on_sensor, num_events=st.integers(1, 70), data=st.data())
def test_overlapping_counts_follow_their_definition(events: np.ndarray, num_events: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, num_events))
    windows = list(by_count(events, num_events=num_events, stride=stride))
    for k, window in enumerate(windows):
        assert np.array_equal(window, events[k * stride : k * stride + num_events])
    if len(events):
        assert (len(windows) - 1) * stride + num_events >= len(events)
        assert len(windows) == 1 or (len(windows) - 2) * stride + num_events < len(events)


def test_partial_windows_are_kept_unless_told_otherwise() -> None:
    events = at(0, 9, 10, 25)
    assert [w["t"].tolist() for w in by_time(events, window_us=10)] == [[0, 9], [10], [25]]
    assert [w["t"].tolist() for w in by_time(events, window_us=10, keep_partial=False)] == [[0, 9], [10]]
    assert [len(w) for w in by_time(at(0, 19), window_us=10, keep_partial=False)] == [1, 1]
    assert [len(w) for w in by_time(at(0, 10), window_us=10)] == [1, 1]
    assert [len(w) for w in by_time(at(0, 9), window_us=10)] == [2]
    assert [len(w) for w in by_time(at(4), window_us=10)] == [1]
    assert [len(w) for w in by_time(at(4), window_us=10, keep_partial=False)] == []
    assert [len(w) for w in by_count(events, num_events=3)] == [3, 1]
    assert [len(w) for w in by_count(events, num_events=3, keep_partial=False)] == [3]
    assert [len(w) for w in by_count(events, num_events=2, keep_partial=False)] == [2, 2]


def test_slices_are_views() -> None:
    events = random_events(9, (11, 7))
    assert all(np.shares_memory(w, events) for w in by_time(events, window_us=500) if len(w))
    assert all(np.shares_memory(w, events) for w in by_count(events, num_events=4))


def test_nothing_gives_nothing() -> None:
    assert list(by_time(EMPTY, window_us=5)) == []
    assert list(by_count(EMPTY, num_events=5)) == []


def test_rejects_at_the_call() -> None:
    with pytest.raises(ValueError, match="by_time: `window_us` must be an integer of at least 1; got 0"):
        by_time(at(1), window_us=0)
    with pytest.raises(ValueError, match=r"`stride_us` must be at most `window_us`, 5; got 6.*would be lost"):
        by_time(at(1), window_us=5, stride_us=6)
    with pytest.raises(ValueError, match=r"`stride` must be at most `num_events`, 2; got 3"):
        by_count(at(1), num_events=2, stride=3)
    with pytest.raises(ValueError, match=r"`start_us` must not lie after the first event, at 3; got 4.*crop_time"):
        by_time(at(3, 8), window_us=5, start_us=4)
    with pytest.raises(ValueError, match=r"by_time: `events` must be in the order of time; event 1 .*sort_time"):
        by_time(at(3, 2), window_us=5)
    with pytest.raises(TypeError, match="by_count: `events` must be a numpy array"):
        by_count([1], num_events=1)


def test_packets_by_time_hold_the_same_events() -> None:
    events = random_events(300, (40, 30), duration_us=5000, seed=3)
    chunks = np.split(events, [0, 7, 7, 50, 211])
    packets = list(packets_by_time(iter(chunks), packet_us=400))
    assert (np.concatenate(packets) == events).all()
    windows = [np.unique(packet["t"] // 400) for packet in packets]
    assert all(len(window) == 1 for window in windows)
    assert len({int(window[0]) for window in windows}) == len(windows)
    assert list(packets_by_time(iter([]), packet_us=400)) == []
    with pytest.raises(ValueError, match="packets_by_time: `packet_us` must be an integer of at least 1; got 0"):
        packets_by_time([events], packet_us=0)


@pytest.mark.parametrize("cuts", [[2, 3], [1], [2], [3, 4], [1, 2, 3, 4], []])
def test_packets_are_cut_anew_wherever_they_were_cut(cuts: list[int]) -> None:
    events = np.array([(k, 0, t, 1) for k, t in enumerate((5, 9, 16, 31, 38))], EVENT_DTYPE)
    packets = packets_by_time(np.split(events, cuts), packet_us=10)
    assert [packet["t"].tolist() for packet in packets] == [[5, 9], [16], [31, 38]]

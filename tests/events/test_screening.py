"""Which events of a file are kept: compiled as in Python, in any pieces; and one false time condemns nothing behind it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longspike import events as ev
from longspike.errors import DataFileError
from longspike.events.decoding import FAULT
from longspike.events.faults import Faults
from longspike.events.screening import CONFIRMING, CONFIRMING_US, FAR_US, LOOKAHEAD, Screen
from longspike.kernels import native

needs_extension = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
BACKENDS = [False, pytest.param(True, marks=needs_extension)]
FAR = 1 << 40


def at(times: object) -> np.ndarray:
    """Events at these times, numbered by x."""
    t = np.asarray(times)
    return ev.make_events(x=np.arange(len(t)), y=np.zeros(len(t), int), t=t, p=np.ones(len(t), int))


def kept_of(
    events: np.ndarray, *, compiled: bool = False, cuts: tuple[int, ...] = (), is_camera_time: bool = True
) -> tuple[np.ndarray, int]:
    """What is kept of events that come in pieces, and how many were skipped."""
    faults = Faults(Path("file"), skips=True)
    screen = Screen(faults, (1 << 16, 31), is_camera_time=is_camera_time, use_extension=compiled)
    kept = np.concatenate([part.copy() for part in screen.over(np.split(events.copy(), sorted(cuts)))])
    assert len(kept) + faults.skipped == len(events)
    return kept, faults.skipped


@needs_extension
@given(seed=st.integers(0, 2**32), count=st.integers(0, 60), skips=st.booleans(), is_camera_time=st.booleans())
def test_compiled_is_the_reference(seed: int, count: int, skips: bool, is_camera_time: bool) -> None:
    rng = np.random.default_rng(seed)
    events = np.zeros(count, ev.EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, 42, count), rng.integers(0, 32, count)
    events["t"] = np.sort(rng.integers(0, 500, count)) * rng.choice([1, 700]) - rng.integers(0, 2)
    if skips:
        events["t"][rng.random(count) < 0.2] = rng.choice([-(2**62), 2**63 - 1, 3, 450, FAR, 2**62])
    results = []
    for compiled in (True, False):
        faults = Faults(Path("file"), skips=skips)
        screen = Screen(faults, (41, 31), is_camera_time=is_camera_time, use_extension=compiled)
        try:
            cut = count // 3
            parts = [part.copy() for part in screen.over([events[:cut].copy(), events[cut:].copy()])]
            results.append((np.concatenate(parts).tolist(), faults.skipped, screen.state.tolist()))
        except DataFileError as error:
            results.append((str(error), screen.state[FAULT]))
    assert results[0] == results[1]


@pytest.mark.parametrize("compiled", BACKENDS)
@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(0, 80), max_size=8))
def test_pieces_change_nothing(compiled: bool, seed: int, cuts: set[int]) -> None:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 400_000, 80))
    t[rng.random(80) < 0.2] += rng.choice([FAR_US + 1, 10**6, FAR])
    whole, split = kept_of(at(t), compiled=compiled), kept_of(at(t), compiled=compiled, cuts=tuple(cuts))
    np.testing.assert_array_equal(whole[0], split[0])


def test_late_events_are_dropped_and_counted() -> None:
    faults = Faults(Path("file"), skips=True)
    screen = Screen(faults, (10, 10), is_camera_time=True)
    events = ev.make_events(x=[1, 2, 3, 10, 4], y=[0] * 5, t=[100, 90, 100, 500, 101], p=[1] * 5)
    kept = screen.keep(events)
    assert kept["x"].tolist() == [1, 3, 4]
    assert kept["t"].tolist() == [0, 0, 1]
    assert (faults.skipped, screen.start_us) == (2, 100)


@pytest.mark.parametrize("compiled", BACKENDS)
@pytest.mark.parametrize("place", [0, 1, 500, 998])
@pytest.mark.parametrize("ahead", [FAR_US + 1, 1 << 20, FAR, 1 << 62])
def test_one_far_time_is_left_out_alone(compiled: bool, place: int, ahead: int) -> None:
    t = 5_000 + 7 * np.arange(1000)
    right = np.delete(t, place)
    t[place] = min(t[place - 1] + ahead if place else ahead, 1 << 62)
    kept, skipped = kept_of(at(t), compiled=compiled)
    assert (kept["t"].tolist(), skipped) == ((right - right[0]).tolist(), 1)


@pytest.mark.parametrize("compiled", BACKENDS)
def test_a_block_of_far_times_is_left_out_if_more_disagree_behind_it(compiled: bool) -> None:
    t = 7 * np.arange(1000)
    t[200:240] += FAR  # in order among themselves, and over before CONFIRMING_US
    assert kept_of(at(t), compiled=compiled)[1] == 40
    last = 970
    t = 7 * np.arange(1000)
    t[last - 40 : last] += FAR  # 30 that disagree are fewer than 40
    assert kept_of(at(t), compiled=compiled)[1] == 30


@pytest.mark.parametrize("compiled", BACKENDS)
@pytest.mark.parametrize("count", [1, 5, 2 * CONFIRMING])
def test_what_comes_after_a_silence_is_kept(compiled: bool, count: int) -> None:
    t = np.concatenate([np.arange(50), FAR + 1000 * np.arange(count)])
    np.testing.assert_array_equal(kept_of(at(t), compiled=compiled)[0]["t"], t)
    late = np.append(t, 60)  # one behind that disagrees with a single one takes its place
    assert kept_of(at(late), compiled=compiled)[0]["t"].tolist() == (t.tolist() if count > 1 else [*range(50), 60])


@pytest.mark.parametrize("compiled", BACKENDS)
def test_a_recording_of_far_apart_events_is_kept(compiled: bool) -> None:
    t = 3_000_000 * np.arange(1, 200)
    for is_camera_time in (False, True):
        assert kept_of(at(t), compiled=compiled, is_camera_time=is_camera_time)[1] == 0


@pytest.mark.parametrize("compiled", BACKENDS)
@pytest.mark.parametrize(("count", "step_us", "is_kept"), [(31, 1000, False), (32, 1000, True), (32, 300, False)])
def test_how_many_have_to_agree_and_for_how_long(compiled: bool, count: int, step_us: int, is_kept: bool) -> None:
    """`count` far times, then as many and more that disagree."""
    assert (CONFIRMING, CONFIRMING_US) == (32, 10_000)
    t = np.concatenate([[0, 1], FAR + step_us * np.arange(count), 2 + np.arange(3 * CONFIRMING)])
    assert bool(kept_of(at(t), compiled=compiled)[0]["t"].max() >= FAR) is is_kept


@pytest.mark.parametrize("compiled", BACKENDS)
@pytest.mark.parametrize("most", [LOOKAHEAD // 2, LOOKAHEAD // 2 + 1])
def test_so_many_events_are_asked(compiled: bool, most: int) -> None:
    t = np.concatenate([[0, 1], np.full(most, FAR), np.full(most + 1, 2)])
    assert bool(kept_of(at(t), compiled=compiled)[0]["t"].max() == FAR) is (most > LOOKAHEAD // 2)


def test_what_lies_off_the_sensor_or_is_late_is_not_asked() -> None:
    events = at([0, 10, FAR, FAR + 1, 20, 30, 5, 6])
    events["y"][[4, 5]] = 31
    assert kept_of(events)[0]["t"].tolist() == [0, 10, FAR, FAR + 1]


@pytest.mark.parametrize("compiled", BACKENDS)
def test_files_are_read_past_a_far_time_in_packets_of_any_size(
    tmp_path: Path, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(native, "_extension", None)
    t = np.arange(20_000) * 11
    t[12_000] = FAR
    np.savez(tmp_path / "far.npz", x=t % 30, y=t % 20, t=t, p=t % 2, sensor_size=(30, 20))
    with pytest.raises(DataFileError, match=r"event 12001 .*earlier than that of an event before it"):
        ev.read(tmp_path / "far.npz")
    lenient = ev.read(tmp_path / "far.npz", on_error="skip")
    assert (len(lenient), lenient.skipped) == (19_999, 1)
    with ev.open(tmp_path / "far.npz", on_error="skip", packet_events=777) as packets:
        np.testing.assert_array_equal(np.concatenate(list(packets)), lenient.events)
        assert packets.skipped == 1

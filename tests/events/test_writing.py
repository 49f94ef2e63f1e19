"""What is written comes back; what cannot be written is refused before a file changes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.makers import random_events
from longspike import events as ev

SIZES = {"evt2": (1500, 900), "evt3": (2048, 30), "nmnist": (34, 34), "npz": (65536, 2), "csv": (9, 65536)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    name=st.sampled_from(sorted(ev.WRITERS)),
    count=st.integers(0, 60),
    longest_gap=st.sampled_from([1, 70, 9000, 40_000_000]),
    first=st.sampled_from([0, 1, 4095, 5_000_000_000]),
    seed=st.integers(0, 2**32),
)
def test_round_trip(name: str, count: int, longest_gap: int, first: int, seed: int, tmp_path: Path) -> None:
    is_short = name == "nmnist"
    gap, start = (min(longest_gap, 9000), min(first, 4095)) if is_short else (longest_gap, first)
    events = random_events(np.random.default_rng(seed), count, SIZES[name], longest_gap=gap, first=start)
    copy = events.copy()
    ev.write(tmp_path / "f", events, sensor_size=SIZES[name], format=name)
    np.testing.assert_array_equal(events, copy)
    if is_short and count < 16:
        recording = ev.read(tmp_path / "f", format="nmnist") if count else None
    else:
        recording = ev.read(tmp_path / "f")
    if recording is None:
        return
    assert (recording.format, recording.sensor_size, recording.skipped) == (name, SIZES[name], 0)
    is_camera_time = name.startswith("evt")
    shift = int(events["t"][0]) if is_camera_time and count else 0
    assert recording.start_us == shift % (1 << (24 if name == "evt3" else 34))
    copy["t"] -= shift
    np.testing.assert_array_equal(recording.events, copy)


def test_every_wrap_in_a_silence_is_written(tmp_path: Path) -> None:
    """Time words 0xFFF and 0x000 at each wrap of 2^24 us, and a quarter of the range apart at most in between."""
    t = [(1 << 24) - 100, (1 << 24) + 99_900, (3 << 24) + 5000]
    ev.write(tmp_path / "f.raw", ev.make_events(x=[1] * 3, y=[1] * 3, t=t, p=[1] * 3), sensor_size=(640, 480))
    content = (tmp_path / "f.raw").read_bytes()
    words = np.frombuffer(content[content.index(b"% end\n") + 6 :], "<u2")
    high = [int(word) & 0xFFF for word in words if word >> 12 == 8]
    across = [0x400, 0x800, 0xC00, 0xFFF, 0x000]
    assert high == [0xFFF, 0x000, 99_900 >> 12, *across, *across, 1]
    steps = np.diff(high)
    assert (steps[steps < 0] == -0xFFF).all()
    assert steps.max() <= 0x400
    assert ev.read(tmp_path / "f.raw")["t"].tolist() == [each - t[0] for each in t]


@pytest.mark.parametrize(("suffix", "name"), [(".raw", "evt3"), (".bin", "nmnist"), (".npz", "npz"), (".CSV", "csv")])
def test_the_suffix_says_the_format(suffix: str, name: str, tmp_path: Path) -> None:
    events = random_events(np.random.default_rng(0), 40, (30, 20))
    ev.write(tmp_path / f"f{suffix}", events, sensor_size=(34, 34))
    assert ev.read(tmp_path / f"f{suffix}").format == name


def test_npz_is_readable_by_numpy(tmp_path: Path) -> None:
    events = random_events(np.random.default_rng(0), 40, (30, 20))
    ev.write(tmp_path / "f.npz", events, sensor_size=(30, 20))
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["sensor_size"].tolist() == [30, 20]
        np.testing.assert_array_equal(arrays["t"], events["t"])


def test_events_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.raw"
    good = ev.make_events(x=[1, 2], y=[1, 1], t=[0, 9], p=[0, 1])
    ev.write(path, good, sensor_size=(5, 4))
    before = path.read_bytes()

    def refused(message: str, *, to: Path = path, size: tuple[int, int] = (5, 4), **changes: list[int]) -> None:
        events = good.copy()
        for name, values in changes.items():
            events[name] = values
        with pytest.raises(ValueError, match=message):
            ev.write(to, events, sensor_size=size)

    refused(r"event 1 \(x=5, y=1, t=9, p=1\) lies outside the sensor of 5x4 pixels", x=[1, 5])
    refused(r"event 1 .*is earlier than the one before it; sort by t first", t=[9, 8])
    refused(r"event 0 .*has a time outside \[0, 2\^62\] µs", t=[-1, 8])
    refused(r"event 0 .*has a polarity other than 0 or 1", p=[2, 1])
    refused(r"evt3 addresses at most 2048 pixels a side; got 2049x4. Use npz", size=(2049, 4))
    refused(r"the gaps between events take too many time words", t=[0, 1 << 50])
    refused(r"holds at most 256x240 pixels; got 300x4", to=tmp_path / "f.bin", size=(300, 4))
    refused(r"holds times up to 8388607 µs; got 8388608", to=tmp_path / "f.bin", t=[0, 1 << 23])
    refused(r"the suffix of 'f.txt' says no format.*Use one of .npz, .csv", to=tmp_path / "f.txt")
    with pytest.raises(ValueError, match=r"write: `format` must be one of 'evt2'.*got 'aedat4'"):
        ev.write(path, good, sensor_size=(5, 4), format="aedat4")
    with pytest.raises(TypeError, match=r"write: `events` must have x, y, t and p; got list"):
        ev.write(path, [1], sensor_size=(5, 4))
    with pytest.raises(TypeError, match=r"got an array of dtype int64 and shape \(3,\). Pass a structured array"):
        ev.write(path, np.arange(3), sensor_size=(5, 4))
    assert path.read_bytes() == before


def test_arrays_that_are_no_events() -> None:
    with pytest.raises(ValueError, match=r"x, y, t and p must be of one length and one axis"):
        ev.make_events([1], [1, 2], [0, 0], [0, 1])
    with pytest.raises(ValueError, match=r"`t` must hold integers; got float64. Convert seconds"):
        ev.make_events([1], [1], [0.5], [1])
    for name, value in (("x", -1), ("y", 65536), ("p", 2)):
        with pytest.raises(ValueError, match=rf"`{name}` must lie in .*got min={value}"):
            ev.make_events(**{"x": [1], "y": [1], "t": [0], "p": [1], name: [value]})
    assert len(ev.make_events([], [], [], [])) == 0

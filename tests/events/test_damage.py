"""Damaged files: an error that names the place, or a count; never a crash, never a wrong event."""

from pathlib import Path

import numpy as np
import pytest

from events.makers import MAKERS, Made
from longspike import events as ev
from longspike.errors import DataFileError
from longspike.events.formats import FORMATS

SIZE = (200, 150)


def make(name: str, count: int, seed: int = 0) -> Made:
    if name.startswith("hdf5"):
        pytest.importorskip("h5py")
    return MAKERS[name](np.random.default_rng(seed), count)


def read(path: Path, name: str | None, size: tuple[int, int] | None, on_error: str) -> ev.Recording | None:
    """The recording, None if it was refused in one of the ways that are allowed; what is read is in order and in bounds."""
    try:
        recording = ev.read(path, format=name, sensor_size=size, on_error=on_error)
    except (DataFileError, ValueError) as error:
        if str(path) not in str(error):
            pytest.fail(f"the message does not name the file: {error}")
        return None
    events, (width, height) = recording.events, recording.sensor_size
    assert events.dtype == ev.EVENT_DTYPE
    assert (events["x"] < width).all()
    assert (events["y"] < height).all()
    assert (events["p"] <= 1).all()
    assert (np.diff(events["t"], prepend=0) >= 0).all()
    assert recording.skipped >= 0
    assert on_error == "skip" or recording.skipped == 0
    return recording


@pytest.mark.filterwarnings("ignore:.*no event of a pixel:UserWarning")
@pytest.mark.parametrize("name", MAKERS)
def test_truncated_anywhere(name: str, tmp_path: Path) -> None:
    """Cut at any byte, what is left gives the first of the events, and the cut is noticed unless it is clean."""
    made = make(name, 8)
    path = tmp_path / "file"
    size = SIZE if made.sensor_size is None else None
    step = max(1, len(made.content) // 150)
    num_strict = num_lenient = 0
    for length in range(0, len(made.content), step):
        path.write_bytes(made.content[:length])
        strict = read(path, made.format, size, "raise")
        lenient = read(path, made.format, size, "skip")
        for recording in (strict, lenient):
            if recording is not None:
                np.testing.assert_array_equal(recording.events, made.events[: len(recording)])
        if strict is not None:
            assert lenient is not None
            assert (lenient.skipped, len(lenient)) == (0, len(strict))
            num_strict += 1
        num_lenient += lenient is not None
    assert num_strict < len(range(0, len(made.content), step))
    if made.format not in ("npz", "hdf5"):  # their index is elsewhere than at the beginning
        assert num_lenient > num_strict


@pytest.mark.filterwarnings("ignore:.*no event of a pixel:UserWarning")
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("name", MAKERS)
def test_flipped_bits(name: str, on_error: str, tmp_path: Path) -> None:
    made = make(name, 40)
    rng = np.random.default_rng(1)
    path = tmp_path / "file"
    for _ in range(60):
        damaged = np.frombuffer(made.content, np.uint8).copy()
        places = rng.integers(0, len(damaged), int(rng.integers(1, 6)))
        damaged[places] ^= np.uint8(1) << rng.integers(0, 8, len(places)).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        read(path, None if rng.random() < 0.5 else made.format, SIZE if made.sensor_size is None else None, on_error)


@pytest.mark.filterwarnings("ignore:.*no event of a pixel:UserWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_random_bytes(name: str, tmp_path: Path) -> None:
    """Noise, alone and after each format's own beginning."""
    rng = np.random.default_rng(2)
    starts = [make(maker, 5).content for maker in MAKERS if maker.startswith(name)]
    path = tmp_path / "file"
    for k in range(60):
        start = starts[k % len(starts)]
        head = start[: int(rng.integers(0, len(start)))] if k % 3 else b""
        path.write_bytes(head + rng.bytes(int(rng.integers(0, 3000))))
        read(path, name if k % 2 else None, SIZE if k % 5 == 0 else None, "skip" if k % 4 < 2 else "raise")


def test_noise_is_not_taken_for_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        (tmp_path / "file").write_bytes(rng.bytes(5 * int(rng.integers(16, 60))))
        with pytest.raises(DataFileError, match=r"fits none of the formats.*Pass `format`"):
            ev.read(tmp_path / "file")


@pytest.mark.parametrize("name", ["evt2", "evt21", "evt3", "dat2", "es", "aedat2_davis"])
def test_damaged_records_are_counted(name: str, tmp_path: Path) -> None:
    """One record in the middle is overwritten: an error where it is, or all other events and a count."""
    made = make(name, 30)
    wrong = {
        "evt2": b"\xff\xff\x00\x50",
        "evt21": b"\0\0\0\0\0\0\0\x50",
        "evt3": b"\0\x10",
        "dat2": bytes(4) + b"\xff\xff\x00\x00",
        "es": b"\x01\x00\x00\xff\xff",
        "aedat2_davis": b"\x7f\xff\xf0\0\0\0\0\0",
    }[name]
    if name in ("dat2", "aedat2_davis"):  # the time of the record before it
        wrong = wrong[:4] + made.content[-12:-8] if name == "aedat2_davis" else made.content[-16:-12] + wrong[4:]
    last = {"evt21": 8, "evt2": 4, "evt3": 2, "es": 5}.get(name, 8)
    path = tmp_path / "file"
    path.write_bytes(made.content[:-last] + wrong + made.content[-last:])
    with pytest.raises(DataFileError, match=r'(byte|event) \d+.*Pass on_error="skip"'):
        ev.read(path)
    recording = ev.read(path, on_error="skip")
    np.testing.assert_array_equal(recording.events, made.events)
    assert recording.skipped == 1

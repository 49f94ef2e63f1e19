"""Recordings of real cameras, where LONGSPIKE_DATA names a folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from longspike import events as ev
from longspike.kernels import native

RECORDINGS = {
    "expelliarmus_evt2_sample.raw": ("evt2", (640, 480), 539_481),
    "expelliarmus_evt3_sample.raw": ("evt3", (1280, 720), 219_596),
    "faery_dvs.es": ("es", (320, 240), 473_225),
    "tonic_sample.aedat4": ("aedat4", (320, 240), 111_954),
}
"""Format, sensor and number of events, as independent readers count them."""


def real(name: str) -> Path:
    """The file or folder, or a skip with the reason."""
    if not os.environ.get("LONGSPIKE_DATA"):
        pytest.skip("LONGSPIKE_DATA is not set")
    path = Path(os.environ["LONGSPIKE_DATA"]) / name
    if not path.exists():
        pytest.skip(f"LONGSPIKE_DATA holds no {name}")
    return path


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_hold_what_others_count(name: str) -> None:
    path = real(f"events/{name}")
    kind, size, count = RECORDINGS[name]
    recording = ev.read(path)
    assert (recording.format, recording.sensor_size, len(recording), recording.skipped) == (kind, size, count, 0)
    ev.check_events("test", recording.events, size)
    assert recording.events["x"].max() > 0.9 * size[0]
    assert 0.2 < recording.events["p"].mean() < 0.9
    with ev.open(path, packet_events=10_007) as reader:
        np.testing.assert_array_equal(np.concatenate(list(reader)), recording.events)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_without_the_extension(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = real(f"events/{name}")
    compiled = ev.read(path).events
    monkeypatch.setattr(native, "_extension", None)
    with ev.open(path, packet_events=50_000) as reader:
        first = next(reader)
    np.testing.assert_array_equal(first, compiled[:50_000])


@pytest.mark.slow
def test_nmnist_is_found_by_its_content() -> None:
    paths = sorted(real("NMNIST/Test").glob("*/*.bin"))
    recordings = [ev.read(path) for path in paths]
    assert len(recordings) == 100
    assert {recording.format for recording in recordings} == {"nmnist"}
    assert all(300_000 < recording.events["t"][-1] < 340_000 for recording in recordings)  # three saccades
    assert {recording.sensor_size for recording in recordings} == {(34, 34)}


def test_archives_of_a_dvs128() -> None:
    recording = ev.read(real("dvs128/01.npz"), sensor_size=(128, 128))
    assert (len(recording), recording.format) == (63_471, "npz")
    assert 1_400_000 < recording.events["t"][-1] < 1_500_000

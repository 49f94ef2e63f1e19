"""Every format by its published layout: the right events, found by content, whole and in packets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.makers import MAKERS, Made
from longspike import events as ev
from longspike.events.formats import FORMATS

COUNT = 60


def make(name: str, count: int = COUNT, seed: int = 0) -> Made:
    if name.startswith("hdf5"):
        pytest.importorskip("h5py")
    return MAKERS[name](np.random.default_rng(seed), count)


def size_argument(made: Made) -> tuple[int, int] | None:
    """What the caller must say, because the file does not."""
    return (90, 70) if made.sensor_size is None else None


def test_every_format_has_a_maker() -> None:
    assert {make(name).format for name in MAKERS} == set(FORMATS)


@pytest.mark.parametrize("suffix", ["", ".bin", ".raw", ".csv", ".h5"])
@pytest.mark.parametrize("name", MAKERS)
def test_reads_what_was_written(name: str, suffix: str, tmp_path: Path) -> None:
    made = make(name)
    path = tmp_path / f"file{suffix}"
    path.write_bytes(made.content)
    recording = ev.read(path, sensor_size=size_argument(made))
    assert recording.format == made.format
    assert recording.sensor_size == (made.sensor_size or (90, 70))
    assert (recording.start_us, recording.skipped) == (made.start_us, 0)
    assert recording.events.dtype == ev.EVENT_DTYPE
    np.testing.assert_array_equal(recording.events, made.events)
    assert len(recording) == len(made.events) >= COUNT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(name=st.sampled_from(sorted(MAKERS)), packet_events=st.integers(1, 70), seed=st.integers(0, 99))
def test_packets_join_to_the_whole(name: str, packet_events: int, seed: int, tmp_path: Path) -> None:
    made = make(name, seed=seed)
    path = tmp_path / "file"
    path.write_bytes(made.content)
    with ev.open(path, packet_events=packet_events, sensor_size=size_argument(made)) as reader:
        assert reader.sensor_size == (made.sensor_size or (90, 70))
        packets = list(reader)
        assert (reader.format, reader.skipped, reader.start_us) == (made.format, 0, made.start_us)
    assert all(len(packet) == packet_events for packet in packets[:-1])
    assert 0 < len(packets[-1]) <= packet_events
    np.testing.assert_array_equal(np.concatenate(packets), made.events)


@pytest.mark.filterwarnings("ignore:.*no event of a pixel:UserWarning")
@pytest.mark.parametrize(
    "name", ["aedat4", "csv", "dat1", "dat2", "es", "evt2", "evt21", "evt21_legacy", "evt3", "npz"]
)
def test_no_events_are_a_recording_too(name: str, tmp_path: Path) -> None:
    made = make(name, count=0)
    (tmp_path / "file").write_bytes(made.content)
    recording = ev.read(tmp_path / "file", format=made.format)
    assert (len(recording), recording.start_us) == (0, 0)
    with ev.open(tmp_path / "file", format=made.format) as reader:
        assert list(reader) == []


@pytest.mark.needs_extension
def test_memory_is_bounded_by_the_packet(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.raw"
    count = 1_500_000
    events = np.zeros(count, ev.EVENT_DTYPE)
    events["t"] = np.arange(count)
    ev.write(path, events, sensor_size=(4, 3))
    del events
    tracemalloc.start()
    with ev.open(path, packet_events=9000) as reader:
        assert sum(len(packet) for packet in reader) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 13e6 < 13 * count


@pytest.mark.parametrize(
    ("lines", "encoding", "size"),
    [
        ("% evt 3.0\n% geometry 346x260\n", "evt3", (346, 260)),
        ("% format EVT3;width=20;height=10\n", "evt3", (20, 10)),
        ("% evt 2.0\n% plugin_name hal_plugin_gen41_evk2\n", "evt2", (1280, 720)),
        ("% evt 2.1\n% plugin_name hal_plugin_genx320\n", "evt21", (320, 320)),
    ],
)
def test_headers_of_prophesee(lines: str, encoding: str, size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(lines.encode())
    recording = ev.read(tmp_path / "file")
    assert (recording.format, recording.sensor_size) == (encoding, size)


@pytest.mark.parametrize("value", ["90x70", np.bytes_("90x70")])
def test_geometry_of_metavision_in_hdf5(value: object, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "file", "w") as file:
        for name in "xytp":
            file[f"events/{name}"] = np.zeros(3, "i8")
        file.attrs["geometry"] = value
    recording = ev.read(tmp_path / "file")
    assert (recording.sensor_size, recording.metadata) == ((90, 70), {"geometry": "90x70"})


def test_the_observed_size_holds_all_events(tmp_path: Path) -> None:
    made = make("npz_structured")
    (tmp_path / "file").write_bytes(made.content)
    recording = ev.read(tmp_path / "file", sensor_size="observed")
    assert recording.sensor_size == (int(made.events["x"].max()) + 1, int(made.events["y"].max()) + 1)


def test_markers_are_pixels_on_a_sensor_that_has_their_row(tmp_path: Path) -> None:
    records = bytes([3, 240, 0, 0, 7]) * 20
    (tmp_path / "file").write_bytes(records)
    recording = ev.read(tmp_path / "file", format="nmnist", sensor_size=(10, 250))
    assert recording.events[0].tolist() == (3, 240, 7, 0)
    assert len(recording) == 20
    with pytest.warns(UserWarning, match=r"\(nmnist\) holds 100 bytes after its header and no event of a pixel"):
        assert len(ev.read(tmp_path / "file", format="nmnist", sensor_size=(10, 240))) == 0


def test_closed_readers_give_nothing(tmp_path: Path) -> None:
    made = make("evt3")
    (tmp_path / "file").write_bytes(made.content)
    with ev.open(tmp_path / "file", packet_events=9) as reader:
        assert len(next(reader)) == 9
    assert list(reader) == []

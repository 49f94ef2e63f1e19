"""The published event sets, in small: what is read where, how it is divided, and what damaged sets say."""

from pathlib import Path

import numpy as np
import pytest

import event_files
from event_samples import random_events
from longspike.data import EventBundle, EventSplit, LazyEventSplit, load_events
from longspike.data import recordings as splits
from longspike.data.sets import dvs_gesture
from longspike.data.sets.dvs_gesture import read_gestures
from longspike.data.sets.spike_speech import read_split
from longspike.errors import DataFileError


def parts(bundle: EventBundle) -> tuple[EventSplit | LazyEventSplit, ...]:
    return bundle.train, bundle.val, bundle.test


def test_nmnist_keeps_the_published_test_set(tmp_path: Path) -> None:
    event_files.write_nmnist(tmp_path)
    bundle = load_events("nmnist", root=tmp_path)
    assert [len(split) for split in parts(bundle)] == [27, 3, 10]
    assert bundle.test.labels.tolist() == list(range(10))
    for label in range(10):
        np.testing.assert_array_equal(
            bundle.test.sample(label), random_events(20, (34, 34), duration_us=300_000, seed=10 * label)
        )
    assert "30 + 10 recordings found" in bundle.source


def test_large_splits_are_read_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_files.write_nmnist(tmp_path)
    small = load_events("nmnist", root=tmp_path)
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 1000)  # the test split has as many
    large = load_events("nmnist", root=tmp_path)
    assert [isinstance(split, LazyEventSplit) for split in parts(large)] == [True, False, False]
    for index in range(27):
        np.testing.assert_array_equal(small.train.sample(index), large.train.sample(index))


def test_nmnist_in_another_place_and_incomplete(tmp_path: Path) -> None:
    event_files.write_nmnist(tmp_path)
    (tmp_path / "NMNIST").rename(tmp_path / "N-MNIST")
    assert len(load_events("nmnist", root=tmp_path).test) == 10
    assert len(load_events("nmnist", root=tmp_path / "N-MNIST").test) == 10
    for path in (tmp_path / "N-MNIST/Test/7").iterdir():
        path.unlink()
    with pytest.raises(DataFileError, match=r"Test/7 must hold recordings \(.bin\); got none"):
        load_events("nmnist", root=tmp_path)
    (tmp_path / "N-MNIST/Test/7").rmdir()
    with pytest.raises(DataFileError, match=r"N-MNIST: Test/7\n"):
        load_events("nmnist", root=tmp_path)


def test_a_damaged_recording_is_named(tmp_path: Path) -> None:
    event_files.write_nmnist(tmp_path)
    path = tmp_path / "NMNIST/Train/3/00001.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataFileError, match=r"3/00001.bin: .*truncated"):
        load_events("nmnist", root=tmp_path)


def test_ncaltech101_is_divided_by_a_fixed_seed(tmp_path: Path) -> None:
    event_files.write_ncaltech101(tmp_path)
    bundle, again = (load_events("ncaltech101", root=tmp_path) for _ in range(2))
    assert [len(split) for split in parts(bundle)] == [162, 20, 20]
    paths = [path for split in parts(bundle) for path in split.sources]
    assert len(set(paths)) == 202
    assert paths == [path for split in parts(again) for path in split.sources]
    assert max(bundle.test.labels.bincount().tolist()) == 1
    events = bundle.test.sample(0)
    assert (int(events["x"].max()), int(events["y"].max())) == (239, 179)
    assert "split 162/20/20 by this package (seed 2024, stratified)." in bundle.source
    (bundle.test.sources[0].parent).rename(tmp_path / "elsewhere")
    with pytest.raises(DataFileError, match=rf"Caltech101: {bundle.test.sources[0].parent.name}\n"):
        load_events("ncaltech101", root=tmp_path)


def test_ncaltech101_names_the_rest_by_number(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"Caltech101: BACKGROUND_Google, .* and 81 more\n"):
        load_events("ncaltech101", root=tmp_path)


def test_cifar10_dvs_reads_the_camera_s_addresses(tmp_path: Path) -> None:
    event_files.write_cifar10_dvs(tmp_path, count=10)
    bundle = load_events("cifar10-dvs", root=tmp_path)
    assert [split.labels.bincount().tolist() for split in parts(bundle)] == [[8] * 10, [1] * 10, [1] * 10]
    for split in parts(bundle):
        for index, (path, label) in enumerate(zip(split.sources, split.labels.tolist(), strict=True)):
            assert path.parent.name == bundle.class_names[label]
            expected = random_events(25, (128, 128), seed=10 * label + int(path.stem.rpartition("_")[2]))
            expected["t"] -= expected["t"][0]
            np.testing.assert_array_equal(split.sample(index), expected)


def test_gestures_are_cut_by_the_camera_s_clock(tmp_path: Path) -> None:
    recordings = event_files.write_dvs_gesture(tmp_path)
    bundle = load_events("dvs-gesture", root=tmp_path)
    assert [len(split) for split in parts(bundle)] == [20, 2, 11]
    assert bundle.test.labels.tolist() == list(range(11))
    for split in parts(bundle):
        for index, gesture in enumerate(split.sources):
            events = recordings[["user01_lab", "user02_led", "user24_lab"].index(gesture.path.stem)]
            first = 150_000 * gesture.number
            expected = events[(events["t"] >= first) & (events["t"] < first + 100_000)].copy()
            expected["t"] -= first
            assert gesture.number == gesture.label == int(split.labels[index])
            np.testing.assert_array_equal(split.sample(index), expected)
    trained = {(g.path, g.number) for split in parts(bundle)[:2] for g in split.sources}
    assert len(trained) == 22


def test_gestures_are_decoded_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_files.write_dvs_gesture(tmp_path)
    bundle = load_events("dvs-gesture", root=tmp_path)
    first = [bundle.test.sample(k) for k in range(11)]
    assert len(list((cache / "dvs-gesture").iterdir())) == 11
    monkeypatch.setattr(dvs_gesture, "read", None)
    for index in range(11):
        np.testing.assert_array_equal(bundle.test.sample(index), first[index])
    monkeypatch.undo()
    monkeypatch.setenv("LONGSPIKE_CACHE", str(cache))
    next((cache / "dvs-gesture").iterdir()).write_bytes(b"damaged")
    for index in range(11):
        np.testing.assert_array_equal(bundle.test.sample(index), first[index])
    folder = tmp_path / "DvsGesture"
    event_files.write_recording(folder, "user24_lab", start_us=9_000_000, seed=5)
    assert bundle.test.sources[0].start_us == 5_000_002  # of the labels as they were when the set was loaded
    changed = load_events("dvs-gesture", root=tmp_path).test.sample(0)
    assert changed.tobytes() != first[0].tobytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,start,end\n", "must begin with the line 'class,startTime_usec,endTime_usec'; got 'class,start,end'"),
        ("", "must begin with the line"),
        ("class,startTime_usec,endTime_usec\n12,0,9\n", "line 2, must be a class from 1 to 11.*got '12,0,9'"),
        ("class,startTime_usec,endTime_usec\n1,0,9\n2,9,9\n", "line 3, must be a class from 1 to 11"),
        ("class,startTime_usec,endTime_usec\n1,0\n", "line 2, must be"),
        ("class,startTime_usec,endTime_usec\n1,x,9\n", "line 2, must be"),
        ("class,startTime_usec,endTime_usec\n1,0,9,2\n", "line 2, must be"),
    ],
)
def test_damaged_labels_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "user01_lab_labels.csv").write_text(text)
    with pytest.raises(DataFileError, match=f"user01_lab_labels.csv.*{message}"):
        read_gestures(tmp_path / "user01_lab.aedat")


def test_gestures_that_do_not_fit_their_recording_are_named(tmp_path: Path) -> None:
    event_files.write_dvs_gesture(tmp_path)
    path = tmp_path / "DvsGesture/user24_lab_labels.csv"
    path.write_text(f"{dvs_gesture.LABEL_HEADER}\n4,100,200\n")
    with pytest.raises(
        DataFileError, match=r"user24_lab.aedat holds no event from 100 to 200 µs, where .* has gesture 1"
    ):
        load_events("dvs-gesture", root=tmp_path).test.sample(0)
    path.unlink()
    with pytest.raises(DataFileError, match=r"lacks 1 of the 1 recordings of trials_to_test.txt, .* user24_lab.aedat"):
        load_events("dvs-gesture", root=tmp_path)
    (tmp_path / "DvsGesture/trials_to_test.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataFileError, match=r"trials_to_test.txt cannot be read as text"):
        load_events("dvs-gesture", root=tmp_path)


def test_spikes_become_events(tmp_path: Path) -> None:
    units = event_files.write_spike_file(
        tmp_path / "shd_train.h5", [k % 20 for k in range(40)], [str(k) for k in range(20)]
    )
    event_files.write_spike_file(tmp_path / "shd_test.h5", list(range(20)), [str(k) for k in range(20)], seed=1)
    bundle = load_events("shd", root=tmp_path)
    assert [len(split) for split in parts(bundle)] == [36, 4, 20]
    whole = read_split(tmp_path / "shd_train.h5")
    for index in range(40):
        events = whole.sample(index)
        assert events["x"].tolist() == units[index][::-1].tolist()  # written from the last spike to the first
        assert set(events["y"].tolist()) <= {0}
        assert set(events["p"].tolist()) <= {1}
        if len(events) > 1:
            assert (events["t"][0], events["t"][-1]) == (0, 500_000)
    assert bundle.class_names == tuple(str(k) for k in range(20))


def test_large_spike_files_are_read_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_files.write_shd(tmp_path)
    path = tmp_path / "SHD/shd_train.h5"
    small = read_split(path)
    monkeypatch.setattr("longspike.data.sets.spike_speech.IN_MEMORY_BYTES", 10)
    large = read_split(path)
    assert isinstance(large, LazyEventSplit)
    assert large.in_memory().events.tobytes() == small.events.tobytes()
    assert large.labels.tolist() == small.labels.tolist() == [k % 20 for k in range(40)]


def test_ssc_keeps_the_published_division(tmp_path: Path) -> None:
    event_files.write_ssc(tmp_path)
    bundle = load_events("ssc", root=tmp_path)
    assert [split.labels.tolist() for split in parts(bundle)] == [list(range(35))] * 3
    events = [split.events.tobytes() for split in parts(bundle)]
    assert len(set(events)) == 3


def test_damaged_spike_files_are_named(tmp_path: Path) -> None:
    event_files.write_shd(tmp_path)
    event_files.write_spike_file(tmp_path / "SHD/shd_train.h5", list(range(20)), ["zero"])
    with pytest.raises(DataFileError, match=r"shd_train.h5 must name 20 classes in extra/keys; got 1"):
        load_events("shd", root=tmp_path)
    (tmp_path / "SHD/shd_train.h5").write_bytes(b"\x1f\x8b gzip")
    with pytest.raises(DataFileError, match=r"shd_train.h5"):
        load_events("shd", root=tmp_path)


def test_har_dvs_follows_the_published_lists(tmp_path: Path) -> None:
    event_files.write_har_dvs(tmp_path, num_classes=3)
    folder = tmp_path / "HARDVS"
    (folder / "test_label.txt").write_text("action_003/dvSave-test 2 50\n\naction_001/dvSave-test 0 50\n")
    bundle = load_events("har-dvs", root=tmp_path)
    assert bundle.class_names == ("action_001", "action_002", "action_003")
    assert [split.labels.tolist() for split in parts(bundle)] == [[0, 1, 2], [0, 1, 2], [2, 0]]
    np.testing.assert_array_equal(bundle.test.sample(1), random_events(9, (346, 260)))
    for line, message in (
        ("action_001\n", r"test_label.txt, line 1, must be `<class>/<recording> <label>`; got 'action_001'"),
        ("../other 1\n", r"test_label.txt, line 1, must be"),
        ("", r"test_label.txt must name recordings; it is empty"),
        ("action_009/a 1\n", r"test_label.txt must name classes of train_label.txt; got action_009 as well"),
        ("action_002/b 1\n", r"HARDVS lacks 1 of 1 listed recordings, the first action_002/b \(.npz, .csv, .aedat4\)"),
    ):
        (folder / "test_label.txt").write_text(line)
        with pytest.raises(DataFileError, match=message):
            load_events("har-dvs", root=tmp_path)


def test_celex_har_says_that_its_format_is_not_verified(tmp_path: Path) -> None:
    event_files.write_celex_har(tmp_path, num_classes=5)
    bundle = load_events("celex-har", root=tmp_path)
    assert [len(split) for split in parts(bundle)] == [9, 1, 5]
    assert bundle.test.sample(4).tolist() == [(1279, 799, 0, 1), (3, 4, 250, 0)]
    from longspike.data.sets.celex_har import load_celex_har

    assert "format of the published files is not verified" in str(load_celex_har.__doc__)

"""People's own recordings by folders of classes: layouts, formats, divisions and messages."""

from pathlib import Path

import numpy as np
import pytest

from event_samples import random_events
from longspike.data import event_folder
from longspike.errors import DataFileError
from longspike.events import write

SENSOR_SIZE = (24, 17)
SUFFIXES = (".npz", ".raw", ".csv")


def write_classes(folder: Path, counts: dict[str, int]) -> None:
    """So many recordings of each class, in three formats in turn, and a hidden file."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / ".hidden").write_bytes(b"no recording")
        for k in range(count):
            events = random_events(10 + k, SENSOR_SIZE, seed=k)
            events["t"] -= events["t"][0]
            path = folder / name / f"{k:02d}{SUFFIXES[k % 3]}"
            if path.suffix == ".csv":
                rows = [",".join(str(value) for value in event.tolist()) for event in events]
                path.write_text("\n".join(["x,y,t,p", *rows]) + "\n")
            else:
                write(path, events, sensor_size=SENSOR_SIZE)


def test_classes_are_divided_here(tmp_path: Path) -> None:
    write_classes(tmp_path / "own", {"wave": 20, "clap": 10})
    bundle = event_folder(tmp_path / "own")
    assert (bundle.name, bundle.class_names, bundle.sensor_size) == ("own", ("clap", "wave"), SENSOR_SIZE)
    assert bundle.source == (
        "Recordings of the folder 'own'; published without a division: split 24/3/3 by this package "
        "(seed 2024, stratified)."
    )
    for split, counts in ((bundle.train, [8, 16]), (bundle.val, [1, 2]), (bundle.test, [1, 2])):
        assert split.labels.bincount().tolist() == counts
        for k in range(len(split)):
            path = split.sources[k]
            assert path.parent.name == bundle.class_names[int(split.labels[k])]
            expected = random_events(10 + int(path.stem), SENSOR_SIZE, seed=int(path.stem))
            expected["t"] -= expected["t"][0]
            np.testing.assert_array_equal(split.sample(k), expected)
    paths = [path for split in (bundle.train, bundle.val, bundle.test) for path in split.sources]
    assert len(set(paths)) == len(paths) == 30
    assert event_folder(tmp_path / "own").test.sources == bundle.test.sources
    assert event_folder(tmp_path / "own", seed=1).test.sources != bundle.test.sources


def test_published_parts_are_kept(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 4, "b": 4, "c": 4})
    write_classes(tmp_path / "val", {"b": 2})
    write_classes(tmp_path / "test", {"c": 1, "a": 1})
    bundle = event_folder(tmp_path, name="named", source="Recorded at home")
    assert (bundle.name, bundle.source) == ("named", "Recorded at home.")
    assert [split.labels.tolist() for split in (bundle.val, bundle.test)] == [[1, 1], [0, 2]]
    assert len(bundle.train) == 12


def test_validation_is_held_out_of_train(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 10, "b": 10})
    write_classes(tmp_path / "test", {"a": 1, "b": 1})
    bundle = event_folder(tmp_path)
    assert (len(bundle.train), bundle.val.labels.tolist(), len(bundle.test)) == (18, [0, 1], 2)
    assert "validation held out from train/ (seed 2024, stratified)." in bundle.source


def test_text_without_a_header_is_read_as_the_caller_says(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(3):
            (tmp_path / name / f"{k}.txt").write_text("9 7\n0.5 3 1 1\n0.75 4 2 0\n")
    bundle = event_folder(tmp_path, columns="t x y p", time_unit="s")
    assert bundle.sensor_size == (9, 7)
    assert bundle.test.sample(0).tolist() == [(3, 1, 500_000, 1), (4, 2, 750_000, 0)]


def test_a_given_sensor_and_format_are_used(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(3):
            write(tmp_path / name / f"{k}.dat5", random_events(3, (34, 34)), sensor_size=(34, 34), format="nmnist")
    bundle = event_folder(tmp_path, sensor_size=(34, 34), format="nmnist")
    assert len(bundle.train.sample(0)) == 3


def test_faulty_recordings_are_named_or_skipped(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 3, "b": 3})
    for path in tmp_path.glob("*/*.csv"):
        path.write_text("x,y,t,p\n1,2,5,1\n1,2,3,0\n1,2,9,0\n")
    bundle = event_folder(tmp_path, sensor_size=SENSOR_SIZE)
    splits = (bundle.train, bundle.val, bundle.test)
    with pytest.raises(DataFileError, match=r"02\.csv.*earlier"):
        [split.in_memory() for split in splits]
    skipping = event_folder(tmp_path, sensor_size=SENSOR_SIZE, on_error="skip")
    lengths = [
        len(split.sample(k)) for split in (skipping.train, skipping.val, skipping.test) for k in range(len(split))
    ]
    assert sorted(lengths) == [2, 2, 10, 10, 11, 11]


def test_another_sensor_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 3, "b": 3})
    bundle = event_folder(tmp_path, sensor_size=(25, 17))
    with pytest.raises(ValueError, match=r"`sensor_size` is \(25, 17\), but .* says \(24, 17\)"):
        bundle.train.in_memory()


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere cannot be listed \(No such file"):
        event_folder(tmp_path / "nowhere")
    with pytest.raises(DataFileError, match="must hold one folder per class; got none"):
        event_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataFileError, match=r"a must hold recordings; got none"):
        event_folder(tmp_path)
    write_classes(tmp_path / "train", {"a": 3})
    with pytest.raises(DataFileError, match=r"must hold train/ and test/ .*; got only train/. Add the missing part"):
        event_folder(tmp_path)
    write_classes(tmp_path / "test", {"a": 1, "z": 1})
    with pytest.raises(DataFileError, match=r"test must hold classes of .*train; got z as well. Name the folders"):
        event_folder(tmp_path)


def test_too_few_recordings_to_divide(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 2})
    with pytest.raises(ValueError, match="`num_held_out` must lie below the number of samples, 1; got 1"):
        event_folder(tmp_path)

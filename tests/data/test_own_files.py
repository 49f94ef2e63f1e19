"""Own data in arrays and in folders: what is inferred, what is mapped, and what is refused with the place."""

from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import EventBundle, Reading, Split, describe_data, load
from longspike.data.own import arrays as arrays_module
from longspike.data.own.dividing import held_out, ordered_names
from longspike.data.own.kinds import partner, read_samples
from longspike.data.own.samples import PER_SAMPLE
from longspike.errors import ConfigError, DataFileError
from own_files import write_recordings, write_sounds, write_wav

X = np.random.default_rng(0).normal(size=(20, 6, 3)).astype(np.float32)
Y = np.arange(20) % 2


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X, "y": Y},
        {"X": X, "labels": np.where(Y, "on", "off"), "note": np.zeros(3)},
        {"data": X.astype(np.float64), "target": Y.astype(np.float32)},
        {"values": X, "classes": np.eye(2)[Y]},
        {"recordings": X, "y": Y[:, None]},
    ],
)
def test_npz_files(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    own = describe_data(tmp_path / "own.npz")
    assert (own.d_input, own.longest, own.num_classes, own.num_train + own.num_val + own.num_test) == (3, 6, 2, 20)
    assert own.left_out == (("note",) if "note" in arrays else ())
    bundle = load(own)
    found = torch.cat([part.values for part in (bundle.train, bundle.val, bundle.test)]).sum()
    assert float(found) == pytest.approx(float(X.sum()), abs=1e-3)
    labels = torch.cat([part.labels for part in (bundle.train, bundle.val, bundle.test)])
    assert labels.bincount().tolist() == [10, 10]


def test_lengths_of_samples(tmp_path: Path) -> None:
    lengths = 1 + np.arange(20) % 6
    np.savez(tmp_path / "own.npz", x=X, y=Y, lengths=lengths)
    own = describe_data(tmp_path / "own.npz")
    assert (own.shortest, own.longest) == (1, 6)
    assert sorted(load(own).train.lengths.tolist())[:2] == [1, 1]


@pytest.mark.parametrize("name", ["y.npy", "x_labels.npy", "labels.npy"])
def test_labels_beside_an_npy_file(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "x.npy", X[..., 0])
    np.save(tmp_path / name, Y)
    assert describe_data(tmp_path / "x.npy").d_input == 1
    assert describe_data(tmp_path).num_classes == 2
    np.save(tmp_path / "others.npy", 1 - Y)
    own = describe_data(tmp_path / "x.npy", reading=Reading(label="others.npy"))
    assert own.reading.label == "others.npy"
    samples, _ = read_samples(tmp_path / "x.npy", own.reading, labels=PER_SAMPLE)
    assert samples.labels == tuple(str(1 - y) for y in Y)


def test_a_large_file_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays_module, "MAPPED_BYTES", 1000)
    np.save(tmp_path / "x.npy", X.astype(np.float64))
    np.save(tmp_path / "y.npy", Y)
    own = describe_data(tmp_path / "x.npy")
    bundle = load(own)
    assert isinstance(bundle.train, Split)
    assert bundle.train.rows is not None
    assert bundle.train.values.dtype == torch.float64
    assert bundle.train.values.data_ptr() == bundle.test.values.data_ptr()
    monkeypatch.undo()
    copied = load(describe_data(tmp_path / "x.npy"))
    assert torch.equal(bundle.train[3][0], copied.train[3][0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "no array of the label lies in it. It has x. Name one with --label"),
        ({"x": X, "data": X, "y": Y}, "several arrays could be the values: x, data"),
        (
            {"x": X, "y": Y[:7]},
            r"the labels must be whole numbers or texts of shape \(20,\), one a sample; got .*\(7,\)",
        ),
        ({"x": X, "y": Y + 0.5}, "the labels must be classes, whole numbers or texts; got real numbers"),
        ({"x": X[0], "y": Y[:6]}, "has one sample|has one class|the class"),
        ({"x": X, "y": Y, "lengths": np.full(20, 7)}, "`lengths` must be 20 whole numbers from 1 to 6"),
        ({"x": np.where(X > 3, np.nan, X), "y": Y}, None),
        ({"x": np.where(np.arange(3) == 1, np.nan, X), "y": Y}, "sample 0, step 1, channel 'channel 2' is nan"),
        ({"x": X.astype(str), "y": Y}, "must hold real numbers of shape"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], message: str | None) -> None:
    if message is None:
        return
    np.savez(tmp_path / "own.npz", **arrays)
    if arrays["x"].ndim == 2:
        assert describe_data(tmp_path / "own.npz").d_input == 1
        return
    with pytest.raises((DataFileError, ConfigError), match=message):
        describe_data(tmp_path / "own.npz")


def test_what_is_no_array(tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(b"PK not a zip")
    with pytest.raises(DataFileError, match="cannot be read as arrays"):
        describe_data(tmp_path / "own.npz")
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataFileError, match="cannot be read as an array"):
        describe_data(tmp_path / "x.npy")


def test_a_folder_of_sounds(tmp_path: Path) -> None:
    own = describe_data(write_sounds(tmp_path / "tones"), reading=Reading(group="1"))
    assert (own.name, own.class_names, own.reading.kind, own.reading.frame) == ("tones", ("high", "low"), "folder", 8)
    assert (own.d_input, own.steps_per_second, own.reading.normalise) == (8, 1000.0, "all")
    assert "held out by groups (1)" in own.division
    assert float(load(own).train.batch(torch.arange(4)).x.std()) == pytest.approx(1.0, abs=0.3)
    write_wav(tmp_path / "tones" / "low" / "other.wav", np.zeros(100), rate_hz=16000)
    with pytest.raises(DataFileError, match=r"other.wav has 16000 Hz, and .* has 8000. Bring all files to one rate"):
        describe_data(tmp_path / "tones", reading=Reading(frame=8))
    (tmp_path / "tones" / "low" / "notes.txt").write_text("x")
    with pytest.raises(DataFileError, match=r"must hold files of one kind, .*; got .txt, .wav. Take the others out"):
        describe_data(tmp_path / "tones")


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_a_folder_of_tables_or_arrays(tmp_path: Path, suffix: str) -> None:
    for k in range(12):
        folder = tmp_path / ("yes" if k % 2 else "no")
        folder.mkdir(exist_ok=True)
        values = np.full((3 + k % 3, 2), k, np.float32)
        if suffix == ".npy":
            np.save(folder / f"{k}.npy", values)
        else:
            lines = [f"{t / 10},{a},{b}" for t, (a, b) in enumerate(values)]
            (folder / f"{k}.csv").write_text("time,left,right\n" + "\n".join(lines) + "\n")
    own = describe_data(tmp_path)
    assert (own.d_input, own.shortest, own.longest) == (2, 3, 5)
    assert own.channel_names == (("left", "right") if suffix == ".csv" else ("channel 1", "channel 2"))
    assert len(load(own).train) == own.num_train
    if suffix == ".npy":
        np.save(tmp_path / "yes" / "odd.npy", np.zeros((3, 4), np.float32))
    else:
        (tmp_path / "yes" / "odd.csv").write_text("time,left\n1,2\n")
    with pytest.raises((DataFileError, ConfigError), match="odd"):
        describe_data(tmp_path)


def test_train_and_test_folders(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 8)):
        write_sounds(tmp_path / part, samples=count)
    own = describe_data(tmp_path)
    assert (own.num_train, own.num_val, own.num_test) == (18, 2, 8)


def test_recordings_of_events(tmp_path: Path) -> None:
    write_recordings(tmp_path)
    own = describe_data(tmp_path)
    assert (own.sensor_size, own.class_names, own.reading.kind) == ((16, 8), ("left", "right"), "events")
    bundle = load(own)
    assert isinstance(bundle, EventBundle)
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (own.num_train, own.num_val, own.num_test)


def test_names() -> None:
    assert ordered_names(["10", "9", "-1", "b2", "b10", "2"]) == ("2", "9", "10", "-1", "b2", "b10")


def test_partners(tmp_path: Path) -> None:
    for name in ("A_TEST.ts", "x_test.npz", "test.csv", "strain.csv"):
        (tmp_path / name).touch()
    given = ("A_TRAIN.ts", "x_train.npz", "train.csv", "strain.csv", "B_TRAIN.ts")
    found = [partner(tmp_path / name) for name in given]
    assert [None if path is None else path.name for path in found] == [
        "A_TEST.ts",
        "x_test.npz",
        "test.csv",
        None,
        None,
    ]


def test_groups_are_held_out_until_they_hold_the_share() -> None:
    labels = np.arange(40) % 2
    groups = [f"g{k // 4}" for k in range(40)]
    kept, chosen = held_out(Path("x"), labels, groups, share=0.3, seed=1, part="test")
    assert (len(chosen), sorted([*kept, *chosen])) == (12, list(range(40)))
    again = held_out(Path("x"), labels, groups, share=0.3, seed=1, part="test")[1]
    other = held_out(Path("x"), labels, groups, share=0.3, seed=2, part="test")[1]
    assert chosen.tolist() == again.tolist() != other.tolist()
    with pytest.raises(DataFileError, match="test takes all samples of 1 class"):
        held_out(Path("x"), np.repeat([0, 1], 4), ["a"] * 4 + ["b"] * 4, share=0.5, seed=1, part="test")

"""Own data with a target a step: labels, and what comes next."""

from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import Reading, describe_data, load
from longspike.data.own import load_others, read_like
from longspike.errors import ConfigError, DataFileError
from longspike.tasks import forecast_labels
from own_files import write_series, write_steps, write_wide


def test_labels_of_steps_in_a_long_table(tmp_path: Path) -> None:
    own = describe_data(write_steps(tmp_path / "ecg.csv"), task="step_labels")
    assert (own.task, own.class_names, own.reading.label, own.reading.sample) == (
        "step_labels",
        ("high", "low"),
        "beat",
        "record",
    )
    assert (own.num_train, own.num_val, own.num_test, own.longest) == (9, 1, 2, 30)
    assert own.division == "test 20% and validation 10% held out, seed 2024"
    train = load(own).train
    assert train.labels.shape == (9, 30)
    assert train.labels[:, 0].tolist() == [-1] * 9
    assert train.labels[0, 1:8].tolist() == [1, 1, 1, 0, 0, 0, 1]


def test_few_samples_are_divided_by_time(tmp_path: Path) -> None:
    path = write_steps(tmp_path / "ecg.csv", samples=2)
    own = describe_data(path, task="step_labels", reading=Reading(window=8))
    assert "by time, the last steps for the test, those before for validation; pieces of 8 steps" in own.division
    bundle = load(own)
    assert (own.num_train, own.num_val, own.num_test) == (6, 2, 2)
    assert bundle.train.lengths.tolist() == [8, 8, 5] * 2
    x = torch.cat([bundle.train[k][0] for k in (0, 1, 2)])[:, 0] - own.shift
    first = [t % 7 for t in range(21)]
    torch.testing.assert_close(x / own.scale, torch.tensor(first, dtype=torch.float32), rtol=0, atol=1e-5)
    assert describe_data(path, task="step_labels").reading.window == 8


def write_folder(folder: Path, suffix: str, *, files: int = 12) -> Path:
    """A recording a file, of 5 to 7 steps of two channels by three persons; the label: is the first one above 2?"""
    folder.mkdir()
    for k in range(files):
        x = np.stack([np.arange(5 + k % 3) % 4, np.full(5 + k % 3, k)], axis=1)
        words = np.where(x[:, 0] > 2, "high", "low")
        words[0] = ""
        if suffix == ".npy":
            np.save(folder / f"p{k % 3}_{k:02d}.npy", x.astype(np.float32))
            np.save(folder / f"p{k % 3}_{k:02d}_labels.npy", words)
            continue
        rows = [f"{t / 10},{a},{b},{word}\n" for t, ((a, b), word) in enumerate(zip(x, words, strict=True))]
        (folder / f"p{k % 3}_{k:02d}{suffix}").write_text("time_s,a,b,state\n" + "".join(rows))
    return folder


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_labels_of_steps_in_a_folder_of_files(tmp_path: Path, suffix: str) -> None:
    folder = write_folder(tmp_path / "walks", suffix)
    own = describe_data(folder, reading=Reading(group="1", test_share=0.3), task="step_labels")
    assert (own.name, own.reading.kind, own.class_names) == ("walks", "folder", ("high", "low"))
    assert (own.d_input, own.shortest, own.longest) == (2, 5, 7)
    assert (own.num_train, own.num_val, own.num_test) == (4, 4, 4)
    assert own.steps_per_second == (pytest.approx(10.0) if suffix == ".csv" else None)
    x, labels = load(own).train[0]
    assert x.shape[1] == 2
    assert labels[:5].tolist() == [-1, 1, 1, 0, 1]
    again = load_others(own, write_folder(tmp_path / "others", suffix, files=5), split="test")
    assert (len(again[0]), again[1]) == (5, "all")
    alone = folder / f"p0_00{suffix}"
    assert len(load_others(own, alone, split="test")[0]) == 1
    asked = read_like(own, alone, d_input=2)
    assert (len(asked), asked.values[0].shape) == (1, (5, 2))
    assert len(read_like(own, folder, d_input=2)) == 12


def test_files_that_make_no_folder_of_recordings(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "walks", ".csv")
    odd = folder / "p9_99.csv"
    odd.write_text("time_s,a,c,state\n0,1,2,low\n0.1,1,2,low\n")
    with pytest.raises((DataFileError, ConfigError), match=r"no such column|Give every file the same"):
        describe_data(folder, task="step_labels")
    odd.write_text("time_s,a,b,state\n0,1,2,low\n0.5,1,2,low\n")
    with pytest.raises(DataFileError, match=r"p9_99.csv has 2 steps a second, and p0_00.csv has 10"):
        describe_data(folder, task="step_labels")
    odd.rename(folder / "notes.md")
    with pytest.raises(DataFileError, match=r"files of one kind, .* a recording each; got .csv, .md"):
        describe_data(folder, task="step_labels")


@pytest.mark.parametrize("is_one", [True, False])
def test_labels_of_steps_in_arrays(tmp_path: Path, is_one: bool) -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 9, 2)), np.arange(9) % 3 - np.ones((12, 1), int)
    np.savez(tmp_path / "own.npz", x=x[0] if is_one else x, y=y[0] if is_one else y)
    own = describe_data(tmp_path / "own.npz", task="step_labels")
    assert (own.class_names, own.d_input) == (("0", "1"), 2)
    assert own.num_train == (1 if is_one else 9)
    labels = load(own).train.labels
    assert labels[0, :6].tolist() == [-1, 0, 1, -1, 0, 1]


def test_a_forecast_learns_what_comes_next(tmp_path: Path) -> None:
    reading = Reading(horizon=3, window=50, normalise="channel")
    own = describe_data(write_series(tmp_path / "weather.csv"), task="forecasting", reading=reading)
    assert (own.channel_names, own.left_out, own.reading.time) == (("temp", "wind"), ("sky",), "date")
    assert own.class_names == ("temp +1", "wind +1", "temp +2", "wind +2", "temp +3", "wind +3")
    assert (own.num_train, own.num_val, own.num_test) == (6, 1, 2)
    bundle = load(own)
    for part in (bundle.train, bundle.val, bundle.test):
        batch = part.batch(torch.arange(len(part)))
        series = torch.cat([x[:n] for x, n in zip(batch.x, batch.lengths, strict=True)])
        expected = forecast_labels(series[None], torch.tensor([len(series)]), horizon=3)[0]
        found = torch.cat([y[:n] for y, n in zip(batch.labels, batch.lengths, strict=True)])
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=1e-6)
    assert sum(len(part) for part in (bundle.train, bundle.val, bundle.test)) == 9


@pytest.mark.parametrize("shape", [(400,), (400, 2)])
def test_a_series_in_an_array(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "series.npy", np.random.default_rng(0).normal(size=shape))
    own = describe_data(tmp_path / "series.npy", task="forecasting")
    assert (own.d_input, own.longest, own.reading.horizon, own.reading.window) == (len(shape), 400, 1, 20)
    assert own.class_names[0] == "channel 1 +1"


def test_what_has_no_steps(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "own.csv")
    with pytest.raises(ConfigError, match="a row a sample, which has no label a step"):
        describe_data(path, task="step_labels", reading=Reading(kind="wide"))
    (tmp_path / "classes" / "a").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is a folder; here one file is read"):
        describe_data(tmp_path / "classes", task="forecasting")
    path.write_text("t,x\n" + "".join(f"{k},{k}\n" for k in range(4)))
    with pytest.raises(DataFileError, match="4 steps, too few to divide by time"):
        describe_data(path, task="forecasting")
    path.write_text("t,x,label\n" + "".join(f"{k},{k},a\n" for k in range(40)))
    with pytest.raises(DataFileError, match=r"has one class, .a.. Label steps of at least two"):
        describe_data(path, task="step_labels")


def test_a_text_is_divided_in_its_order(tmp_path: Path) -> None:
    text = "To be, or not to be: that is the question. " * 50
    (tmp_path / "play.txt").write_text(text)
    own = describe_data(tmp_path / "play.txt", task="language")
    assert (own.name, own.reading.kind, own.num_train, own.num_val, own.num_test) == ("play", "text", 1505, 215, 430)
    bundle = load(own)
    parts = [bytes(part.tokens) for part in (bundle.train, bundle.val, bundle.test)]
    assert b"".join(parts).decode() == text
    assert bundle.num_classes == 256
    (tmp_path / "more.txt").write_text("caf\u00e9 " * 40)
    own = describe_data(tmp_path, task="language")
    assert own.num_train + own.num_val + own.num_test == 240 + 2 + len(text)
    own = describe_data(tmp_path / "play.txt", task="language", reading=Reading(test="more.txt"))
    assert (own.num_train, own.num_test) == (1935, 240)


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_a_text_in_characters_or_words(unit: str, tmp_path: Path) -> None:
    text = "To be, or not to be:\nthat is the question. " * 50 + "Zounds!\n"
    (tmp_path / "play.txt").write_text(text)
    own = describe_data(tmp_path / "play.txt", task="language", reading=Reading(unit=unit))
    bundle = load(own)
    assert (own.num_tokens, own.unit) == (bundle.d_input, unit)
    assert (own.num_train, own.num_val, own.num_test) == tuple(
        len(part.tokens) for part in (bundle.train, bundle.val, bundle.test)
    )
    parts = [bundle.vocabulary.decode(part.tokens) for part in (bundle.train, bundle.val, bundle.test)]
    if unit == "characters":
        assert "".join(parts) == text.replace("Zounds!", "<unk>oun<unk>s<unk>")
        assert own.reading.marks is None
        return
    assert own.reading.marks == "apart"
    assert parts[0].startswith("To be , or not to be :\nthat is the question . To be ,")
    assert parts[2].endswith("question . <unk> <unk>\n")
    kept = describe_data(tmp_path / "play.txt", task="language", reading=Reading(unit=unit, marks="kept"))
    assert load(kept).vocabulary.symbols[:3] == ("To", "be,", "or")
    (tmp_path / "cut.txt").write_text("a word , and another . " * 60)
    assert describe_data(tmp_path / "cut.txt", task="language", reading=Reading(unit=unit)).reading.marks == "kept"


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("To be.")
    with pytest.raises(DataFileError, match="has 6 bytes of text; give at least 1,000"):
        describe_data(tmp_path / "short.txt", task="language")
    (tmp_path / "short.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataFileError, match="must be text in UTF-8; byte 3 is not"):
        describe_data(tmp_path / "short.txt", task="language")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"holds no \.txt file"):
        describe_data(tmp_path / "empty", task="language")

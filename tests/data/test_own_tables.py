"""Own data in text: wide and long tables, .ts files; what is inferred, and what is refused with the place."""

from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import Reading, describe_data, load
from longspike.data.own.kinds import read_samples
from longspike.data.own.samples import PER_SAMPLE
from longspike.data.own.table import read_table
from longspike.errors import ConfigError, DataFileError
from own_files import write_long, write_ts, write_wide


def table(tmp_path: Path, text: str | bytes, name: str = "own.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_wide_table(tmp_path: Path) -> None:
    own = describe_data(write_wide(tmp_path / "own.csv"))
    assert (own.name, own.class_names, own.d_input) == ("own", ("down", "up"), 1)
    assert (own.num_train, own.num_val, own.num_test, own.shortest, own.longest) == (14, 2, 4, 7, 7)
    reading = own.reading
    assert (reading.kind, reading.header, reading.label, reading.channels) == ("wide", "yes", "label", 1)
    assert reading.values == tuple(f"x{k}" for k in range(7))
    bundle = load(own)
    x = bundle.train.batch(torch.arange(14)).x
    assert abs(float(x.mean())) < 1e-5
    assert float(x.std()) == pytest.approx(1.0, abs=0.01)
    assert "test 20% and validation 10% held out by class, seed 2024: 14/2/4" in bundle.source


@pytest.mark.parametrize(
    ("text", "has_header", "first"),
    [
        ("a;b\n1;2\n", True, ["1", "2"]),
        ("1\t2\n3\t4\n", False, ["1", "2"]),
        ("  1   2\n  3   4\n", False, ["1", "2"]),
        ("0,1,label\n1,2,x\n3,4,y\n", True, ["1", "2", "x"]),
        ("0,1,walk\n1,2,run\n", False, ["0", "1", "walk"]),
        ("# a remark\n\n0,1,walk\n1,2,3\n", True, ["1", "2", "3"]),
        ('"a, b",c\n1,2\n', True, ["1", "2"]),
    ],
)
def test_delimiters_and_headers(tmp_path: Path, text: str, has_header: bool, first: list[str]) -> None:
    found = read_table(table(tmp_path, text))
    assert (found.has_header, list(found.rows[0])) == (has_header, first)


def test_rows_of_several_channels_and_different_lengths(tmp_path: Path) -> None:
    text = "1,2,3,4,,,0\n1,2,3,4,5,6,0\n7,8,9,10,NaN,,1\n1,1,1,1,1,1,1\n"
    samples, reading = read_samples(table(tmp_path, text), Reading(channels=2, label="7"), labels=PER_SAMPLE)
    assert samples.lengths.tolist() == [2, 3, 2, 3]
    assert samples.values[2].tolist() == [[7, 8], [9, 10]]
    assert (samples.labels, reading.header) == (("0", "0", "1", "1"), "no")


def test_labels_in_the_first_column_of_a_table_without_header(tmp_path: Path) -> None:
    text = "".join(f"{k % 3},{k / 7:.3f},{k / 3:.3f}\n" for k in range(9))
    assert read_samples(table(tmp_path, text), Reading(), labels=PER_SAMPLE)[1].label == "1"
    samples, _ = read_samples(table(tmp_path, text), Reading(label="1"), labels=PER_SAMPLE)
    assert len(samples.values[0]) == 2


def test_a_long_table_is_put_in_order(tmp_path: Path) -> None:
    path = write_long(tmp_path / "long.csv")
    own = describe_data(path, reading=Reading(label="gesture", group="who"))
    assert (own.class_names, own.channel_names) == (("g0", "g1", "g2"), ("acc_x", "acc_y"))
    assert (own.reading.kind, own.reading.sample, own.reading.time) == ("long", "trial", "time_s")
    assert (own.shortest, own.longest, own.steps_per_second) == (3, 6, pytest.approx(50.0))
    samples, _ = read_samples(path, own.reading, labels=PER_SAMPLE)
    assert samples.places[5] == "sample 't5'"
    assert samples.values[5][:, 1].tolist() == [0, 1, 2, 3]
    assert len(own.scale) == len(own.shift) == 2
    with pytest.raises(
        ConfigError, match=r"which column is the label: several columns could be it \('who', 'gesture'\)"
    ):
        describe_data(path)


def test_groups_are_not_parted(tmp_path: Path) -> None:
    from longspike.data.own.parts import read_parts

    parts = read_parts(
        write_long(tmp_path / "long.csv"), Reading(label="gesture", group="who", val_share=0.2), "classification"
    )
    groups = [{parts.samples.groups[k] for k in part} for part in (parts.train, parts.val, parts.test)]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    alone = table(tmp_path, "id,x,label,who\n" + "".join(f"{k // 2},1,{k // 2 % 2},a\n" for k in range(12)))
    with pytest.raises(DataFileError, match=r"too few groups to hold out a part for test: all that is left is 'a'"):
        describe_data(alone, reading=Reading(group="who"))


def test_ts_files_with_their_partner(tmp_path: Path) -> None:
    path = write_ts(tmp_path / "Pair")
    for given in (path, path.parent):
        own = describe_data(given)
        assert (own.name, own.class_names, own.d_input) == ("Pair", ("b9", "b10"), 2)
        assert (own.num_train, own.num_val, own.num_test) == (11, 1, 12)
        assert Path(str(own.reading.test)).name == "Pair_TEST.ts"
    bundle = load(own)
    assert (len(bundle.test), bundle.test.max_seqlen, bundle.train[0][0].shape[1]) == (12, 6, 2)


TS = "@classLabel true a b\n@data\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own.csv", "", "own.csv is empty"),
        ("own.csv", "x,label\n", "holds a header and no row"),
        ("own.csv", "1,2,a\n1,2\n", "line 2 has 2 cells, and line 1 has 3"),
        ("own.csv", "x,y,label\n1,2,a\n1,oops,b\n4,5,a\n", "line 3, column 'y': 'oops' is not a number"),
        (
            "own.csv",
            "x;z;label\n1;2,5;a\n1;3;b\n2;2;a\n",
            "column 'z': '2,5' is not a number. Write decimals with a point",
        ),
        ("own.csv", "x,z,label\n1,2,a\n,3,b\n2,2,a\n", "line 3, column 'x': there is no number"),
        ("own.csv", "x,z,label\n1,2,a\n3,3,\n2,2,a\n", "line 3: the column 'label' is empty"),
        ("own.csv", "x,z,label\n1,2,a\n3,3,a\n2,2,a\n", "has one class, 'a'"),
        ("own.csv", "x,z,label\n1,2,a\n3,3,a\n2,2,b\n", "the class 'b' has one sample"),
        ("own.csv", "x,z,label\ninf,2,a\n3,3,a\n2,2,b\n1,1,b\n", "line 2, step 1 is inf"),
        ("own.csv", "x,x,label\n1,2,a\n", "two columns 'x'"),
        ("own.csv", b"x,label\n1,caf\xe9\n", "must be text in UTF-8; byte 13 is not"),
        ("own.csv", "label,what\na,b\nb,a\n", "no column of numbers for the values"),
        ("own.csv", "id,x,label\n1,2,a\n1,3,b\n", "line 3: sample '1' has 'b' in the column 'label', and 'a' before"),
        ("own.csv", 'x,label\n1,"a\n', "cannot be read as a table"),
        ("own.ts", TS, "holds no line below @data"),
        ("own.ts", TS + "1,2:1:a\n", "line 3: the channels have 2, 1 steps"),
        ("own.ts", TS + "1,?,2:a\n", r"line 3, channel 1: step 2 is missing \(\?\)"),
        ("own.ts", TS + "1,x:a\n", "line 3, channel 1: step 2 is 'x', which is not a number"),
        ("own.ts", TS + "1,2:c\n", "line 3: the class 'c' is none of a, b"),
        ("own.ts", "@timeStamps true\n" + TS + "(1,2):a\n", "a time stamp with every value"),
        (
            "own.ts",
            "@targetLabel true\n@data\n1,2:3\n",
            "holds numbers to learn .@targetLabel.. Learn them with `longspike train regress`",
        ),
        ("own.ts", "hello\n", "line 1 must be an entry"),
        ("own.mat", "x", "suffix .mat, of which no reader is known"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(DataFileError, match=message):
        describe_data(table(tmp_path, text, name))


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"label": "lable"}, "--label lable: .* has no such column. Did you mean 'label'"),
        ({"values": ("x0", "x9")}, "--values x9: .* has no such column"),
        ({"channels": 2}, "line 2 has 7 values, which 2 channels do not divide"),
        ({"group": "who"}, "--group who: .* has no such column"),
        ({"val_share": 0.9}, "must leave something to train on"),
        ({"kind": "tall"}, "`kind` must be one of 'wide', 'long'"),
        ({"test": "gone.csv"}, "gone.csv does not exist"),
    ],
)
def test_what_is_said_wrongly(tmp_path: Path, reading: dict[str, object], message: str) -> None:
    path = write_wide(tmp_path / "own.csv")
    with pytest.raises((ConfigError, DataFileError), match=message):
        describe_data(path, reading=Reading(**reading))


def test_tables_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wide(tmp_path / "own.csv")
    monkeypatch.setattr("longspike.data.own.table.LARGEST_TABLE_BYTES", path.stat().st_size)
    read_table(path)
    monkeypatch.setattr("longspike.data.own.table.LARGEST_TABLE_BYTES", path.stat().st_size - 1)
    with pytest.raises(
        DataFileError, match=r"bytes, and a text that is read whole may have .*Save the numbers as .npy"
    ):
        read_table(path)
    monkeypatch.undo()
    read_table(table(tmp_path, f"x,label\n{'1' * 65_536},a\n"))
    with pytest.raises(DataFileError, match=r"field larger than field limit \(65536\)"):
        read_table(table(tmp_path, f"x,label\n{'1' * 65_537},a\n"))


def test_a_column_that_numbers_the_rows_is_left_out(tmp_path: Path) -> None:
    rows = "".join(f"{k},{k / 3:.2f},{k % 2}\n" for k in range(12))
    for name in ("", "Unnamed: 0"):
        own = describe_data(table(tmp_path, f"{name},x,label\n{rows}"))
        assert (own.reading.values, own.left_out) == (("x",), (name,))
    own = describe_data(table(tmp_path, f"size,x,label\n{rows}"))
    assert own.reading.values == ("size", "x")


def test_numbers_that_are_no_labels(tmp_path: Path) -> None:
    rows = "".join(f"{k % 3},{k / 7:.3f}\n" for k in range(12))
    with pytest.raises(DataFileError, match=r"12 different labels for 12 samples, such as '0.000', .*Are they labels"):
        describe_data(table(tmp_path, f"x,target\n{rows}"))


def test_a_test_file_without_labels_is_left_alone(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "train.csv")
    lines = write_wide(tmp_path / "test.csv", rows=5).read_text().splitlines()
    (tmp_path / "test.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n")
    own = describe_data(path)
    assert (own.reading.test, own.num_test, own.left_out) == (None, 4, ("test.csv (no labels)",))
    with pytest.raises(ConfigError, match=r"--label label: .*test.csv has no such column"):
        describe_data(path, reading=Reading(test="test.csv"))


def test_a_test_file_must_be_alike(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "own_train.csv")
    other = write_wide(tmp_path / "own_test.csv", rows=6)
    own = describe_data(path)
    assert (own.name, own.num_train, own.num_val, own.num_test) == ("own", 18, 2, 6)
    other.write_text(other.read_text().replace("down", "sideways"))
    with pytest.raises(
        DataFileError, match=r"own_test.csv has the class 'sideways', of which there is no sample to train on"
    ):
        describe_data(path)


def test_data_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "own.csv")
    own = describe_data(path)
    write_wide(path, rows=30)
    with pytest.raises(ConfigError, match=r"has changed since it was described: .* 14/2/4 samples; now .* 21/3/6"):
        load(own)


def test_channels_are_normalised_on_the_training_samples_alone(tmp_path: Path) -> None:
    own = describe_data(write_long(tmp_path / "long.csv"), reading=Reading(label="gesture"))
    train = load(own).train
    x = np.concatenate([train[k][0].numpy() for k in range(len(train))]).astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), 1.0, atol=1e-6)
    whole = describe_data(tmp_path / "long.csv", reading=Reading(label="gesture", normalise="all"))
    x = np.concatenate([load(whole).train[k][0].numpy() for k in range(whole.num_train)]).astype(np.float64)
    assert x.mean() == pytest.approx(0.0, abs=1e-6)
    assert x.std() == pytest.approx(1.0, abs=1e-6)

"""What streams are fed with: arrays, lines, recordings; samples of data sets are tried on the command line."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from event_samples import random_events
from longspike.errors import ConfigError, DataFileError
from longspike.events import write
from longspike.streaming import bounded_lines, open_events, open_steps, parse_steps, read_steps

SIZE = (40, 30)


def test_steps_of_a_file(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float64).reshape(3, 2)
    np.save(tmp_path / "x.npy", values)
    np.savetxt(tmp_path / "x.csv", values, delimiter=",")
    for name in ("x.npy", "x.csv"):
        found = read_steps(tmp_path / name, d_input=2)
        assert (found.dtype, found.tolist()) == (torch.float32, values.tolist())
        source = open_steps(str(tmp_path / name), d_input=2)
        assert (source.num_steps, torch.stack(list(source.steps)).tolist()) == (3, values.tolist())
    with pytest.raises(DataFileError, match=r"must hold \(steps, 3\) values; it holds an array of shape \(3, 2\)"):
        read_steps(tmp_path / "x.npy", d_input=3)
    with pytest.raises(DataFileError, match=r"absent\.csv does not exist"):
        read_steps(tmp_path / "absent.csv", d_input=3)


def test_steps_of_lines() -> None:
    source = open_steps("-", d_input=2, lines=["1,2\n", "  \n", "3 4\n"])
    assert source.num_steps is None
    assert [step.tolist() for step in source.steps] == [[1, 2], [3, 4]]
    for lines, message in (
        (["1"], r"sensor, line 1: .*number\(s\) a line; got 1"),
        (["1 2", "x"], "line 2: .*got 'x'"),
    ):
        with pytest.raises(ConfigError, match=message):
            list(parse_steps(lines, d_input=2, name="sensor"))


def test_lines_that_are_too_long_are_cut_where_the_bound_says() -> None:
    """64 characters for each of two numbers, and 64 more, the line's end among them."""
    fits, beyond = "1 2".ljust(190) + "\n", "1 2".ljust(191) + "\n"
    lines = list(bounded_lines(io.StringIO(fits + beyond + "3 4\n" + beyond * 99), d_input=2))
    assert lines[:1] == [fits]
    steps = parse_steps(lines, d_input=2, on_error="skip")
    assert ([step.tolist() for step in steps], steps.skipped) == ([[1, 2], [3, 4]], 100)


def test_text_without_a_header_says_nothing_of_itself(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("0.5 3 1 1\n0.75 4 2 0\n")
    said = {"columns": "t x y p", "time_unit": "s"}
    with open_events(str(tmp_path / "r.txt"), sensor_size=SIZE, format="csv", **said) as source:
        assert [event.tolist() for event in next(iter(source))] == [(3, 1, 500_000, 1), (4, 2, 750_000, 0)]
    write(tmp_path / "r.bin", random_events(5, (9, 9)), sensor_size=(9, 9), format="npz")
    with open_events(str(tmp_path / "r.bin"), sensor_size=(9, 9), format="npz") as source:
        assert (source.format, len(next(iter(source)))) == ("npz", 5)
    for name in said:
        with pytest.raises(ConfigError, match=f"`{name}` has no effect on event-digits:0, a sample of a data set"):
            open_events("event-digits:0", sensor_size=SIZE, **{name: said[name]})


def test_packets_of_a_recording_on_another_sensor(tmp_path: Path) -> None:
    events = random_events(600, (50, 20), duration_us=9000, seed=2)
    write(tmp_path / "r.npz", events, sensor_size=(50, 20))
    path = str(tmp_path / "r.npz")
    with open_events(path, sensor_size=SIZE, packet_events=256, fit="scale") as source:
        packets = list(source)
        assert [len(packet) for packet in packets] == [256, 256, 88]
        assert (source.sensor_size, source.format, source.cropped, source.skipped) == ((50, 20), "npz", 0, 0)
    with open_events(path, sensor_size=SIZE, packet_us=900, fit="crop") as source:
        assert sum(map(len, source)) + source.cropped == 600
        assert source.cropped == int(((events["x"] < 5) | (events["x"] >= 45)).sum())
    for words, message in (
        ({}, "comes from a sensor of 50x20 pixels; the model reads 40x30"),
        ({"fit": "stretch"}, "`fit` must be one of scale, crop; got 'stretch'"),
        ({"packet_us": 3, "packet_events": 4}, "exclude each other"),
    ):
        with pytest.raises(ConfigError, match=message):
            open_events(path, sensor_size=SIZE, **words)

"""Texts and HDF5 files as other tools write them: names, orders and units that the file or the caller says."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longspike import events as ev
from longspike.errors import DataFileError

ROWS = [(3, 1, 250, 1), (4, 2, 1_750_000, 0), (0, 5, 1_750_001, 1)]
SECONDS = "0.000250 3 1 1\n1.75 4 2 0\n1.750001 0 5 1\n"

TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "rpg: t x y p in seconds": (SECONDS, {"columns": "t x y p", "time_unit": "s", "sensor_size": (8, 6)}),
    "e2vid: the size first": ("8 6\n" + SECONDS, {"columns": "t,x,y,p", "time_unit": "s"}),
    "faery": ("t,x@8,y@6,on\n250,3,1,1\n1750000,4,2,0\n1750001,0,5,1\n", {}),
    "pandas": (
        ",x,y,timestamp,polarity\n0,3,1,250,True\n1,4,2,1750000,False\n2,0,5,1750001,True\n",
        {"sensor_size": (8, 6)},
    ),
    "semicolons, nanoseconds": (
        '"x";"y";"p";"t_ns"\n3;1;1;250999\n4;2;0;1750000000\n0;5;1;1750001000\n',
        {"sensor_size": (8, 6)},
    ),
    "tabs, milliseconds": (
        "3\t1\t0.25\t1\n4\t2\t1750\t-1\n0\t5\t1750.001\t1\n",
        {"columns": ("x", "y", "t_ms", "p"), "sensor_size": (8, 6)},
    ),
    "a byte order mark, Windows lines": (
        "\ufeff# sensor_size 8x6\r\nx,y,t,p\r\n3,1,250,1\r\n4,2,1750000,0\r\n0,5,1750001,1\r\n",
        {},
    ),
    "a comment in another language": (
        "# Größe 8×6\nx,y,t,p\n3,1,250,1\n4,2,1750000,0\n0,5,1750001,1\n",
        {"sensor_size": (8, 6)},
    ),
    "scientific": (
        "2.5e-4,3,1,1\n1.75e0,4,2,0\n1.750001E+0,0,5,1\n",
        {"columns": list("txyp"), "time_unit": "s", "sensor_size": (8, 6)},
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str, tmp_path: Path) -> None:
    text, options = TEXTS[name]
    (tmp_path / "f").write_text(text, encoding="utf-8", newline="")
    recording = ev.read(tmp_path / "f", **options)
    assert recording.events.tolist() == ROWS
    assert (recording.sensor_size, recording.start_us, recording.skipped) == ((8, 6), 0, 0)
    with ev.open(tmp_path / "f", **options, packet_events=2) as reader:
        assert [len(packet) for packet in reader] == [2, 1]


def test_times_beyond_what_floats_can_count_stay_exact(tmp_path: Path) -> None:
    t = (1 << 61) + 1
    (tmp_path / "f").write_text(f"x,y,t,p\n3.0,1,{t},1\n4,2,{t + 2},0\n")
    assert ev.read(tmp_path / "f", sensor_size=(8, 6)).events["t"].tolist() == [t, t + 2]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "0.001,3,4,1\n",
            {"columns": "t,x,y,p"},
            'event 0: t is 0.001, which is no whole number of microseconds.*time_unit="s"',
        ),
        ("t,x,y,p\n5,5.9,4,1\n", {}, r"event 0: x is 5.9, which is no whole number in \[0, 65535\]"),
        ("t,x,y,p\n5,nan,4,1\n", {}, "line 2: '5,nan,4,1' is not 4 numbers"),
        ("t,x,y,p\n1e300,3,4,1\n", {"time_unit": "s"}, r"event 0: t is 1e\+300, which lies outside \[0, 2\^62\] µs"),
        ("t,x,y,p\n-0.5,3,4,1\n", {"time_unit": "s"}, "event 0: t is -0.5, which lies outside"),
        ("t,x,y,p\n5,3,4,-1\n5,3,4,0\n", {}, "holds p as -1 and as 0.*Write off as 0 and on as 1"),
        ("5,3,4,1\n", {}, 'does not say the order of its columns.*or pass columns, such as "t,x,y,p", and time_unit'),
        ("5,3,4\n", {"columns": "t,x,y,p"}, "line 1: '5,3,4' is not 4 numbers"),
    ],
)
def test_texts_that_are_refused(text: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(DataFileError, match=message):
        ev.read(tmp_path / "f", sensor_size=(8, 6), **options)


def test_wrong_lines_are_skipped_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("t,x,y,p\n5,3,4,1\n6.5,3,4,1\n7,3.5,4,1\nseven\n8,1,2,0\n9,1,2,true\n")
    recording = ev.read(tmp_path / "f", sensor_size=(8, 6), on_error="skip")
    assert (recording.events["t"].tolist(), recording.skipped) == ([5, 8, 9], 3)


def test_options_that_say_otherwise_or_have_no_effect(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("t_us,x,y,p\n5,3,4,1\n")
    with pytest.raises(ValueError, match=r"`time_unit` is 's', but .*f says 'us'. Leave it out"):
        ev.read(tmp_path / "f", sensor_size=(8, 6), time_unit="s")
    with pytest.raises(ValueError, match=r"read: `columns` must name x, y, t and p in the order .*got 't,x,y'"):
        ev.read(tmp_path / "f", columns="t,x,y")
    with pytest.raises(ValueError, match=r"read: `time_unit` must be one of 's', 'ms', 'us', 'ns'; got 'h'"):
        ev.read(tmp_path / "f", time_unit="h")
    ev.write(tmp_path / "f.raw", ev.make_events([1], [2], [3], [0]), sensor_size=(8, 6))
    for options, named in (({"columns": "t,x,y,p"}, "columns"), ({"time_unit": "s"}, "time_unit")):
        with pytest.raises(
            ValueError, match=rf"open: `{named}` has no effect on .*f.raw, which is evt3; it is for csv, "
        ):
            ev.open(tmp_path / "f.raw", **options)


def test_utf_16_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x,y,t,p\n3,1,250,1\n", encoding="utf-16")
    with pytest.raises(DataFileError, match=r"is text in UTF-16. Save it in UTF-8"):
        ev.read(tmp_path / "f")


def test_npz_in_seconds_and_under_other_names(tmp_path: Path) -> None:
    x, y, t, p = (np.array(column) for column in zip(*ROWS, strict=True))
    stream = io.BytesIO()
    np.savez(stream, xs=x, ys=y, timestamp=t * 1e-6, polarity=p > 0, sensor_size=np.array([8, 6, 2]))
    (tmp_path / "f").write_bytes(stream.getvalue())
    with pytest.raises(DataFileError, match="holds t as float64, and no unit of time"):
        ev.read(tmp_path / "f")
    recording = ev.read(tmp_path / "f", time_unit="s")
    assert (recording.events.tolist(), recording.sensor_size) == (ROWS, (8, 6))


def write_hdf5(path: Path, **columns: Any) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file[name.replace("__", "/")] = column


@pytest.mark.parametrize("layout", ["rpg in seconds", "rpg in µs", "mvsec", "a table", "nanoseconds"])
def test_hdf5(layout: str, tmp_path: Path) -> None:
    x, y, t, p = (np.array(column) for column in zip(*ROWS, strict=True))
    start = 1_607_505_493_718_345
    rows = [(x, y, t - ROWS[0][2], p) for x, y, t, p in ROWS]
    options: dict[str, Any] = {"sensor_size": (8, 6)}
    if layout == "rpg in seconds":
        write_hdf5(tmp_path / "f", events__xs=x, events__ys=y, events__ts=(t + start) * 1e-6, events__ps=p > 0)
    elif layout == "rpg in µs":
        write_hdf5(tmp_path / "f", events__xs=x, events__ys=y, events__ts=t, events__ps=p > 0)
        rows = ROWS
    elif layout == "mvsec":
        table = np.stack([x, y, (t + start) * 1e-6, 2 * p - 1], axis=1)
        write_hdf5(tmp_path / "f", davis__left__events=table, davis__left__image_raw=np.zeros((2, 3)))
    elif layout == "a table":
        write_hdf5(tmp_path / "f", events=np.stack([t * 1e-3, x, y, p], axis=1))
        with pytest.raises(DataFileError, match=r"a table of shape \(3, 4\) in 'events', and not the names of its col"):
            ev.read(tmp_path / "f", **options)
        rows, options = ROWS, options | {"columns": "t,x,y,p", "time_unit": "ms"}
    else:
        write_hdf5(tmp_path / "f", events__x=x, events__y=y, events__timestamp_ns=t * 1000, events__polarity=p)
        rows = ROWS
    recording = ev.read(tmp_path / "f", **options)
    assert recording.events.tolist() == rows
    assert recording.start_us == (start + ROWS[0][2] if layout in ("rpg in seconds", "mvsec") else 0)

"""longspike events: facts of a recording, and conversion."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import longspike
from cli.conftest import Run
from event_samples import random_events
from longspike.events import write

SIZE = (40, 30)


@pytest.fixture
def events() -> np.ndarray:
    """Random events, and a pixel that sends one in five."""
    events = random_events(500, SIZE, duration_us=100_000, seed=5)
    events["x"][::5], events["y"][::5] = 17, 4
    return events


@pytest.fixture
def recording(tmp_path: Path, events: np.ndarray) -> Path:
    write(tmp_path / "r.raw", events, sensor_size=SIZE)
    return tmp_path / "r.raw"


def test_info(cli: Run, recording: Path, events: np.ndarray) -> None:
    code, out, err = cli("events", "info", str(recording), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    duration = int(events["t"][-1] - events["t"][0])
    assert (found["format"], found["sensor_size"], found["events"], found["skipped"]) == ("evt3", [40, 30], 500, 0)
    assert (found["duration_us"], found["start_us"]) == (duration, int(events["t"][0]))
    assert found["events_per_s"] == pytest.approx(500e6 / duration, abs=0.1)
    assert found["on_share"] == pytest.approx(events["p"].mean(), abs=1e-4)
    assert found["active_pixels"] == len(np.unique(events["y"].astype(int) * 40 + events["x"]))
    hottest = found["hot_pixels"][0]
    assert (hottest["x"], hottest["y"], hottest["events"]) == (
        17,
        4,
        int(((events["x"] == 17) & (events["y"] == 4)).sum()),
    )
    assert len(found["hot_pixels"]) == 3


def test_info_for_people(cli: Run, recording: Path, tmp_path: Path) -> None:
    _, out, _ = cli("events", "info", str(recording))
    assert re.search(r"^sensor +40x30 pixels, \d+ of them active$", out, flags=re.MULTILINE)
    assert re.search(r"^hot pixels +\(17, 4\) \d+, ", out, flags=re.MULTILINE)
    shares = re.search(r"^polarity +([\d.]+)% on, ([\d.]+)% off$", out, flags=re.MULTILINE)
    assert shares is not None
    assert float(shares[1]) + float(shares[2]) == pytest.approx(100)
    write(tmp_path / "empty.npz", random_events(0, SIZE), sensor_size=SIZE)
    code, out, _ = cli("events", "info", str(tmp_path / "empty.npz"))
    assert code == 0
    assert re.search(r"^events +0 ", out, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "to"), [("o.npz", ()), ("o.csv", ()), ("o.bin", ()), ("o.raw", ()), ("o", ("--to", "evt2"))]
)
def test_convert(cli: Run, recording: Path, tmp_path: Path, name: str, to: tuple[str, ...], events: np.ndarray) -> None:
    out = tmp_path / name
    code, printed, err = cli("events", "convert", str(recording), str(out), *to)
    assert (code, err) == (0, "")
    assert re.match(rf"wrote +{re.escape(str(out))} \([\d,]+ bytes, 500 events, 0 faulty skipped\)\n", printed)
    words = ("--sensor-size", "40", "30") if name == "o.bin" else ()
    found = json.loads(cli("events", "info", str(out), *words, "--json")[1])
    assert (found["events"], found["sensor_size"]) == (500, [40, 30])
    kind, size = ("nmnist", SIZE) if name == "o.bin" else (None, None)
    back = longspike.events.read(out, format=kind, sensor_size=size).events
    events["t"] -= events["t"][0]
    assert (back == events).all()


def test_mistakes_are_named(cli: Run, recording: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("x,y,t,p\n1,1,10,1\n")
    for words, code, message in (
        (("info", bare), 2, "does not say how large its sensor is. Add --sensor-size WIDTH HEIGHT"),
        (("info", recording, tmp_path / "o.npz"), 2, "takes one file and writes none"),
        (("convert", recording), 2, "needs a file to write: longspike events convert FILE OUT"),
        (("convert", recording, recording), 2, "FILE and OUT are the same file"),
        (("convert", recording, tmp_path / "o.xyz"), 2, "the name o.xyz says no format. End it in one of .npz, .csv"),
        (
            ("convert", tmp_path / "absent.raw", tmp_path / "o", "--to", "gif"),
            2,
            "--to must be one of evt2, evt3, nmnist",
        ),
        (("info", recording, "--format", "evt9"), 2, "csv; got 'evt9'. Did you mean 'evt3'?"),
        (("info", recording, "--time-unit", "min"), 2, "--time-unit must be one of ms, ns, s, us; got 'min'"),
        (("info", tmp_path / "absent.raw"), 1, "absent.raw cannot be read"),
    ):
        found, out, err = cli("events", *map(str, words))
        assert (found, out) == (code, "")
        assert message in err


def test_faulty_records_are_counted(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("x,y,t,p\n1,1,10,1\n99,1,20,1\n2,1,30,0\n")
    words = ("events", "info", str(tmp_path / "f.csv"), "--sensor-size", "40", "30")
    assert cli(*words)[0] == 1
    found = json.loads(cli(*words, "--on-error", "skip", "--json")[1])
    assert (found["events"], found["skipped"]) == (2, 1)


def test_columns_and_the_unit_of_times_are_said(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0.5 1 2 1\n0.75 3 2 0\n")
    words = ("events", "info", str(tmp_path / "t.csv"), "--sensor-size", "40", "30", "--json")
    assert cli(*words)[0] == 1
    found = json.loads(cli(*words, "--columns", "t,x,y,p", "--time-unit", "s")[1])
    assert (found["events"], found["duration_us"]) == (2, 250_000)

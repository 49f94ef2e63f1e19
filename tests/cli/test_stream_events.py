"""longspike stream on FLAMES: recordings, packets, pace, and what does not fit."""

import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import longspike
from cli.conftest import Run
from event_samples import random_events
from longspike.cli.event_view import EventPicture, EventView
from longspike.cli.panel import LivePanel
from longspike.data import EventBundle
from longspike.data.event_splits import split_of_samples
from longspike.events import make_events, read, write
from longspike.events.ragged import collate_events
from longspike.events.slicing import packets_by_time
from longspike.models import Flames, FlamesSequence, FlamesSequenceConfig
from longspike.streaming import EventStream

pytest.importorskip("longspike._native", reason="the compiled extension is not built")
SIZE = (40, 30)


@pytest.fixture
def flames_path(tmp_path: Path) -> Path:
    """A saved network for a small sensor, not trained."""
    model = Flames.from_preset("tiny", sensor_size=SIZE, num_classes=3, channels=8, num_branches=2)
    model.save(tmp_path / "flames", metadata={"class_names": ["cat", "dog", "owl"]})
    return tmp_path / "flames"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """2500 events in half a second."""
    events = random_events(2500, SIZE, duration_us=500_000, seed=1)
    events["t"] -= events["t"][0]
    write(tmp_path / "r.raw", events, sensor_size=SIZE)
    return tmp_path / "r.raw"


def streamed(cli: Run, *words: object) -> dict:
    code, out, err = cli("stream", *map(str, words), "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_recording(cli: Run, flames_path: Path, recording: Path) -> None:
    result = streamed(cli, flames_path, recording, "--check")
    events = longspike.events.read(recording).events
    whole = longspike.load(flames_path).outputs(collate_events([events]))
    assert result["probabilities"] == pytest.approx(whole.logits[0].softmax(-1).tolist(), abs=1e-6)
    assert [layer["spikes"] for layer in result["layers"]] == [int(a.num_spikes) for a in whole.activity]
    assert [layer["updates"] for layer in result["layers"]] == [a.num_updates for a in whole.activity]
    assert [layer["name"] for layer in result["layers"]] == ["front 1", "memory 1", "memory 2"]
    assert (result["events"], result["late"], result["skipped"], result["packets"]) == (2500, 0, 0, 3)
    assert (result["format"], result["sensor_size"], result["ticks"]) == ("evt3", [40, 30], len(whole.ticks.step))
    assert result["steps"] == len(np.unique(events["t"] // 1000))
    assert result["duration_us"] == int(events["t"][-1])
    assert result["equals_whole_recording"] is True
    assert result["latency_us"]["p50"] <= result["latency_us"]["p99"] <= result["latency_us"]["max"]
    assert result["realtime"] is None
    assert result["stream_memory_bytes"] > 0


def test_packets_and_formats_do_not_matter(cli: Run, flames_path: Path, recording: Path, tmp_path: Path) -> None:
    events = longspike.events.read(recording).events
    write(tmp_path / "r.bin", events, sensor_size=SIZE)  # says nothing of its sensor: it is the model's
    whole = streamed(cli, flames_path, recording)
    for words in ((recording, "--packet-events", 7), (recording, "--packet-us", 900), (tmp_path / "r.bin",)):
        result = streamed(cli, flames_path, *words)
        assert (result["probabilities"], result["steps"]) == (whole["probabilities"], whole["steps"])
    assert streamed(cli, flames_path, recording, "--packet-us", 900)["packets"] == len(np.unique(events["t"] // 900))


def test_text_that_says_nothing_of_itself(cli: Run, flames_path: Path, recording: Path, tmp_path: Path) -> None:
    events = read(recording).events
    lines = [f"{t / 1e6:.6f} {x} {y} {p}" for x, y, t, p in events.tolist()]
    (tmp_path / "r.txt").write_text("\n".join(lines) + "\n")
    words = ("--columns", "t x y p", "--time-unit", "s", "--json")
    code, out, _ = cli("stream", str(flames_path), str(tmp_path / "r.txt"), *words)
    right = json.loads(cli("stream", str(flames_path), str(recording), "--json")[1])
    assert (code, json.loads(out)["probabilities"]) == (0, right["probabilities"])


def test_decisions_are_about_what_came_since_the_last_one(cli: Run, flames_path: Path, recording: Path) -> None:
    code, out, _ = cli(
        "stream", str(flames_path), str(recording), "--decide-us", "100000", "--packet-us", "1000", "--json"
    )
    *made, result = map(json.loads, out.splitlines())
    assert [decision["t_us"] // 100_000 for decision in made] == [1, 2, 3, 4]
    assert (code, result["events"]) == (0, 2500)
    stream, expected = EventStream(longspike.load(flames_path)), []
    events = longspike.events.read(recording).events
    for packet in packets_by_time([events], packet_us=1000):
        stream.push(packet)
        if packet["t"][-1] >= 100_000 * (len(expected) + 1):
            expected.append(round(float(stream.logits().softmax(-1).max()), 6))
            stream.restart_mean()
    assert [decision["probability"] for decision in made] == expected
    code, out, _ = cli("stream", str(flames_path), str(recording), "--decide-us", "200000")
    assert code == 0
    assert len(re.findall(r"^ +0\.[24]\d+ s  (?:cat|dog|owl) \(\d", out, flags=re.MULTILINE)) == 2
    assert "last decision" in out
    for wrong, message in (((0,), "must be positive"), ((5, "--check"), "makes many")):
        code, _, err = cli("stream", str(flames_path), str(recording), "--decide-us", *map(str, wrong))
        assert (code, message in err) == (2, True)


def test_a_sample_of_a_data_set(cli: Run, flames_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [random_events(n, SIZE, duration_us=20_000, seed=n) for n in (5, 70, 1200)]
    split = split_of_samples(samples, torch.tensor([1, 0, 2]), sensor_size=SIZE)
    bundle = EventBundle(
        name="event-digits",
        train=split,
        val=split,
        test=split,
        num_classes=3,
        sensor_size=SIZE,
        class_names=("a", "b", "c"),
        source="Random numbers.",
    )
    monkeypatch.setattr("longspike.data.load_events", lambda name, root: bundle)
    result = streamed(cli, flames_path, "event-digits:2", "--check")
    assert (result["label"], result["format"], result["events"], result["packets"]) == ("owl", "data set", 1200, 2)
    assert result["equals_whole_recording"] is True
    code, _, err = cli("stream", str(flames_path), "event-digits:3")
    assert code == 2
    assert "event-digits:3 does not exist; the test split has samples 0 to 2" in err


def test_text_for_people(cli: Run, flames_path: Path, recording: Path) -> None:
    code, out, err = cli("stream", str(flames_path), str(recording), "--check", "--realtime", "50")
    assert (code, err) == (0, "")
    for pattern in (
        r"^decision +(cat|dog|owl) \(\d+\.\d%\)$",
        r"^recording +evt3, 40x30, 0\.\d{3} s$",
        r"^events +2,500 in 10 packets, 0 late$",
        r"^latency +p50 [\d,]+ us, p99 [\d,]+ us, max [\d,]+ us \(packet to decision\)$",
        r"^real time x50 +packets late by p50 ",
        r"^end to end +p50 .*\(last event due to decision\)$",
        r"^firing rate +front 1 \d+\.\d\d%, memory 1 .*\(spikes per neuron update\)$",
        r"^whole at once +equal, bit for bit$",
    ):
        assert re.search(pattern, out, flags=re.MULTILINE), pattern


def test_real_time_takes_its_time(cli: Run, flames_path: Path, recording: Path) -> None:
    for words, factor in (((), 1), (("4",), 4)):
        result = streamed(cli, flames_path, recording, "--packet-us", 50_000, "--realtime", *words)
        assert result["realtime"]["factor"] == factor
        assert result["wall_s"] >= result["duration_us"] / 1e6 / factor
        # a step waits for its packet: up to 50 ms of the recording
        assert result["realtime"]["end_to_end_us"]["max"] >= 40_000 / factor


def test_packets_of_real_time_are_steps(cli: Run, flames_path: Path, recording: Path) -> None:
    """Or as many as make a millisecond, so that a short recording is not one packet."""
    times = longspike.events.read(recording).events["t"]
    for factor, packet_us in (("2", 2000), ("50", 50_000)):
        result = streamed(cli, flames_path, recording, "--realtime", factor)
        assert result["packets"] == len(np.unique(times // packet_us))
    assert streamed(cli, flames_path, recording, "--realtime", "50", "--packet-events", "1000")["packets"] == 3


def test_far_times_are_dropped_and_counted(cli: Run, flames_path: Path, recording: Path, tmp_path: Path) -> None:
    events = longspike.events.read(recording).events
    faulty = np.concatenate([events, make_events(x=[1, 2], y=[3, 4], t=[2**40, 2**41], p=[0, 1])])
    write(tmp_path / "faulty.npz", faulty, sensor_size=SIZE)
    result, clean = (streamed(cli, flames_path, path) for path in (tmp_path / "faulty.npz", recording))
    assert result["probabilities"] == clean["probabilities"]
    assert (result["events"], result["far"], result["late"], result["clock_jumps"]) == (2502, 2, 0, 0)
    assert result["duration_us"] == clean["duration_us"]
    _, out, _ = cli("stream", str(flames_path), str(tmp_path / "faulty.npz"), "--realtime", "50")
    assert re.search(r"events +2,502 in", out)
    assert ", 0 late, 2 far\n" in out
    code, _, err = cli("stream", str(flames_path), str(recording), "--max-gap-us", "0")
    assert (code, "--max-gap-us must be positive; got 0" in err) == (2, True)


def test_a_difference_fails(cli: Run, flames_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longspike.streaming.WholeRecording.is_equal", lambda *_: False)
    code, out, _ = cli("stream", str(flames_path), str(recording), "--check")
    assert code == 1
    assert "NOT equal" in out
    monkeypatch.setattr("longspike.streaming.comparing.LARGEST_RECORDING", 2000)
    code, out, err = cli("stream", str(flames_path), str(recording), "--check")
    assert (code, out) == (2, "")
    assert "takes at most 2,000 events; this one has more. Leave --check out" in err


def test_another_sensor(cli: Run, flames_path: Path, tmp_path: Path) -> None:
    path, model = tmp_path / "big.raw", str(flames_path)
    write(path, random_events(600, (50, 20), seed=2), sensor_size=(50, 20))
    code, _, err = cli("stream", model, str(path))
    assert code == 2
    assert "comes from a sensor of 50x20 pixels; the model reads 40x30. Add --fit scale or --fit crop" in err
    assert streamed(cli, model, path, "--fit", "scale", "--check")["events"] == 600
    cropped = streamed(cli, model, path, "--fit", "crop", "--check")
    assert cropped["events"] + cropped["cropped"] == 600
    assert cropped["cropped"] > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["r.raw", "--pace", "3"], 2, r"--pace: only for a SpikeSSM, which .*flames is not\. Leave it out"),
        (
            ["r.raw", "--packet-us", "3", "--packet-events", "4"],
            2,
            r"--packet-events and --packet-us exclude each other",
        ),
        (["r.raw", "--packet-us", "0"], 2, r"--packet-us must be positive; got 0"),
        (["r.raw", "--realtime", "0"], 2, r"--realtime must be positive; got 0"),
        (["r.raw", "--columns", "t,x,y,p"], 2, r"`columns` has no effect on r.raw, which is evt3; it is for csv"),
        (["event-digits:1", "--time-unit", "s"], 2, r"`time_unit` has no effect on event-digits:1, a sample"),
        (["r.raw", "--fit", "crop"], 2, r"--fit crop has no effect: .* the same sensor size"),
        (["absent.raw"], 1, r"absent\.raw does not exist\. INPUT is a recording, or DATASET:INDEX"),
        (["digits:1"], 2, r"there is no data set of events 'digits'\. They are: event-digits"),
        (["empty.npz"], 2, r"the input holds no event"),
        (["broken.raw"], 1, r"broken\.raw"),
    ],
)
def test_mistakes_are_named(
    words: list[str],
    code: int,
    message: str,
    cli: Run,
    flames_path: Path,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(recording.parent)
    write("empty.npz", random_events(0, SIZE), sensor_size=SIZE)
    Path("broken.raw").write_bytes(recording.read_bytes()[:-1])
    found, out, err = cli("stream", str(flames_path), *words)
    assert (found, out) == (code, "")
    assert re.search(f"^error: .*{message}", err), err


def test_options_of_events_are_refused_elsewhere(cli: Run, model_path: Path, tmp_path: Path) -> None:
    for words in (
        ("--packet-events", "5"),
        ("--packet-us", "5"),
        ("--realtime",),
        ("--max-gap-us", "5"),
        ("--fit", "crop"),
        ("--format", "csv"),
        ("--columns", "t,x,y,p"),
        ("--time-unit", "s"),
    ):
        code, _, err = cli("stream", str(model_path), "digits:0", *words)
        assert code == 2
        assert f"{words[0]}: only for a Flames, which" in err
    code, _, err = cli("stream", str(model_path), "digits:0", "--on-error", "skip")
    assert (code, "--on-error skip has no effect: it is about lines from stdin. Leave it out" in err) == (2, True)
    FlamesSequence(FlamesSequenceConfig(d_input=2)).save(tmp_path / "s")
    assert (
        "is a FlamesSequence; `longspike stream` feeds SpikeSSM and SpikeLM and SpikeSSMPair and Flames"
        in cli("stream", str(tmp_path / "s"), "x")[2]
    )


def test_the_panel_shows_classes_counts_and_events(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = EventStream(Flames.from_preset("tiny", sensor_size=SIZE, num_classes=2))
    monkeypatch.setenv("COLUMNS", "110")
    panel = LivePanel("m <- x", ["cat", "dog"], per_second=8)
    panel.is_on, panel.has_colours = True, True
    monkeypatch.setattr(panel, "show", lambda *parts, **rest: None)
    view = EventView(panel, stream)
    events = random_events(400, SIZE, duration_us=9000, seed=4)
    stream.push(events)
    view.add(events)
    console = Console(width=110, file=io.StringIO())
    console.print(panel.render(*view.parts(1234.0), subtitle=view.subtitle, beside=view.picture()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("events  400, 1,234/s", "0.009 s of the recording", "dog", "late    0", "▀▀▀"):
        assert words in text
    assert re.search(r"latency p50 \d+, p99 \d+, max \d+ us", text)


@pytest.mark.parametrize("size", [(1280, 720), (34, 34), (700, 1), (3, 500)])
def test_the_picture_has_a_place_for_every_pixel(size: tuple[int, int]) -> None:
    picture = EventPicture(size)
    corner = make_events(x=[0, size[0] - 1], y=[0, size[1] - 1], t=[0, 1], p=[0, 1])
    picture.add(corner)
    last = (size[1] - 1) * picture.height // size[1]
    assert picture._counts[0, 0, 0] == picture._counts[1, last, -1] == 1
    lines = picture.render().plain.split("\n")
    assert {len(line) for line in lines} == {picture.width}
    assert 2 * len(lines) == picture.height
    assert picture._counts.sum() < 2


@pytest.mark.slow
@pytest.mark.skipif("LONGSPIKE_DATA" not in os.environ, reason="LONGSPIKE_DATA is not set")
@pytest.mark.parametrize("name", ["expelliarmus_evt2_sample.raw", "faery_dvs.es", "tonic_sample.aedat4"])
def test_real_recordings(name: str, cli: Run, tmp_path: Path) -> None:
    path = Path(os.environ["LONGSPIKE_DATA"]) / "events" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    with longspike.events.open(path) as reader:
        size = reader.sensor_size
    Flames.from_preset("tiny", sensor_size=size, num_classes=4).save(tmp_path / "m")
    result = streamed(cli, tmp_path / "m", path, "--check")
    assert result["equals_whole_recording"] is True
    assert result["late"] == 0

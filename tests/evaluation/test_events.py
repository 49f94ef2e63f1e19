"""FLAMES on labelled events: numbers, traces, the page, the command; and FLAMES over sequences."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.test_report import Page
from event_samples import random_events
from longspike.cli import evaluate as command
from longspike.data import Batch, BatchLoader, EventBundle, EventSplit
from longspike.data.event_splits import split_of_samples
from longspike.errors import ConfigError
from longspike.evaluation import Sample, evaluate, render_report
from longspike.evaluation.sample_figure import event_images
from longspike.events.ragged import collate_events
from longspike.models import Flames, FlamesSequence, FlamesSequenceConfig, MemoryConfig
from longspike.models.event_observation import count_steps
from longspike.streaming import EventStream, Stream
from longspike.training import score

SIZE, NAMES = (20, 13), ("<b>cat</b>", "dog", "owl")


@pytest.fixture
def split() -> EventSplit:
    """Seven samples of three classes; the first is empty."""
    lengths = (0, 90, 41, 300, 2, 77, 150)
    samples = [random_events(n, SIZE, duration_us=30_000 + n, seed=n) for n in lengths]
    return split_of_samples(samples, torch.tensor([0, 1, 1, 0, 2, 2, 1]), sensor_size=SIZE)


@pytest.fixture
def flames() -> Flames:
    """A network for a small sensor."""
    memory = MemoryConfig(d_model=6, num_layers=3, d_state=4, rank=2, num_heads=1)
    model = Flames.from_preset("tiny", sensor_size=SIZE, num_classes=3, channels=4, num_branches=2, memory=memory)
    return model.eval()


def loader(split: EventSplit, batch_size: int = 3) -> BatchLoader:
    return BatchLoader(split, batch_size=batch_size, shuffle=False, seed=0)


def test_the_numbers_are_those_of_the_trainers_score(flames: Flames, split: EventSplit) -> None:
    found, expected = evaluate(flames, loader(split)), score(flames, loader(split))
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.layer_rates == pytest.approx(expected.layer_rates)
    assert found.firing_rate == pytest.approx(expected.rate)
    assert found.layer_names == ("front 1", "memory 1", "memory 2", "memory 3")
    assert (found.num_samples, found.events.num_events) == (7, len(split.events))
    assert np.array(found.confusion).sum(axis=1).tolist() == [2, 3, 2]
    assert found.num_steps == sum(len(np.unique(split.sample(k)["t"] // 1000)) for k in range(7))
    assert found.events.num_ticks <= found.num_steps
    one = evaluate(flames, loader(split, 7))
    assert (one.confusion, one.num_steps, one.events, one.layer_rates) == (
        found.confusion,
        found.num_steps,
        found.events,
        found.layer_rates,
    )
    json.dumps(found.to_json(), allow_nan=False)
    assert found.to_json()["energy"] is None


def test_steps_of_a_batch_do_not_run_together() -> None:
    samples = [random_events(n, SIZE, duration_us=1500, seed=1) for n in (4, 0, 1, 9)]
    expected = sum(len(np.unique(sample["t"] // 500)) for sample in samples)
    assert count_steps(collate_events(samples), 500) == expected
    assert count_steps(collate_events([samples[1]]), 500) == 0


def check_trace(sample: Sample, flames: Flames, events: np.ndarray) -> None:
    """A trace against the network's outputs for this sample alone."""
    whole = flames.outputs(collate_events([events]))
    assert sample.prediction == int(whole.logits.argmax())
    trace = sample.trace
    assert trace.x.image.shape == (2, SIZE[1], SIZE[0])
    assert trace.x.image.sum() == len(trace.x.t_us) == len(events)
    assert trace.x.t_us.tolist() == events["t"].tolist()
    x, y, _, p = events[0].tolist()
    assert trace.x.image[p, y, x] >= 1
    assert trace.times.tolist() == (whole.ticks.step * 1000).tolist()
    assert trace.layer_names == ("memory 1", "memory 2", "memory 3")
    for block, expected in zip(trace.spikes, whole.spikes, strict=True):
        assert (block == expected.detach().bool().numpy()).all()
    assert len(trace.answers) == len(trace.times)
    assert trace.answers[-1] == pytest.approx(whole.logits[0].softmax(-1).tolist(), abs=1e-6)


@pytest.mark.needs_extension
@pytest.mark.parametrize("window", [1, 3])
def test_traces(flames: Flames, split: EventSplit, window: int) -> None:
    network = Flames(replace(flames.config, window=window)).eval()
    network.load_state_dict(flames.state_dict())
    samples = evaluate(network, loader(split), num_samples_kept=2).samples
    assert [(sample.index, sample.label) for sample in samples] == [(1, 1), (3, 0)]  # the empty one is left out
    check_trace(samples[1], network, split.sample(3))
    stream = EventStream(network, is_recording=True)
    stream.push(split.sample(3))
    stream.flush()
    logits = torch.from_numpy(np.stack([tick.logits for tick in stream.take_ticks()]))
    assert samples[1].trace.answers == pytest.approx(logits.softmax(-1).numpy(), abs=1e-6)


def test_a_model_that_cannot_be_streamed(flames: Flames, split: EventSplit) -> None:
    memory = replace(flames.config.memory, kind="lif")
    leaky = Flames(replace(flames.config, memory=memory))
    with pytest.raises(ValueError, match="the compiled stream runs SA-HiPPO"):
        Stream(leaky)
    evaluation = evaluate(leaky, loader(split), num_samples_kept=1)
    check_trace(evaluation.samples[0], leaky, split.sample(1))
    assert "Not counted yet" in Page(render_report(evaluation)).words


def test_nothing_to_evaluate(flames: Flames) -> None:
    with pytest.raises(ValueError, match="`batches` must hold at least one valid step; got 0 samples"):
        evaluate(flames, [])


def test_off_and_on_events_have_pictures_of_their_own() -> None:
    counts = np.zeros((2, 2, 3), np.int64)
    counts[1, 0, 0], counts[0, 1, 2] = 9, 9
    counts[0, 0, 0] = 1  # one pixel has both
    off, on = event_images(counts)
    assert off.shape == on.shape == (2, 3, 4)
    assert off[..., 3].tolist() == [[pytest.approx(1 / 3, abs=0.01), 0, 0], [0, 0, 1]]
    assert on[..., 3].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert on[0, 0, 2] > on[0, 0, 0]  # on is blue
    assert off[1, 2, 0] > off[1, 2, 2]  # off is vermilion
    assert not event_images(np.zeros((2, 2, 3), np.int64))[..., 3].any()


def test_the_page(flames: Flames, split: EventSplit) -> None:
    text = render_report(evaluate(flames, loader(split)), title="t < u", class_names=NAMES, source="Random numbers.")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert all(source.startswith("data:image/") for source in page.sources)
    assert len(page.sources) == 4  # the rates, and a sample of each class
    assert "Energy" in page.words.partition("How this was measured")[0].partition("Samples")[2]
    assert "Energy" not in page.words.partition("Firing rate per layer")[0]  # what is not counted is no headline
    assert "off and on apart" in page.words
    for words in (
        "<b>cat</b>",
        "t < u",
        "spikes per neuron update",
        "Not counted yet",
        "Random numbers.",
        "20x13 pixels",
    ):
        assert words in page.words
    with pytest.raises(ValueError, match="render_report: `class_names` must have 3 entries, one a class; got 2"):
        render_report(evaluate(flames, loader(split)), class_names=NAMES[:2])


@pytest.fixture
def saved(flames: Flames, split: EventSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model in a run folder, and the data set that it names."""
    bundle = EventBundle(
        name="noise",
        train=split,
        val=split,
        test=split,
        num_classes=3,
        sensor_size=SIZE,
        class_names=NAMES,
        source="Random numbers.",
    )
    monkeypatch.setattr("longspike.evaluation.saved.load_data", lambda name, root: bundle)
    flames.save(tmp_path / "run" / "model", metadata={"data": "noise"})
    return tmp_path / "run" / "model"


def test_the_command(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.evaluate(saved, limit=5) == 0
    out, _ = capsys.readouterr()
    for words in (
        "noise, test split",
        "5 samples",
        "firing rate, front 1",
        "memory 3",
        "events/s",
        "energy is not counted",
    ):
        assert words in out
    content = json.loads((saved.parent / "evaluation.json").read_text())
    assert (content["num_samples"], content["data"], content["energy"]) == (5, "noise", None)
    assert "&lt;b&gt;cat" in (saved.parent / "report.html").read_text()


def test_models_that_do_not_fit(saved: Path, flames: Flames) -> None:
    for changes, message in (
        (
            {"sensor_size": (20, 14)},
            "the model does not fit the data set 'noise': it reads events of 20x14 pixels .*; the data has events of 20x13",
        ),
        ({"num_outputs": 4}, r"it has 4 outputs \(num_outputs\); the data has 3 classes"),
    ):
        Flames(replace(flames.config, **changes)).save(saved, metadata={"data": "noise"})  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=message):
            command.evaluate(saved)


def test_sequences(batches: list[Batch]) -> None:
    memory = MemoryConfig(d_model=4, num_layers=2, d_state=6, rank=2, num_heads=1, input="held")
    model = FlamesSequence(FlamesSequenceConfig(d_input=2, num_outputs=3, num_branches=2, memory=memory)).eval()
    found, expected = evaluate(model, batches), score(model, batches)  # type: ignore[arg-type]
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.layer_rates == pytest.approx(expected.layer_rates)
    assert found.layer_names == ("dendrites", "memory 1", "memory 2")
    assert found.energy is None
    assert found.anytime[-1].value == found.accuracy
    json.dumps(found.to_json(), allow_nan=False)
    page = Page(render_report(found))
    for words in ("FLAMES over sequences", "dendritic layer with 2 branches", "Not counted yet"):
        assert words in page.words
    assert "below dense" not in command._remark(found)

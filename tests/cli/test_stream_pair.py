"""longspike stream and predict for a network that compares two texts."""

import io
import json
from pathlib import Path

import pytest
import torch

from cli.conftest import Run
from longspike.data import load
from longspike.models import InputSpec, SpikeSSM, SpikeSSMConfig, SpikeSSMPair, SpikeSSMPairConfig
from longspike.models import load as load_model
from published_samples import write_retrieval

TEXTS = {"a.txt": "spikes are counted", "b.txt": "so", "empty.txt": ""}


@pytest.fixture
def pair_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved network for the small papers, not trained; LONGSPIKE_DATA names them, and texts lie beside it."""
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LONGSPIKE_DATA", str(tmp_path))
    write_retrieval(tmp_path)
    bundle = load("lra-retrieval")
    torch.manual_seed(1)
    tower = SpikeSSMConfig(d_input=bundle.d_input, d_model=6, num_layers=2, d_state=4, encoder="embedding")
    model = SpikeSSMPair(SpikeSSMPairConfig(tower=tower))
    model.input_spec = InputSpec(class_names=bundle.class_names, vocabulary=bundle.vocabulary)
    model.save(tmp_path / "model", metadata={"data": "lra-retrieval"})
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "model"


def test_two_texts_are_compared_as_by_the_whole(cli: Run, pair_model: Path, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    code, out, err = cli("stream", str(pair_model), *files, "--json", "--check")
    assert code == 0, err
    found, model = json.loads(out), load_model(pair_model)
    whole = model.predict((TEXTS["a.txt"], TEXTS["b.txt"]))
    assert found["probabilities"] == pytest.approx(whole.probabilities.tolist(), abs=1e-5)
    assert (found["decision"], found["label"]) == (whole.class_name, None)
    steps = [len(model.input_spec.vocabulary.encode(TEXTS[name])) for name in ("a.txt", "b.txt")]
    assert (found["steps"], found["equals_whole_sequence"]) == (steps, True)
    assert [len(found[name]) for name in ("spikes", "neurons")] == [2, 2]
    code, out, _ = cli("stream", str(pair_model), *files)
    assert f"steps     {steps[0]} and {steps[1]}, " in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_pair_of_a_data_set_and_decisions_on_the_way(cli: Run, pair_model: Path) -> None:
    (first, second), label = load("lra-retrieval").test[1]
    code, out, err = cli("stream", str(pair_model), "lra-retrieval:1", "--json", "--every", "2")
    assert code == 0, err
    *told, found = map(json.loads, out.splitlines())
    assert found["steps"] == [len(first), len(second)]
    assert found["label"] == load("lra-retrieval").class_names[label]
    assert [each["step"] for each in told] == list(range(2, max(found["steps"]) + 1, 2))
    assert ", right" in (text := cli("stream", str(pair_model), "lra-retrieval:1")[1]) or ", wrong: it is" in text


def test_one_side_from_stdin(cli: Run, pair_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXTS["a.txt"]))
    code, out, err = cli("stream", str(pair_model), str(tmp_path / "b.txt"), "-", "--json")
    assert code == 0, err
    *told, found = map(json.loads, out.splitlines())
    assert len(told) == sum(found["steps"]) - 1  # the first step of all has nothing to be compared with
    assert told[-1]["probability"] == found["probability"]


def test_what_is_no_pair(cli: Run, pair_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    a, empty = str(tmp_path / "a.txt"), str(tmp_path / "empty.txt")
    SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=1, d_state=4)).save(tmp_path / "single")
    for name, is_bidirectional in (("values", False), ("both-ways", True)):
        tower = SpikeSSMConfig(d_model=6, num_layers=1, d_state=4, is_bidirectional=is_bidirectional)
        SpikeSSMPair(SpikeSSMPairConfig(tower=tower)).save(tmp_path / name)
    (values := tmp_path / "values.csv").write_text("1\n2\n")
    for model, words, message in (
        (pair_model, (a,), "a SpikeSSMPair compares two inputs; got one, "),
        (pair_model, (a, a, a), "is one word too many"),
        (pair_model, (a, empty), "empty.txt is empty. Give a text to read."),
        (tmp_path / "values", (str(values), "-"), "stdin holds no step. Give at least one on each side"),
        (pair_model, ("-", "-"), "stdin cannot be both sides of a pair"),
        (pair_model, ("lra-retrieval:0", a), "lra-retrieval:0 is a pair of sequences, which a SpikeSSMPair reads as"),
        (pair_model, ("lra-retrieval:9",), "lra-retrieval:9 does not exist"),
        (pair_model, (a, a, "--realtime"), "--realtime: only for a Flames"),
        (pair_model, (a, a, "--normalised"), "--normalised has no effect: it is about numbers"),
        (tmp_path / "both-ways", (str(values), str(values)), "the model is bidirectional and needs the whole sequence"),
        (tmp_path / "single", (str(values), str(values)), "only for a SpikeSSMPair"),
    ):
        code, _, err = cli("stream", str(model), *words)
        assert code != 0
        assert message in err


def test_files_are_predicted_two_by_two(cli: Run, pair_model: Path, tmp_path: Path) -> None:
    a, b, empty = (str(tmp_path / name) for name in TEXTS)
    code, out, err = cli("predict", str(pair_model), a, b, b, a, "--json")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["file"] for each in found] == [f"{a}, {b}", f"{b}, {a}"]
    for each, sides in zip(found, (("a.txt", "b.txt"), ("b.txt", "a.txt")), strict=True):
        whole = load_model(pair_model).predict(tuple(TEXTS[name] for name in sides))
        assert each["probability"] == pytest.approx(whole.probability, abs=1e-5)
    assert "the model compares two files; got 3, an odd number" in cli("predict", str(pair_model), a, b, a)[2]
    assert "empty.txt is empty. Give a text to read." in cli("predict", str(pair_model), a, empty)[2]

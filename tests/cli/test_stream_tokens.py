"""longspike stream and evaluate for a network that reads texts."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import longspike
from cli.conftest import Run
from longspike.data import load
from longspike.models import InputSpec, SpikeSSM, SpikeSSMConfig
from published_samples import write_imdb


@pytest.fixture
def text_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved network for the small reviews, not trained; LONGSPIKE_DATA names them."""
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LONGSPIKE_DATA", str(tmp_path))
    write_imdb(tmp_path)
    bundle = load("lra-text")
    torch.manual_seed(1)
    config = SpikeSSMConfig(
        d_input=bundle.d_input, num_outputs=2, d_model=6, num_layers=1, d_state=4, encoder="embedding"
    )
    model = SpikeSSM(config)
    model.input_spec = InputSpec(class_names=bundle.class_names, vocabulary=bundle.vocabulary)
    model.save(tmp_path / "model", metadata={"data": "lra-text"})
    return tmp_path / "model"


def streamed(cli: Run, *words: str) -> dict:
    code, out, err = cli("stream", *words, "--json")
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def test_a_text_an_array_a_sample_and_stdin_agree(
    cli: Run, text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "aclImdb/test/neg/1_7.txt"
    x, _ = load("lra-text").test[1]
    np.save(tmp_path / "tokens.npy", x.numpy().astype(np.uint8))
    monkeypatch.setattr("sys.stdin", io.StringIO(text.read_text()))
    sources = (str(text), str(tmp_path / "tokens.npy"), "lra-text:1", "-")
    results = [streamed(cli, str(text_model), source, "--check", "--every", "50") for source in sources]
    assert [result["equals_whole_sequence"] for result in results] == [True] * 4
    assert len({str(result["probabilities"]) for result in results}) == 1
    assert [result["label"] for result in results] == [None, None, "negative", None]
    model = longspike.load(text_model)
    whole = json.loads(cli("stream", str(text_model), str(text), "--json")[1])
    assert whole["probabilities"] == pytest.approx(model.predict(text.read_text()).probabilities.tolist(), abs=1e-5)


def test_what_a_model_of_texts_does_not_take(cli: Run, text_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.zeros((3, 2)))
    (tmp_path / "binary.txt").write_bytes(b"a\xff")
    for words, message in (
        ((str(tmp_path / "values.npy"),), r"must hold (steps) whole numbers from 0 to 133; it holds float64 of shape"),
        ((str(tmp_path / "binary.txt"),), "is no text for this model (Vocabulary: `text` must be UTF-8"),
        ((str(tmp_path / "absent.txt"),), "absent.txt does not exist"),
        (("digits:1",), "the model takes 134 kinds of tokens; digits has 1 values a step"),
        (("-", "--on-error", "skip"), "--on-error skip has no effect: it is about numbers, and the model reads tokens"),
        (("-", "--normalised"), "--normalised has no effect: it is about numbers"),
    ):
        code, _, err = cli("stream", str(text_model), *words)
        assert code != 0
        assert message in err
    model = longspike.load(text_model)
    model.input_spec = InputSpec()
    model.save(text_model)
    code, _, err = cli("stream", str(text_model), str(tmp_path / "binary.txt"))
    assert "the model has no vocabulary, so it reads no text" in err
    with pytest.raises(ValueError, match=r"predict: a text needs the vocabulary that the network was trained with"):
        model.predict("good")


def test_evaluating_names_samples_by_their_places(cli: Run, text_model: Path) -> None:
    code, out, err = cli("evaluate", str(text_model), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["num_samples"] == 6
    lengths = load("lra-text").test.lengths.tolist()
    assert found["num_steps"] == sum(lengths)
    for sample in found["samples"]:
        assert sample["label"] == sample["index"] // 3
    assert sorted(sample["index"] for sample in found["samples"]) == [1, 4]  # the shortest of each class

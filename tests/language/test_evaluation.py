"""A text evaluated: state carried and reset on one page and in one JSON, in the words of what a token is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from language.conftest import CONFIG
from longspike.data import BatchLoader, RowLoader, Vocabulary, load
from longspike.errors import ConfigError
from longspike.evaluation import evaluate_saved
from longspike.models import InputSpec, SpikeLM
from longspike.models import load as load_model
from longspike.streaming.token_source import tokens_of_lines
from longspike.training import score
from published_samples import write_corpora


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_corpora(tmp_path)
    torch.manual_seed(0)
    bundle = load("shakespeare", root=tmp_path)
    model = SpikeLM(replace(CONFIG, num_tokens=256)).eval()
    model.input_spec = InputSpec(vocabulary=bundle.vocabulary)
    model.save(tmp_path / "run/model", metadata={"data": "shakespeare", "recipe": {"training": {"carry_state": True}}})
    return tmp_path


def test_both_states_are_told(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longspike.evaluation.saved.RESET_SEQLEN", 200)
    told: list[tuple[int, int]] = []
    found = evaluate_saved(saved / "run", data_root=saved, on_progress=lambda *place: told.append(place))
    model, row = load_model(saved / "run"), load("shakespeare", root=saved).test
    carried = score(model, RowLoader(row, batch_size=1), carries_state=True)
    reset = score(model, BatchLoader(replace(row, seqlen=200), batch_size=9, shuffle=False, seed=0))
    by_state = found.to_json()["by_state"]
    assert by_state["carried"]["loss"] == found.evaluation.loss == pytest.approx(carried.loss, rel=1e-6)
    assert by_state["carried"]["seqlen"] is None
    assert by_state["reset"] == pytest.approx({"seqlen": 200, **reset.metrics, "loss": reset.loss}, rel=1e-5)
    assert carried.loss != reset.loss
    assert told
    page = found.write_report(saved / "page.html").read_text()
    assert "State carried and reset" in page
    assert "every segment of 200 begins in silence" in page
    assert "Bits per byte" in page
    assert "Bits per token" not in page


def test_one_state_is_told_where_one_is_asked_for(saved: Path) -> None:
    for carry in (True, False):
        found = evaluate_saved(saved / "run", data_root=saved, carry_state=carry)
        assert "by_state" not in found.to_json()
    reset = found.evaluation
    assert reset.num_samples == 1  # all of it in one segment of 8,192
    short = evaluate_saved(saved / "run", data_root=saved, carry_state=False, seqlen=100).evaluation
    assert short.num_samples == 8
    assert short.loss != reset.loss


def test_a_model_that_was_trained_without_a_state(saved: Path) -> None:
    load_model(saved / "run").save(saved / "other", metadata={"data": "shakespeare"})
    found = evaluate_saved(saved / "other", data_root=saved).evaluation
    assert [each.state for each in found.by_state] == ["carried", "reset"]
    assert found.by_state[1].loss == found.loss
    assert found.by_state[1].seqlen == 8192
    assert found.by_state[0].loss == pytest.approx(found.loss, rel=1e-5)  # a text of one segment


@pytest.mark.parametrize(
    ("unit", "first"), [("byte", "Bits per byte"), ("character", "Bits per character"), ("word", "Perplexity")]
)
def test_figures_are_in_the_unit_of_a_token(unit: str, first: str, saved: Path) -> None:
    found = replace(evaluate_saved(saved / "run", data_root=saved, carry_state=True).evaluation, unit=unit)
    assert found.shown_metrics[0].title == first
    assert {metric.name for metric in found.shown_metrics} == {"perplexity", "bits", "accuracy"}
    assert not any("token" in metric.title + metric.remark for metric in found.shown_metrics)
    assert found.in_unit("nats per token") == f"nats per {unit}"
    assert next(metric.title for metric in replace(found, unit=None).shown_metrics) == "Perplexity"


def test_another_vocabulary_is_no_vocabulary(saved: Path) -> None:
    model = load_model(saved / "run")
    letters = tuple(map(chr, range(256, 512)))
    model.input_spec = InputSpec(vocabulary=Vocabulary(unit="characters", specials=(), symbols=letters))
    model.save(saved / "other", metadata={"data": "shakespeare"})
    with pytest.raises(ConfigError, match="reads another vocabulary than that of 'shakespeare'"):
        evaluate_saved(saved / "other", data_root=saved)


def test_lines_of_words_are_streamed_as_they_are_trained_on() -> None:
    words = Vocabulary(unit="words", specials=("<eos>",), symbols=("a", "b"), ends="line")
    whole = words.tokens("a b\n\nb\n").tolist()
    assert [int(token) for token in tokens_of_lines(["a b\n", "\n", "b\n"], vocabulary=words)] == whole

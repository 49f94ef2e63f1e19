"""The language model: routes agree, one NLL however the text is cut, saved and trained with the state carried on."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import longspike
from language.conftest import CONFIG, NUM_TOKENS, corpus
from longspike.data import Batch, BatchLoader, RowLoader, TokenRow
from longspike.energy import count_operations, energy
from longspike.errors import ConfigError, InterruptedRunError
from longspike.evaluation import evaluate, render_report
from longspike.functional import map_state
from longspike.models import SpikeLM, SpikeLMConfig, build
from longspike.training import TrainingConfig, fit, score
from longspike.training.carrying import Carried


def test_whole_segments_and_steps_are_one(model: SpikeLM) -> None:
    tokens = torch.randint(0, NUM_TOKENS, (2, 23))
    whole = model.outputs(tokens)
    for size in (1, 4, 23):
        state, logits, spikes = None, [], []
        for part in tokens.split(size, dim=1):
            out = model.outputs(part, state)
            state = out.state
            logits.append(out.logits)
            spikes.append(torch.stack(out.spikes))
        assert torch.equal(torch.cat(spikes, dim=2), torch.stack(whole.spikes))
        torch.testing.assert_close(torch.cat(logits, dim=1), whole.logits)
    assert whole.state is not None
    assert whole.state.pool is None
    stream = longspike.Stream(model)
    fired = stream.push(tokens[0])
    assert all(torch.equal(a, b[0]) for a, b in zip(fired, whole.spikes, strict=True))
    torch.testing.assert_close(stream.logits(), whole.logits[0, -1])


def test_one_likelihood_however_the_text_is_cut(model: SpikeLM) -> None:
    row = corpus(9000)
    found, spikes = [], []
    for seqlen in (1, 7, 512, 8192):
        loader = RowLoader(replace(row, seqlen=seqlen), batch_size=1)
        result = score(model, loader, carries_state=True)
        found.append(result.loss)
        spikes.append(result.layer_rates)
        assert result.metrics["perplexity"] == pytest.approx(math.exp(result.loss))
    assert found == pytest.approx([found[-1]] * 4, rel=1e-6)
    assert spikes == [spikes[-1]] * 4
    reset = score(model, BatchLoader(replace(row, seqlen=9999), batch_size=1, shuffle=False, seed=0))
    assert reset.loss == pytest.approx(found[-1], rel=1e-6)
    cut = score(model, BatchLoader(replace(row, seqlen=7), batch_size=50, shuffle=False, seed=0))
    assert cut.layer_rates != reset.layer_rates


def test_an_evaluation_carries_the_state_too(model: SpikeLM) -> None:
    row = corpus(100, seqlen=9)
    loader = RowLoader(row, batch_size=1)
    found = evaluate(model, loader, carries_state=True)
    expected = score(model, loader, carries_state=True)
    assert found.metrics == pytest.approx(expected.metrics)
    assert found.layer_rates == expected.layer_rates
    assert found.num_steps == 99
    page = render_report(found)
    assert "What the context is worth" in page
    assert "Perplexity" in page


def test_padding_and_a_carried_state_exclude_each_other(model: SpikeLM) -> None:
    batch = Batch(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([3, 2]), torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"needs batches without padding.*RowLoader.*carry_state=False"):
        Carried(is_on=True).answer(model, batch)
    with pytest.raises(ValueError, match="is of another network"):
        Carried(is_on=True).load(model, {"x": torch.zeros(2)})


def test_it_is_saved_and_counted(model: SpikeLM, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert loaded.config == CONFIG
    tokens = torch.randint(0, NUM_TOKENS, (1, 5))
    assert torch.equal(loaded(tokens)[0], model(tokens)[0])
    assert isinstance(build(CONFIG), SpikeLM)
    assert energy(model, [0.1, 0.2], seqlen=9).counts == count_operations(CONFIG.stack, [0.1, 0.2])
    assert model.task.name == "language"
    assert model.summary().title == "SpikeLM with refractory neurons"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_tokens": 1}, "SpikeLMConfig: `num_tokens` must be an integer of at least 2"),
        ({"d_state": 3, "dropout": 1.0}, "`d_state` must be even.*`dropout` must lie in"),
    ],
)
def test_mistakes_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpikeLMConfig(**changes)


TRAINING = TrainingConfig(
    epochs=2, batch_size=3, lr=0.02, rate_target=0.3, seed=3, checkpoint_every_steps=2, carry_state=True
)
ROLLED = replace(TRAINING, carry_state=False, roll_rows=True)


def loaders(*, stop_at: tuple[int, int] | None = None) -> tuple[RowLoader, RowLoader]:
    class Stopping(RowLoader):
        def batches(self, epoch: int, *, first: int = 0):
            for k, batch in enumerate(super().batches(epoch, first=first), start=first):
                if (epoch, k) == stop_at:
                    import signal

                    signal.raise_signal(signal.SIGINT)
                yield batch

    return Stopping(corpus(), batch_size=3, rolls=True, seed=3), RowLoader(corpus(80, seed=1), batch_size=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_at", "config"),
    [((0, 3), TRAINING), ((1, 0), TRAINING), ((1, 3), TRAINING), ((1, 3), ROLLED)],
    ids=["in the first epoch", "between epochs", "in the second", "rolled rows without a state"],
)
def test_a_run_over_rows_is_resumed_bit_for_bit(
    stop_at: tuple[int, int], config: TrainingConfig, tmp_path: Path
) -> None:
    def fresh() -> SpikeLM:
        torch.manual_seed(0)
        return SpikeLM(replace(CONFIG, dropout=0.2))

    whole = fit(fresh(), *loaders(), config, run_dir=tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        fit(fresh(), *loaders(stop_at=stop_at), config, run_dir=tmp_path / "parts")
    resumed = fit(fresh(), *loaders(), config, run_dir=tmp_path / "parts", resume=True)
    assert resumed.val == whole.val
    a, b = (longspike.load(tmp_path / part).state_dict() for part in ("whole", "parts"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    other = replace(config, carry_state=not config.carry_state, roll_rows=False)
    without = fit(fresh(), *loaders(), other, run_dir=tmp_path / "other")
    assert without.val.loss != whole.val.loss


def test_training_steps_carry_the_state_by_hand(tmp_path: Path) -> None:
    """The loss of the second batch is that of the text from the first token on."""
    torch.manual_seed(0)
    model = SpikeLM(CONFIG)
    carried, state = Carried(is_on=True), None
    for batch in RowLoader(corpus(), batch_size=3):
        answer = carried.answer(model, batch)
        logits, state = model(batch.x, state)
        assert torch.equal(answer.logits.logits(), logits)
        assert not any(x.requires_grad for x in carried.tensors().values())
        state = map_state(torch.Tensor.detach, state)


@pytest.mark.slow
def test_two_hundred_tokens_are_learnt_by_heart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SpikeLM(replace(CONFIG, d_model=64, num_layers=1, d_state=16, neuron=CONFIG.neuron))
    tokens = np.random.default_rng(4).integers(0, NUM_TOKENS, 201).astype(np.uint8)
    row = TokenRow(tokens=tokens, d_input=NUM_TOKENS, seqlen=200)
    config = TrainingConfig(epochs=300, batch_size=1, lr=0.03, weight_decay=0.0, selection="loss")
    loader = RowLoader(row, batch_size=1)
    result = fit(model, loader, loader, config, run_dir=tmp_path / "run")
    assert result.val.loss < 0.05


def test_an_adaptive_vocabulary_goes_all_the_way(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SpikeLM(replace(CONFIG, d_model=8, cutoffs=(2, 4), div=2)).eval()
    tokens = torch.randint(0, NUM_TOKENS, (2, 9))
    logits, _ = model(tokens)
    torch.testing.assert_close(logits.exp().sum(dim=-1), torch.ones(2, 9))
    stream = longspike.Stream(model)
    stream.push(tokens[0])
    torch.testing.assert_close(stream.logits(), logits[0, -1])
    model.save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert torch.equal(loaded(tokens)[0], logits)
    assert loaded.config.cutoffs == (2, 4)
    result = fit(
        model, RowLoader(corpus(), batch_size=3), RowLoader(corpus(), batch_size=1), TRAINING, run_dir=tmp_path / "run"
    )
    assert score(longspike.load(tmp_path / "run"), RowLoader(corpus(), batch_size=1), carries_state=True) == result.val
    assert evaluate(loaded, RowLoader(corpus(), batch_size=1), carries_state=True).energy is not None
    for changes, message in (
        ({"cutoffs": (4, 2)}, "`cutoffs` must rise"),
        ({"cutoffs": (2, 4)}, "must be at least 1 wide"),
        ({"embedding_dropout": 0.1}, "`embedding_dropout` has no effect without `cutoffs`"),
        ({"d_model": 64, "cutoffs": (2, 4), "is_tied": True}, "`is_tied` has no effect with `cutoffs`"),
    ):
        with pytest.raises(ConfigError, match=message):
            replace(CONFIG, **changes)


def test_tied_vectors_are_one_tensor(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SpikeLM(replace(CONFIG, is_tied=True))
    names = [name for name, x in model.state_dict().items() if x.shape == (NUM_TOKENS, CONFIG.d_model)]
    assert names == ["encoder.weight"]
    tokens = torch.randint(0, NUM_TOKENS, (2, 9))
    with torch.no_grad():
        hidden, _, _ = model.features(tokens, None, None)
        expected = hidden @ model.encoder.weight.t() + model.decoder.bias
    torch.testing.assert_close(model(tokens)[0], expected)
    batch = Batch(tokens, torch.tensor([9, 9]), tokens)
    scores = model.classify(batch).logits
    nll, is_best = scores.judged(tokens)
    torch.testing.assert_close(nll, -expected.log_softmax(dim=-1).gather(2, tokens[..., None])[..., 0])
    assert torch.equal(is_best, expected.argmax(dim=-1) == tokens)
    model.task.measure(scores, batch).loss.backward()
    assert model.encoder.weight.grad is not None
    result = fit(model, *loaders(), TRAINING, run_dir=tmp_path / "run")
    assert math.isfinite(result.val.loss)
    loaded = longspike.load(tmp_path / "run")
    assert loaded.decoder.weight is loaded.encoder.weight
    assert torch.equal(loaded(tokens)[0], model(tokens)[0])
    stream = longspike.Stream(loaded)
    stream.push(tokens[0])
    torch.testing.assert_close(stream.logits(), loaded(tokens)[0][0, -1])

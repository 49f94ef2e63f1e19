"""One pass over batches: what is measured, and that padding and modes are honoured."""

import json
from dataclasses import replace

import pytest
import torch

from longspike.data import Batch
from longspike.evaluation import Evaluation, evaluate
from longspike.layers.neuron import NEURONS, NeuronConfig
from longspike.models import SpikeSSM, SpikeSSMConfig


def test_the_numbers_are_those_of_the_model(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches)
    with torch.no_grad():
        outputs = [model.outputs(b.x, lengths=b.lengths) for b in batches]
    logits = torch.cat([o.logits for o in outputs])
    labels = torch.cat([b.labels for b in batches])
    assert result.num_samples == 8
    assert result.num_steps == 2 * (7 + 3 + 1 + 5)
    assert result.accuracy == float((logits.argmax(1) == labels).double().mean())
    assert result.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-6)
    for k, (rate, silent) in enumerate(zip(result.layer_rates, result.layer_silent_shares, strict=True)):
        valid = torch.cat([o.spikes[k][row, :n] for o, b in zip(outputs, batches) for row, n in enumerate(b.lengths)])
        assert rate == pytest.approx(float(valid.double().mean()), rel=1e-12)
        assert silent == float((valid.sum(0) == 0).double().mean())
    assert result.firing_rate == pytest.approx(sum(result.layer_rates) / 2)
    assert 0 < result.firing_rate < 1
    assert result.energy.rates == result.layer_rates
    assert result.energy.seqlen == result.mean_seqlen == 4
    assert sum(map(sum, result.confusion)) == 8


def equal_but_for_time(a: Evaluation, b: Evaluation) -> None:
    left, right = a.to_json(), b.to_json()
    for name in ("wall_s", "samples_per_s", "steps_per_s"):
        left.pop(name), right.pop(name)
    assert left.pop("loss") == pytest.approx(right.pop("loss"), rel=1e-6)
    assert left == right


def test_padded_equals_unpadded(model: SpikeSSM, batches: list[Batch]) -> None:
    rows = [(b.x[i : i + 1], b.lengths[i : i + 1], b.labels[i : i + 1]) for b in batches for i in range(4)]
    alone = evaluate(model, [Batch(x[:, : int(n)], n, y) for x, n, y in rows])
    padded = evaluate(model, batches)
    equal_but_for_time(padded, alone)
    garbage = []
    for b in batches:
        x = torch.where((torch.arange(7) < b.lengths[:, None])[..., None], b.x, torch.full_like(b.x, 50.0))
        garbage.append(Batch(x, b.lengths, b.labels))
    equal_but_for_time(evaluate(model, garbage), padded)
    for a, b in zip(padded.samples, alone.samples, strict=True):
        assert all((s == t).all() for s, t in zip(a.trace.spikes, b.trace.spikes, strict=True))
        torch.testing.assert_close(torch.from_numpy(a.trace.answers), torch.from_numpy(b.trace.answers))


def test_the_accuracy_curve_is_that_of_shorter_inputs(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches)
    assert [point.fraction for point in result.anytime] == [k / 8 for k in range(1, 9)]
    assert result.anytime[-1].value == result.accuracy
    assert result.anytime[-1].steps == result.mean_seqlen
    for point in result.anytime:
        shorter = [b.lengths if point.fraction == 1 else torch.ceil(b.lengths * point.fraction).long() for b in batches]
        expected = evaluate(model, [Batch(b.x, n, b.labels) for b, n in zip(batches, shorter, strict=True)])
        assert (point.value, point.steps) == (expected.accuracy, expected.mean_seqlen)


def test_samples_are_the_first_of_their_class(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches, num_samples_kept=2)
    assert [(s.index, s.label) for s in result.samples] == [(0, 0), (1, 1)]
    sample = result.samples[1]
    out = model.outputs(batches[0].x, lengths=batches[0].lengths)
    assert sample.trace.x.shape == (3, 2)
    assert [s.shape for s in sample.trace.spikes] == [(3, 5), (3, 5)]
    assert sample.trace.answers is not None
    torch.testing.assert_close(torch.from_numpy(sample.trace.answers[-1]), out.logits[1].softmax(0))
    assert sample.prediction == int(out.logits[1].argmax())
    assert len(evaluate(model, batches).samples) == 3  # one for each of three classes, though four were allowed
    assert evaluate(model, batches, num_samples_kept=0).samples == ()


def test_modes_come_back_and_nothing_is_trained(model: SpikeSSM, batches: list[Batch]) -> None:
    model.train()
    model.blocks[0].eval()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    assert any(modes)
    assert not all(modes)
    evaluate(model, batches)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="the classes of the network"):
        evaluate(model, [Batch(batches[0].x, batches[0].lengths, torch.tensor([0, 1, 2, 3]))])
    assert [m.training for m in model.modules()] == modes


def test_dropout_is_off(batches: list[Batch]) -> None:
    model = SpikeSSM(SpikeSSMConfig(d_input=2, num_outputs=3, d_model=5, num_layers=1, d_state=4, dropout=0.5)).train()
    equal_but_for_time(evaluate(model, batches), evaluate(model, batches))


@pytest.mark.parametrize("kind", NEURONS)
def test_every_neuron(kind: str, batches: list[Batch]) -> None:
    config = SpikeSSMConfig(
        d_input=2, num_outputs=3, d_model=5, num_layers=2, d_state=4, neuron=NeuronConfig(kind=kind)
    )
    result = evaluate(SpikeSSM(config), batches)
    if kind == "gelu":
        assert (result.firing_rate, result.silent_share, result.layer_rates) == (None, None, ())
        assert result.energy.full.saving == 1
        assert result.samples[0].trace.spikes == ()
    else:
        assert len(result.layer_rates) == 2
        assert result.energy.full.saving is not None
    json.dumps(result.to_json(), allow_nan=False)


def test_bidirectional_networks_have_no_curve_over_time(batches: list[Batch]) -> None:
    config = SpikeSSMConfig(d_input=2, num_outputs=3, d_model=5, num_layers=1, d_state=4, is_bidirectional=True)
    result = evaluate(SpikeSSM(config), batches)
    assert result.anytime == ()
    assert result.samples[0].trace.answers is None


def test_tokens(model: SpikeSSM) -> None:
    network = SpikeSSM(replace(model.config, encoder="embedding", d_input=9))
    batch = Batch(torch.randint(0, 9, (4, 7)), torch.tensor([7, 2, 3, 1]), torch.tensor([0, 1, 2, 0]))
    result = evaluate(network, [batch])
    assert result.samples[1].trace.x.shape == (2, 1)


def test_double_precision(model: SpikeSSM, batches: list[Batch]) -> None:
    assert evaluate(model.double(), batches).num_samples == 8


def test_progress_counts_samples(model: SpikeSSM, batches: list[Batch]) -> None:
    seen: list[int] = []
    evaluate(model, batches, on_progress=seen.append)
    assert seen == [4, 8]


def test_as_json(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches)
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert content["accuracy"] == result.accuracy
    assert content["samples"][0]["num_spikes"] == [int(s.sum()) for s in result.samples[0].trace.spikes]
    assert content["model"]["neuron"]["kind"] == "refractory"
    assert content["machine"]["cores"] >= 1
    assert content["num_parameters"] == sum(p.numel() for p in model.parameters())
    assert result.samples_per_s == pytest.approx(8 / result.wall_s)


def test_models_that_do_not_pool(model: SpikeSSM, batches: list[Batch]) -> None:
    with pytest.raises(
        ValueError, match=r"`logits` must have shape \(batch, classes\).*Use a model with pool=\"mean\""
    ):
        evaluate(SpikeSSM(replace(model.config, pool="none")), batches)


def test_nothing_to_evaluate(model: SpikeSSM, batches: list[Batch]) -> None:
    with pytest.raises(ValueError, match="`batches` must hold at least one valid step; got 0 samples"):
        evaluate(model, [])
    empty = Batch(batches[0].x, torch.zeros(4, dtype=torch.int64), batches[0].labels)
    with pytest.raises(ValueError, match="`batches` must hold at least one valid step; got 4 samples"):
        evaluate(model, [empty])

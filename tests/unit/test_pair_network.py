"""Two towers: what is compared, padding, gradients, files, raw pairs, runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import longspike
from longspike.data import PairBatch, Vocabulary
from longspike.energy import count_operations
from longspike.errors import ConfigError
from longspike.evaluation import evaluate
from longspike.models import InputSpec, SpikeSSM, SpikeSSMConfig, SpikeSSMPair, SpikeSSMPairConfig

TOWER = SpikeSSMConfig(d_input=7, encoder="embedding", d_model=6, num_layers=2, d_state=4)


def network(**changes: object) -> SpikeSSMPair:
    torch.manual_seed(2)
    return SpikeSSMPair(SpikeSSMPairConfig(tower=replace(TOWER, **changes), num_outputs=3)).eval()


def make_batch(batch: int = 4, seqlen: int = 11) -> PairBatch:
    generator = torch.Generator().manual_seed(5)
    x, other = (torch.randint(7, (batch, seqlen), generator=generator) for _ in range(2))
    lengths, other_lengths = torch.tensor([11, 3, 7, 5]), torch.tensor([2, 9, 11, 5])
    return PairBatch(x, lengths, other, other_lengths, torch.tensor([0, 1, 2, 1]))


def means_of(model: SpikeSSMPair, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """By a SpikeSSM with the tower's weights whose read-out changes nothing."""
    plain = SpikeSSM(replace(model.config.tower, num_outputs=6)).eval()
    plain.load_state_dict({**model.tower.state_dict(), "decoder.weight": torch.eye(6), "decoder.bias": torch.zeros(6)})
    return plain(x, lengths=lengths)[0]


def test_the_logits_are_those_of_the_formula() -> None:
    model, batch = network(), make_batch()
    a, b = means_of(model, batch.x, batch.lengths), means_of(model, batch.other_x, batch.other_lengths)
    first, _, last = model.head
    hidden = torch.nn.functional.gelu(torch.cat([a, b, a - b, a * b], dim=1) @ first.weight.T + first.bias)
    torch.testing.assert_close(model.classify(batch).logits, hidden @ last.weight.T + last.bias)


def test_swapping_the_sides_swaps_what_the_head_sees() -> None:
    model, batch = network(), make_batch()
    seen = []
    model.head[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model.classify(batch)
    model.classify(PairBatch(batch.other_x, batch.other_lengths, batch.x, batch.lengths, batch.labels))
    (a, b, difference, product), (c, d, other_difference, other_product) = (each.chunk(4, dim=1) for each in seen)
    torch.testing.assert_close((a, b), (d, c))
    torch.testing.assert_close(difference, -other_difference)
    torch.testing.assert_close(product, other_product)
    seen.clear()
    model.classify(PairBatch(batch.x, batch.lengths, batch.x, batch.lengths, batch.labels))
    assert not seen[0].chunk(4, dim=1)[2].any()


def test_padding_either_side_changes_nothing() -> None:
    model, batch = network(), make_batch()
    whole = model.classify(batch)
    garbage = torch.full((4, 5), 6)
    for changed in (
        batch._replace(x=torch.cat([batch.x, garbage], dim=1)),
        batch._replace(other_x=torch.cat([batch.other_x, garbage], dim=1)),
    ):
        found = model.classify(changed)
        torch.testing.assert_close(found.logits, whole.logits, atol=1e-6, rtol=1e-6)
        assert [int(a.num_spikes) for a in found.activity] == [int(a.num_spikes) for a in whole.activity]
        assert [a.num_updates for a in found.activity] == [a.num_updates for a in whole.activity]
    row = model(batch.x[1:2, :3], batch.other_x[1:2, :9])
    torch.testing.assert_close(row, whole.logits[1:2], atol=1e-6, rtol=1e-6)


def test_gradients_reach_both_sides() -> None:
    model = network().train()
    x, other = torch.tensor([[0, 1, 2]]), torch.tensor([[3, 4, 5]])
    model(x, other).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
    rows = model.tower.encoder.weight.grad.abs().sum(dim=1)
    assert (rows[:6] > 0).all()
    assert rows[6] == 0


def test_what_is_observed_is_what_is_classified() -> None:
    model, batch = network(), make_batch()
    seen, answer = model.observe(batch, fractions=(0.5,)), model.classify(batch)
    torch.testing.assert_close(seen.answer.logits, answer.logits)
    assert [int(a.num_spikes) for a in seen.answer.activity] == [int(a.num_spikes) for a in answer.activity]
    assert seen.num_steps == int(batch.lengths.sum() + batch.other_lengths.sum())
    assert seen.early is None
    trace = seen.trace(1)
    assert trace.x[:, 0].tolist() == batch.x[1, :3].tolist()
    assert [spikes.shape for spikes in trace.spikes] == [(3, 6)] * 2
    assert seen.trace(0).answers is None


def test_the_energy_is_that_of_both_towers_and_the_head() -> None:
    model, batch = network(), make_batch()
    found = evaluate(model, [batch])
    tower = model.config.tower
    steps = int(batch.lengths.sum() + batch.other_lengths.sum()) / len(batch.lengths)
    assert found.num_steps == steps * len(batch.lengths)
    assert found.energy is not None
    alone = count_operations(tower, found.layer_rates)
    for part in ("encoder", "state update", "mixing", "neuron"):
        assert found.energy.counts.select(part=part) == alone.select(part=part)
    width = tower.d_model
    assert found.energy.counts.select(part="decoder").per_sample(steps).mac == width * (
        4 * width + model.config.num_outputs
    )
    means = [counts.select(part="pooling").per_sample(steps).mul for counts in (found.energy.counts, alone)]
    assert means == [2 * width, width]
    assert found.energy.seqlen == steps
    assert found.energy.full.saving is not None


def test_a_saved_network_and_raw_pairs(tmp_path: Path) -> None:
    model = network()
    model.input_spec = InputSpec(
        class_names=("a", "b", "c"), vocabulary=Vocabulary(symbols=tuple("wxyz"), max_tokens=9)
    )
    model.save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert isinstance(loaded, SpikeSSMPair)
    assert loaded.config == model.config
    tokens = [torch.from_numpy(model.input_spec.vocabulary.encode(text).astype(np.int64)) for text in ("wxx", "zy")]
    right = model(tokens[0][None], tokens[1][None]).double().softmax(-1)[0]
    alone = loaded.predict(("wxx", "zy"))
    torch.testing.assert_close(alone.probabilities, right)
    several = loaded.predict([("wxx", "zy"), (tokens[0], np.array([1, 2, 3, 4]))])
    torch.testing.assert_close(several[0].probabilities, right, atol=1e-6, rtol=1e-6)
    assert alone.class_name == "abc"[int(right.argmax())]
    for raw in (["wx", "zy"], "wx", [("a", "b", "c")]):
        with pytest.raises(TypeError, match=r"a sample must be a pair \(first, second\), a tuple; got a"):
            loaded.predict(raw)


def test_values_and_a_dense_tower() -> None:
    values = network(encoder="linear", d_input=2)
    assert values(torch.randn(3, 5, 2), torch.randn(3, 8, 2)).shape == (3, 3)
    dense = network(neuron=replace(TOWER.neuron, kind="gelu"))
    assert dense.classify(make_batch()).activity == ()
    assert dense.layer_names == ()


def test_a_configuration_checks_itself() -> None:
    with pytest.raises(
        ConfigError, match=r"`tower.pool` must be \"mean\", towers are compared by their means; got 'none'"
    ):
        SpikeSSMPairConfig(tower=replace(TOWER, pool="none"))
    with pytest.raises(ConfigError, match="`tower` must be a SpikeSSMConfig; got 3"):
        SpikeSSMPairConfig(tower=3)

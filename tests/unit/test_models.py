"""Blocks and networks: presets, padding, steps, read-out."""

from dataclasses import replace

import pytest
import torch

from longspike import Stream
from longspike.errors import ConfigError
from longspike.layers.neuron import NEURONS
from longspike.models import SpikeSSM, SpikeSSMConfig, presets
from longspike.models.presets import preset
from longspike.models.shapes import main_shapes
from longspike.nn import MeanPool, NeuronConfig, SpikingBlock, TiedDropout
from tolerances import LOGITS, SIGMAS

EXACT = ("refractory", "hard_reset", "heaviside", "ternary", "multi_bit")


def network(**changes) -> SpikeSSM:
    torch.manual_seed(3)
    options = {"d_input": 2, "d_model": 7, "num_layers": 2, "d_state": 6, "num_outputs": 3, "dt_max": 0.3}
    options["neuron"] = NeuronConfig(threshold=0.2, beta=0.6)
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


@pytest.mark.parametrize("name", presets())
def test_every_preset_trains(name: str) -> None:
    model = SpikeSSM.from_preset(name, d_model=16)
    assert model.config == replace(preset(name), d_model=16)
    logits, _ = model(torch.randn(2, 33, 1))
    assert logits.shape == (2, 10)
    torch.nn.functional.cross_entropy(logits, torch.tensor([1, 7])).backward()
    for parameter_name, p in model.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, parameter_name
            assert bool(p.grad.isfinite().all()), parameter_name


def test_published_sizes() -> None:
    """Shen et al. 2024, SpikingSSMs, table of hyper-parameters."""
    sizes = {name: (preset(name).d_model, preset(name).num_layers) for name in ("smnist", "psmnist", "scifar")}
    assert sizes == {"smnist": (400, 2), "psmnist": (256, 4), "scifar": (512, 6)}


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("kind", NEURONS)
def test_every_neuron_with_every_norm_trains(kind: str, norm: str) -> None:
    model = network(neuron=NeuronConfig(kind=kind, surrogate="atan"), norm=norm).train()
    model(torch.randn(2, 21, 2))[0].square().sum().backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            assert bool(p.grad.isfinite().all()), name


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_block_by_its_equation(norm: str) -> None:
    block = SpikingBlock(5, d_state=4, norm=norm, neuron=NeuronConfig(threshold=0.3))
    x = torch.randn(2, 13, 5)
    y, spikes, _ = block.outputs(x)
    current, _ = block.ssm(block.norm(x) if norm == "pre" else x)
    expected_spikes, _ = block.neuron(current)
    assert torch.equal(spikes, expected_spikes)
    expected = x + torch.nn.functional.glu(block.mix(spikes), dim=-1)
    torch.testing.assert_close(y, block.norm(expected) if norm == "post" else expected)
    assert torch.equal(block(x)[0], y)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(("norm", "pool"), [("pre", "mean"), ("post", "none"), ("none", "mean")])
@pytest.mark.parametrize("kind", EXACT)
def test_whole_chunks_and_steps_spike_alike(kind: str, norm: str, pool: str) -> None:
    model = network(neuron=NeuronConfig(kind=kind, beta=0.6, threshold=0.2), norm=norm, pool=pool)
    x = torch.randn(2, 67, 2)
    whole = model.outputs(x)
    assert 0.01 < float(whole.spikes[1].detach().bool().float().mean()) < 0.99
    for lengths in ([1] * 67, [64, 0, 3], [5, 59, 2, 1]):
        state, spikes, logits = model.init_state(2), [], []
        for chunk in x.split(lengths, dim=1):
            output = model.outputs(chunk, state)
            state = output.state
            spikes.append(output.spikes)
            logits.append(output.logits)
        for k, expected in enumerate(whole.spikes):
            assert torch.equal(torch.cat([s[k] for s in spikes], 1), expected)
        ours = torch.cat(logits, 1) if pool == "none" else logits[-1]
        torch.testing.assert_close(ours, whole.logits, rtol=LOGITS, atol=LOGITS)


@pytest.mark.parametrize("pool", ["mean", "none"])
@pytest.mark.parametrize("changes", [{"n_ssm": 1}, {"trains_b": True}, {"n_ssm": 2, "trains_b": True, "norm": "none"}])
def test_what_is_read_out_is_normed_whole_and_step_by_step(pool: str, changes: dict) -> None:
    model = network(d_model=8, has_final_norm=True, pool=pool, **changes)
    with torch.no_grad():
        model.final_norm.weight.uniform_(0.5, 2.0)
        model.final_norm.bias.normal_()
    x = torch.randn(1, 41, 2)
    logits, _, spikes = model.outputs(x)
    plain = network(d_model=8, pool=pool, **changes)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("final_norm")})
    last = torch.nn.functional.layer_norm(
        plain.features(x, None, None)[0], (8,), model.final_norm.weight, model.final_norm.bias
    )
    expected = model.decoder(last.mean(dim=1) if pool == "mean" else last)
    torch.testing.assert_close(logits, expected, rtol=LOGITS, atol=LOGITS)
    stream = Stream(model)
    pushed = [stream.push(piece) for piece in x[0].split([1, 7, 33])]
    for k, layer in enumerate(spikes):
        assert torch.equal(torch.cat([piece[k] for piece in pushed]), layer[0])
    end = expected[0] if pool == "mean" else expected[0, -1]
    torch.testing.assert_close(stream.logits().flatten(), end, rtol=LOGITS, atol=LOGITS)


def test_the_gain_of_the_mixing_layer() -> None:
    torch.manual_seed(1)
    plain = SpikingBlock(6, d_state=4)
    torch.manual_seed(1)
    strong = SpikingBlock(6, d_state=4, mix_gain=2.5)
    assert torch.equal(strong.mix.weight, 2.5 * plain.mix.weight)
    assert torch.equal(strong.mix.bias, plain.mix.bias)
    with pytest.raises(ValueError, match="`mix_gain` must lie in"):
        SpikingBlock(6, mix_gain=0.0)


def test_a_spiking_branch_starts_weaker_than_a_dense_one_and_the_gain_makes_up_for_it() -> None:
    """What `mix_gain` documents: at the start the branch adds less to the sum than with GELU, about 2.3 times."""

    def strength(kind: str, gain: float) -> float:
        torch.manual_seed(0)
        block = SpikingBlock(64, d_state=16, mix_gain=gain, neuron=NeuronConfig(kind=kind))
        x = torch.randn(8, 256, 64)
        return float((block(x)[0] - x).detach().std(dim=1).mean())

    dense, spiking, strong = strength("gelu", 1.0), strength("refractory", 1.0), strength("refractory", 2.3)
    assert 1.7 < dense / spiking < 3.0
    assert 0.75 < dense / strong < 1.35


def forecaster(**changes) -> SpikeSSM:
    torch.manual_seed(2)
    options = {"d_input": 2, "num_outputs": 6, "d_model": 5, "num_layers": 1, "d_state": 4, "pool": "none"}
    return SpikeSSM(SpikeSSMConfig(**{**options, "task": "forecasting", "has_input_skip": True, **changes})).eval()


@pytest.mark.parametrize("has_final_norm", [False, True])
def test_a_forecast_with_an_input_skip_begins_as_the_last_value(has_final_norm: bool) -> None:
    model, x = forecaster(has_final_norm=has_final_norm), torch.randn(3, 7, 2)
    assert {name: tuple(x.shape) for name, x in model.state_dict().items()}.items() >= set(main_shapes(model.config))
    assert torch.equal(model(x)[0], x.repeat(1, 1, 3))
    with torch.no_grad():
        model.decoder.weight.normal_()
    padded = torch.cat([x, torch.full((3, 2, 2), torch.nan)], dim=1)
    lengths = torch.tensor([7, 4, 1])
    seen = model.outputs(padded, lengths=lengths)
    assert torch.equal(model(padded, lengths=lengths)[0], seen.logits)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(seen.logits[row, :length], model(x[row : row + 1, :length])[0][0])


@pytest.mark.parametrize("changes", [{"task": "step_labels"}, {"encoder": "embedding"}])
def test_an_input_skip_is_about_forecasts_of_values(changes: dict) -> None:
    with pytest.raises(ConfigError, match="`has_input_skip` is about forecasts of values"):
        forecaster(**changes)


def test_step_of_the_network() -> None:
    model, x = network(), torch.randn(2, 9, 2)
    state = model.init_state(2)
    for t in range(9):
        logits, state = model.step(x[:, t], state)
    torch.testing.assert_close(logits, model(x)[0], rtol=LOGITS, atol=LOGITS)


@pytest.mark.parametrize("is_bidirectional", [False, True])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_padding_changes_nothing(norm: str, is_bidirectional: bool) -> None:
    model = network(norm=norm, is_bidirectional=is_bidirectional)
    lengths = torch.tensor([17, 40, 1, 0])
    x = torch.randn(4, 43, 2)
    for k, n in enumerate(lengths.tolist()):
        x[k, n:] = 1e3 * torch.randn(43 - n, 2)
    padded = model.outputs(x, lengths=lengths)
    assert padded.state is None
    for k, n in enumerate(lengths.tolist()):
        alone = model.outputs(x[k : k + 1, :n])
        torch.testing.assert_close(padded.logits[k], alone.logits[0], rtol=LOGITS, atol=LOGITS)
        for ours, expected in zip(padded.spikes, alone.spikes, strict=True):
            assert torch.equal(ours[k, :n], expected[0])


def test_bidirectional_sees_the_future() -> None:
    model, x = network(is_bidirectional=True, pool="none"), torch.randn(1, 30, 2)
    other = x.clone()
    other[:, 25:] += 3
    assert not torch.equal(model(x)[0][:, :20], model(other)[0][:, :20])
    causal = network(pool="none")
    assert torch.equal(causal(x)[0][:, :25], causal(other)[0][:, :25])


def test_samples_do_not_mix() -> None:
    model, x = network(), torch.randn(5, 40, 2)
    together = model.outputs(x)
    for k in range(5):
        alone = model.outputs(x[k : k + 1])
        for ours, expected in zip(together.spikes, alone.spikes, strict=True):
            assert torch.equal(ours[k], expected[0])


def test_embedding_encoder() -> None:
    model = network(encoder="embedding", d_input=11, pool="none", num_outputs=11)
    tokens = torch.randint(0, 11, (2, 19))
    logits, _ = model(tokens)
    assert logits.shape == (2, 19, 11)
    assert torch.equal(logits, model(tokens.int())[0])
    step, _ = model.step(tokens[:, 0], model.init_state(2))
    torch.testing.assert_close(step[:, 0], logits[:, 0])
    logits.sum().backward()
    assert bool(model.encoder.weight.grad.isfinite().all())


@pytest.mark.parametrize("pool", ["mean", "none"])
def test_empty_sequence(pool: str) -> None:
    model = network(pool=pool)
    logits, state = model(torch.zeros(2, 0, 2))
    assert logits.shape == ((2, 3) if pool == "mean" else (2, 0, 3))
    assert bool(logits.isfinite().all())
    for a, b in zip(state.blocks, model.init_state(2).blocks, strict=True):
        assert torch.equal(a.ssm, b.ssm)


def test_half_and_double_networks() -> None:
    x = torch.randn(2, 21, 2)
    for dtype in (torch.bfloat16, torch.float64):
        logits, _ = network().to(dtype)(x.to(dtype))
        assert logits.dtype == dtype
        assert bool(logits.isfinite().all())


def test_mean_pool_over_valid_steps() -> None:
    pool, x = MeanPool(3), torch.randn(2, 7, 3)
    torch.testing.assert_close(pool(x)[0], x.mean(1))
    mean, state = pool(x, lengths=torch.tensor([5, 0]))
    torch.testing.assert_close(mean[0], x[0, :5].mean(0))
    assert torch.equal(mean[1], torch.zeros(3))
    assert state.steps.tolist() == [5, 0]
    both, _ = pool(x, state)
    torch.testing.assert_close(both[0], (x[0, :5].sum(0) + x[0].sum(0)) / 12)


def test_tied_dropout_holds_its_mask_over_time() -> None:
    dropout, x = TiedDropout(0.3), torch.ones(50, 9, 41)
    y = dropout(x)
    assert torch.equal(y, y[:, :1].expand_as(y))
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1 / 0.7]))
    kept, n = float((y[:, 0] > 0).float().mean()), 50 * 41
    assert abs(kept - 0.7) <= SIGMAS * (0.21 / n) ** 0.5
    assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(TiedDropout(0.0)(x), x)


def test_dropout_acts_in_training_only() -> None:
    model, x = network(dropout=0.5), torch.randn(2, 21, 2)
    assert torch.equal(model(x)[0], model(x)[0])
    model.train()
    assert not torch.equal(model(x)[0], model(x)[0])


def test_lengths_of_any_integer_dtype() -> None:
    model = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=5, num_layers=1, d_state=4)).eval()
    x, lengths = torch.randn(2, 9, 2), torch.tensor([9, 4])
    for dtype in (torch.int32, torch.int64):
        torch.testing.assert_close(model(x, lengths=lengths.to(dtype))[0], model.outputs(x, lengths=lengths).logits)

"""Batch normalisation: by its definition, and in networks, where inference has one answer by every route."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import longspike
from longspike._core.lengths import length_mask
from longspike.energy import count_operations
from longspike.errors import ConfigError
from longspike.kernels import native
from longspike.layers.batch_norm import BatchNorm
from longspike.layers.block import SpikingBlock
from longspike.layers.norm import build_norm
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.streaming import Stream
from longspike.streaming.compiled_steps import CompiledSteps
from longspike.training import TrainingConfig
from longspike.training.optim import parameter_groups
from tolerances import LOGITS

CONFIG = SpikeSSMConfig(
    d_input=2, num_outputs=3, d_model=8, num_layers=2, d_state=4, norm_kind="batch", has_final_norm=True
)
LENGTHS = torch.tensor([5, 0, 7])


def trained(config: SpikeSSMConfig) -> SpikeSSM:
    """A network whose norms have seen a few batches and have weights of their own, ready for inference."""
    torch.manual_seed(1)
    model = SpikeSSM(config).train()
    with torch.no_grad():
        for norm in (module for module in model.modules() if isinstance(module, BatchNorm)):
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.normal_()
        for _ in range(3):
            model(torch.randn(4, 30, 2))
    return model.eval()


def test_training_follows_the_definition_over_valid_steps() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3).double(), torch.nn.BatchNorm1d(3).double()
    with torch.no_grad():
        ours.weight.copy_(theirs.weight.uniform_(0.5, 2.0))
        ours.bias.copy_(theirs.bias.normal_())
    for lengths in (LENGTHS, None, torch.tensor([2, 7, 1])):
        x = torch.randn(3, 7, 3, dtype=torch.float64, requires_grad=True)
        is_valid = torch.ones(3, 7, dtype=torch.bool) if lengths is None else length_mask(lengths, 7)
        y, expected = ours(x, lengths), theirs(x[is_valid])
        torch.testing.assert_close(y[is_valid], expected)
        assert bool((y[~is_valid] == 0).all())
        weights = torch.randn(3, 7, 3, dtype=torch.float64)
        found = torch.autograd.grad((y * weights).sum(), [x, ours.weight, ours.bias], retain_graph=True)
        wanted = torch.autograd.grad((expected * weights[is_valid]).sum(), [x, theirs.weight, theirs.bias])
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_padding_has_no_say_in_training() -> None:
    x, norm = torch.randn(3, 7, 4), BatchNorm(4)
    spoilt = torch.where(length_mask(LENGTHS, 7)[..., None], x, float("nan"))
    assert torch.equal(norm(x, LENGTHS), BatchNorm(4)(spoilt, LENGTHS))
    assert bool(norm.running_mean.isfinite().all())


def test_inference_is_one_multiplication_and_one_addition() -> None:
    norm = trained(CONFIG).blocks[0].norm
    x = torch.randn(2, 5, 8)
    a = norm.weight / (norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), (x - norm.running_mean) * a + norm.bias)
    assert torch.equal(norm(x), x * norm.affine(x.dtype)[0] + norm.affine(x.dtype)[1])
    double = torch.nn.functional.batch_norm(
        x.reshape(-1, 8), norm.running_mean, norm.running_var, norm.weight, norm.bias
    )
    torch.testing.assert_close(norm(x).reshape(-1, 8), double)
    counts = count_operations(replace(CONFIG, num_layers=1), [0.1])
    assert [(p.layer, p.counts.mac, p.counts.mul) for p in counts.parts if p.part == "norm"] == [
        ("block 1", 8, 0),
        ("decoder", 8, 0),
    ]


def test_statistics_keep_their_dtype() -> None:
    norm = BatchNorm(3)
    y = norm(torch.randn(2, 5, 3, dtype=torch.float64))
    assert (y.dtype, norm.running_mean.dtype) == (torch.float64, torch.float32)
    assert bool((norm.running_mean != 0).all())


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_chunks_steps_streams_and_padding_agree(norm: str) -> None:
    config = replace(CONFIG, norm=norm, has_final_norm=norm != "post")
    model, x = trained(config), torch.randn(1, 41, 2)
    whole = model.outputs(x)
    assert 0.01 < float(whole.spikes[1].mean()) < 0.99
    for sizes in ([1] * 41, [7, 0, 34]):
        state, spikes = model.init_state(1), []
        for chunk in x.split(sizes, dim=1):
            output = model.outputs(chunk, state)
            state = output.state
            spikes.append(output.spikes)
        torch.testing.assert_close(output.logits, whole.logits, rtol=LOGITS, atol=LOGITS)
        for k, expected in enumerate(whole.spikes):
            assert torch.equal(torch.cat([s[k] for s in spikes], 1), expected)
    stream = Stream(model)
    pushed = [stream.push(piece) for piece in x[0].split([1, 33, 7])]
    for k, layer in enumerate(whole.spikes):
        assert torch.equal(torch.cat([piece[k] for piece in pushed]), layer[0])
    batch = torch.cat([torch.cat([x, torch.full((1, 9, 2), 1e3)], 1), torch.randn(1, 50, 2)])
    padded = model.outputs(batch, lengths=torch.tensor([41, 50]))
    torch.testing.assert_close(padded.logits[0], whole.logits[0], rtol=LOGITS, atol=LOGITS)
    for ours, expected in zip(padded.spikes, whole.spikes, strict=True):
        assert torch.equal(ours[0, :41], expected[0])
    torch.testing.assert_close(model(batch, lengths=torch.tensor([41, 50]))[0], padded.logits, rtol=LOGITS, atol=LOGITS)


@torch.no_grad()
@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d_model", [3, 8, 37])
@pytest.mark.parametrize(("norm", "has_final_norm"), [("pre", False), ("pre", True), ("post", False), ("none", True)])
def test_the_compiled_stream_has_the_bits_of_the_whole(
    norm: str, has_final_norm: bool, d_model: int, dtype: torch.dtype
) -> None:
    """Spikes, and what the read-out sees of the last step, which lies behind the last norm; wherever norms stand."""
    config = replace(CONFIG, norm=norm, has_final_norm=has_final_norm, d_model=d_model)
    model, x = trained(config).to(dtype), torch.randn(2, 300, 2, dtype=dtype)
    features, _, whole = model.features(x, None, None)
    assert any(0.01 < float(layer.mean()) < 0.99 for layer in whole)
    stream = Stream(model, batch=2)
    assert isinstance(stream._steps, CompiledSteps)
    pushed = [stream.push(piece) for piece in x.split([1, 0, 260, 39], dim=1)]
    for layer, expected in zip(zip(*pushed, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(layer, dim=1), expected)
    assert torch.equal(stream._steps.remembered.last, features[:, -1])
    mean = features.double().cumsum(dim=1)[:, -1].div(300).to(dtype)
    assert torch.equal(stream.logits(), model.decoder(mean))


@torch.no_grad()
@pytest.mark.needs_extension
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_every_instruction_set_streams_as_it_reads_the_whole(architectures: list[str], norm: str) -> None:
    model = trained(replace(CONFIG, norm=norm, has_final_norm=norm == "pre", d_model=37))
    x = torch.randn(130, 2)
    for name in architectures:
        native.extension().use_architecture(name)
        stream = Stream(model)
        pushed, (features, _, whole) = stream.push(x), model.features(x[None], None, None)
        assert all(torch.equal(a, b[0]) for a, b in zip(pushed, whole, strict=True))
        assert torch.equal(stream._steps.remembered.last, features[:, -1])


def test_the_stream_keeps_the_statistics_of_its_beginning() -> None:
    model, x = trained(CONFIG), torch.randn(20, 2)
    stream, whole = Stream(model), model.outputs(x[None]).spikes
    model.train()(torch.randn(4, 30, 2))
    assert all(torch.equal(a, b[0]) for a, b in zip(stream.push(x), whole, strict=True))


def test_norms_of_two_kinds_are_not_compiled() -> None:
    model = trained(CONFIG)
    model.final_norm = build_norm(8, "layer")
    stream, x = Stream(model), torch.randn(20, 2)
    assert not isinstance(stream._steps, CompiledSteps)
    assert all(torch.equal(a, b[0]) for a, b in zip(stream.push(x), model.outputs(x[None]).spikes, strict=True))


def test_a_block_with_a_norm_behind_it_is_the_sum_of_its_parts() -> None:
    torch.manual_seed(2)
    block = SpikingBlock(8, d_state=4, norm="post", norm_kind="batch").train()
    x, lengths = torch.randn(3, 7, 8), LENGTHS
    fused, _ = block(x, None, lengths)
    by_parts, _, _ = block.outputs(x, None, lengths)
    assert torch.equal(fused[length_mask(lengths, 7)], by_parts[length_mask(lengths, 7)])


def test_statistics_are_saved_with_the_weights(tmp_path: Path) -> None:
    model, x = trained(CONFIG), torch.randn(2, 9, 2)
    model.save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert torch.equal(loaded(x)[0], model(x)[0])
    assert torch.equal(loaded.final_norm.running_var, model.final_norm.running_var)
    assert "pre batch norm" in model.summary().rows["Network"]


def test_norms_are_not_decayed() -> None:
    model = trained(CONFIG)
    groups = {group["name"]: {id(p) for p in group["params"]} for group in parameter_groups(model, TrainingConfig())}
    norm = model.blocks[1].norm
    assert {id(norm.weight), id(norm.bias), id(model.final_norm.weight)} <= groups["plain"]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"BatchNorm: `x` must have at least two valid steps in training; got one\."):
        BatchNorm(3)(torch.randn(2, 4, 3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="`norm_kind` must be one of 'layer', 'batch'; got 'group'"):
        SpikingBlock(3, norm_kind="group")
    with pytest.raises(ConfigError, match="`norm_kind` has no effect where there is no norm"):
        SpikeSSMConfig(norm="none", norm_kind="batch")

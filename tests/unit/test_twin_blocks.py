"""Blocks to compare spiking ones with: by their equations, causal, and the same whole and in chunks."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import longspike
from longspike._core.lengths import Batch, length_mask
from longspike.energy import is_counted
from longspike.errors import ConfigError
from longspike.layers.twin_blocks import TWINS, AttentionBlock, LSTMBlock, rotated
from longspike.models import SpikeLM, SpikeLMConfig, SpikeSSM, SpikeSSMConfig
from longspike.models.shapes import main_shapes
from longspike.recipes import recipe, with_overrides
from longspike.training import TrainingConfig
from longspike.training.optim import parameter_groups
from tolerances import LOGITS

KINDS = pytest.mark.parametrize("kind", TWINS)
TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def block(kind: str, d_model: int = 6, **options: object):
    torch.manual_seed(0)
    return TWINS[kind](d_model, **options).double().eval()


@KINDS
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_the_skeleton(kind: str, norm: str) -> None:
    twin, x = block(kind, norm=norm), torch.randn(2, 7, 6, dtype=torch.float64)
    y, features, _ = twin.outputs(x)
    core, _ = twin.core(twin.norm(x) if norm == "pre" else x, None)
    expected = x + torch.nn.functional.glu(twin.mix(core), dim=-1)
    torch.testing.assert_close(features, core, **TIGHT)
    torch.testing.assert_close(y, twin.norm(expected) if norm == "post" else expected, **TIGHT)
    assert torch.equal(twin(x)[0], y)
    assert torch.equal(twin.activity(x)[0], y)
    assert not twin.activity(x)[1].any()


def test_attention_by_its_equation() -> None:
    twin = block("attention", 64)
    z = torch.randn(2, 5, 64, dtype=torch.float64)
    found, _ = twin.core(z, None)
    assert twin.num_heads == 2
    q, k, v = (twin.project(z)[..., part * 64 : (part + 1) * 64] for part in range(3))
    for b in range(2):
        for head in range(2):
            own = slice(32 * head, 32 * head + 32)
            for n in range(5):

                def turned(x: torch.Tensor, step: int) -> torch.Tensor:
                    pairs = torch.complex(x[:16], x[16:])
                    angle = torch.tensor([step * 10_000 ** (-i / 16) for i in range(16)], dtype=torch.float64)
                    pairs = pairs * torch.polar(torch.ones_like(angle), angle)
                    return torch.cat([pairs.real, pairs.imag])

                scores = torch.stack(
                    [turned(q[b, n, own], n) @ turned(k[b, m, own], m) / math.sqrt(32) for m in range(n + 1)]
                )
                expected = scores.softmax(dim=0) @ v[b, : n + 1, own]
                torch.testing.assert_close(found[b, n, own], expected, **TIGHT)


def test_rotary_positions_depend_on_the_distance_alone() -> None:
    q, k = (torch.randn(1, 1, 4, 8, dtype=torch.float64) for _ in range(2))
    early, late = ((rotated(q, first) @ rotated(k, first).transpose(-1, -2)) for first in (0, 1000))
    torch.testing.assert_close(early, late, rtol=1e-9, atol=1e-9)


@KINDS
def test_chunks_and_steps_are_the_whole(kind: str) -> None:
    twin, x = block(kind), torch.randn(2, 9, 6, dtype=torch.float64)
    whole, end = twin(x)
    for sizes in ([1] * 9, [4, 0, 5]):
        state, parts = twin.init_state(2), []
        for chunk in x.split(sizes, dim=1):
            y, state = twin(chunk, state)
            parts.append(y)
        torch.testing.assert_close(torch.cat(parts, 1), whole, **TIGHT)
        for a, b in zip(state, end, strict=True):
            torch.testing.assert_close(a, b, **TIGHT)


@KINDS
def test_no_step_sees_the_future_or_the_padding(kind: str) -> None:
    twin, x = block(kind), torch.randn(2, 9, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(twin(x)[0][:, 4].sum(), x)
    assert bool((gradient[:, 5:] == 0).all())
    assert bool((gradient[:, :5] != 0).any(dim=-1).all())
    lengths = torch.tensor([9, 3])
    spoilt = torch.where(length_mask(lengths, 9)[..., None], x.detach(), float("nan"))
    torch.testing.assert_close(twin(spoilt, None, lengths)[0][1, :3], twin(x)[0][1, :3], **TIGHT)


@KINDS
def test_gradients(kind: str) -> None:
    twin = block(kind, 4)
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in twin.named_parameters()]

    def call(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(twin, dict(zip(names, parameters, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(call, (x, *twin.parameters()))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"AttentionBlock: `d_model` must be even, .*; got 5"):
        AttentionBlock(5)
    with pytest.raises(ValueError, match="LSTMBlock: `norm` must be one of 'pre', 'post', 'none'; got 'mid'"):
        LSTMBlock(4, norm="mid")
    with pytest.raises(ValueError, match=r"LSTMBlock: `state` must be \(hidden, cell\)"):
        LSTMBlock(4)(torch.zeros(1, 2, 4), (1, 2, 3))


CONFIG = SpikeSSMConfig(d_input=2, num_outputs=3, d_model=8, num_layers=2, has_final_norm=True)


@KINDS
@pytest.mark.parametrize("changes", [{}, {"norm": "post", "has_final_norm": False}, {"norm_kind": "batch"}])
def test_a_network_of_twins(kind: str, changes: dict, tmp_path: Path) -> None:
    config = replace(CONFIG, block=kind, **changes)
    model = SpikeSSM(config).train()
    x, lengths = torch.randn(3, 9, 2), torch.tensor([9, 4, 1])
    model(x, lengths=lengths)[0].square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())
    model.eval()
    assert (model.layer_names, model.is_spiking, is_counted(config)) == ((), False, False)
    assert model.classify(Batch(x, lengths, torch.zeros(3))).activity == ()
    assert kind in model.summary().title
    padded, alone = model(x, lengths=lengths)[0], model(x[1:2, :4])[0]
    torch.testing.assert_close(padded[1], alone[0], rtol=LOGITS, atol=LOGITS)
    state = model.init_state(3)
    for chunk in x.split([4, 5], dim=1):
        logits, state = model(chunk, state)
    torch.testing.assert_close(logits, model(x)[0], rtol=LOGITS, atol=LOGITS)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert all(shapes[name] == shape for name, shape in main_shapes(config))
    model.save(tmp_path / "model")
    assert torch.equal(longspike.load(tmp_path / "model")(x)[0], model(x)[0])
    with pytest.raises(ValueError, match=rf"Stream: the model's blocks are '{kind}', a twin to compare with"):
        longspike.Stream(model)


@KINDS
def test_a_recipe_runs_as_a_twin_by_one_change(kind: str) -> None:
    chosen = with_overrides(recipe("digits"), [f"model.block={kind}"])
    assert chosen == replace(recipe("digits"), model=replace(recipe("digits").model, block=kind))


@KINDS
def test_biases_are_not_decayed(kind: str) -> None:
    model = SpikeSSM(replace(CONFIG, block=kind))
    groups = {group["name"]: {id(p) for p in group["params"]} for group in parameter_groups(model, TrainingConfig())}
    for name, parameter in model.named_parameters():
        is_plain = "norm" in name or name.rpartition(".")[2].startswith("bias")
        assert id(parameter) in groups["plain" if is_plain else "decayed"], name


@KINDS
def test_a_language_model_of_twins(kind: str) -> None:
    model = SpikeLM(SpikeLMConfig(num_tokens=5, d_model=8, num_layers=1, block=kind)).eval()
    tokens = torch.tensor([[1, 4, 0, 2]])
    whole, _ = model(tokens)
    first, state = model(tokens[:, :3])
    second, _ = model(tokens[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=LOGITS, atol=LOGITS)
    if kind == "attention":
        with pytest.raises(ConfigError, match=r"`training\.carry_state` must be False with attention"):
            with_overrides(recipe("shakespeare"), ["model.block=attention"])
    assert with_overrides(recipe("shakespeare"), [f"model.block={kind}", "training.carry_state=no"])


def test_configurations_say_what_a_twin_cannot_do() -> None:
    with pytest.raises(ConfigError, match="`is_bidirectional` must be False with block='lstm'"):
        SpikeSSMConfig(block="lstm", is_bidirectional=True)
    with pytest.raises(ConfigError, match="`block` must be one of 'spiking', 'lstm', 'attention'; got 'gru'"):
        SpikeSSMConfig(block="gru")

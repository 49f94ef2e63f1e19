"""Saved FLAMES networks: the round trip through files, and hostile or damaged ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

import longspike
from flames_cases import BASE, CASES, events_for, network, whole
from longspike.errors import CheckpointError
from longspike.models import Flames, FlamesSequence, FlamesSequenceConfig, MemoryConfig

SEQUENCE = FlamesSequenceConfig(
    d_input=3,
    num_outputs=4,
    num_branches=2,
    tau_max=9.0,
    surrogate="atan",
    surrogate_scale=1.5,
    memory=MemoryConfig(d_model=6, num_layers=1, d_state=4, rank=1, input="held", structure="diag"),
)


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_events_comes_back(tmp_path: Path, name: str) -> None:
    model = network(CASES[name])
    model.save(tmp_path / "model", metadata={"seed": 3})
    loaded = longspike.load(tmp_path / "model")
    assert type(loaded) is Flames
    assert loaded.config == model.config
    assert not loaded.training
    events = events_for(CASES[name])
    assert torch.equal(whole(loaded, events).logits, whole(model, events).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_sequences_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    model = FlamesSequence(SEQUENCE).to(dtype)
    model.save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert type(loaded) is FlamesSequence
    assert loaded.config == SEQUENCE
    assert loaded.dtype == dtype
    x = torch.randn(2, 9, 3, dtype=dtype)
    assert torch.equal(loaded(x)[0], model(x)[0])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network(BASE).save(tmp_path / "model")
    return tmp_path / "model"


def edit(path: Path, change: Callable[[dict], object]) -> None:
    description = json.loads((path / "config.json").read_text())
    change(description)
    (path / "config.json").write_text(json.dumps(description))


CHANGES = {
    "another model": (lambda d: d.update(model="SpikeSSM"), "there is no key .config.sensor_size"),
    "no model": (lambda d: d.update(model="Flame"), "holds a Flame, which this longspike does not know"),
    "unknown field": (lambda d: d["config"]["memory"].update(colour=1), "there is no key .config.memory.colour"),
    "no object": (lambda d: d["config"].update(memory=[1]), "config.memory: expected an object; got"),
    "odd state": (lambda d: d["config"]["memory"].update(d_state=3), "is not valid: .*`d_state` must be even"),
    "large rank": (lambda d: d["config"]["memory"].update(rank=10**9), "is not valid: .*`rank` must be"),
    "no rank": (
        lambda d: d["config"]["memory"].update(rank=None),
        "config.memory.rank: expected a whole number; got None",
    ),
    "text": (lambda d: d["config"].update(tau_min_us="1"), "is not valid"),
    "not a number": (lambda d: d["config"].update(tau_min_us=float("nan")), "is not valid"),
    "infinity": (lambda d: d["config"]["memory"].update(dt_max=float("inf")), "is not valid"),
    "nested sensor": (
        lambda d: d["config"].update(sensor_size=[[1], 2]),
        "config.sensor_size: expected a whole number; got",
    ),
    "no surrogate": (lambda d: d["config"].update(surrogate={"a": 1}), "is not valid"),
    "other channels": (lambda d: d["config"].update(channels=6), "does not fit its configuration"),
    "larger sensor": (
        lambda d: d["config"].update(sensor_size=[99, 7]),
        "does not fit its configuration; .* embedding",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_configuration_from_a_stranger(saved: Path, change: str) -> None:
    apply, message = CHANGES[change]
    edit(saved, apply)
    with pytest.raises(CheckpointError, match=message):
        longspike.load(saved)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}", "", "null", "3", '"longspike"'])
def test_text_from_a_stranger(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="damaged or not a longspike model"):
        longspike.load(saved)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.complex64])
def test_weights_of_other_dtypes(saved: Path, dtype: torch.dtype) -> None:
    weights = safetensors.torch.load_file(saved / "model.safetensors")
    weights["decoder.bias"] = weights["decoder.bias"].to(dtype)
    safetensors.torch.save_file(weights, saved / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"does not fit its configuration; .*(decoder.bias|several dtypes)"):
        longspike.load(saved)


def test_the_sequence_network_whole_in_pieces_and_padded() -> None:
    model, x = FlamesSequence(SEQUENCE).eval(), 3 * torch.randn(2, 9, 3)
    with torch.no_grad():
        model.blocks[0].memory.D.fill_(4)
        model.blocks[0].memory.C.mul_(3)
    whole_output = model.outputs(x)
    state, parts = None, []
    for piece in (x[:, :4], x[:, 4:4], x[:, 4:]):
        output = model.outputs(piece, state)
        state = output.state
        parts.append(output)
    for k, expected in enumerate(whole_output.spikes):
        assert expected.sum() > 0
        assert torch.equal(torch.cat([part.spikes[k] for part in parts], 1), expected)
    torch.testing.assert_close(parts[-1].logits, whole_output.logits)
    state = model.init_state(2)
    for t in range(9):
        logits, state = model.step(x[:, t], state)
    torch.testing.assert_close(logits, whole_output.logits)
    lengths = torch.tensor([9, 5])
    padded = model.outputs(x, lengths=lengths)
    assert padded.state is None
    torch.testing.assert_close(padded.logits[1], model.outputs(x[1:, :5]).logits[0])

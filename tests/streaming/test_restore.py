"""Saved streams of steps: whole or not at all, and no field in them is believed unseen."""

import copy
import math
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from longspike import Stream
from longspike.errors import CheckpointError
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import NeuronConfig
from longspike.streaming import SequenceStream
from longspike.streaming.fingerprint import fingerprint
from longspike.streaming.remembered import MODEL, SEAL, _digest, _of_bytes


def network(seed: int = 11, kind: str = "refractory", **changes) -> SpikeSSM:
    torch.manual_seed(seed)
    neuron = NeuronConfig(kind=kind, beta=0.7, threshold=0.2)
    options = {"d_input": 2, "d_model": 5, "num_layers": 2, "d_state": 6, "num_outputs": 3, "neuron": neuron}
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


def fed(model: SpikeSSM | None = None, num_steps: int = 30, batch: int = 2) -> SequenceStream:
    stream = Stream(network() if model is None else model, batch=batch)
    stream.push(torch.randn(batch, num_steps, 2, generator=torch.Generator().manual_seed(num_steps)))
    return stream


def forged(path: Path, **changes: torch.Tensor | None) -> None:
    """The file with other tensors in it and a seal that fits them, as a stranger can write it."""
    tensors = safetensors.torch.load(path.read_bytes())
    tensors.pop(SEAL)
    for name, x in changes.items():
        if x is None:
            tensors.pop(name)
        else:
            tensors[name] = x
    safetensors.torch.save_file(tensors | {SEAL: _of_bytes(_digest(tensors))}, path)


def with_entry(x: torch.Tensor, value: float) -> torch.Tensor:
    y = x.clone(memory_format=torch.contiguous_format)
    y.view(-1)[-1] = value
    return y


def assert_refused(path: Path, message: str) -> None:
    stream = fed(num_steps=9)
    twin = copy.deepcopy(stream)
    with pytest.raises(CheckpointError, match=f"is not a saved stream of this model .*{message}"):
        stream.restore(path)
    x = torch.randn(2, 20, 2)
    assert stream.num_steps == twin.num_steps
    assert torch.equal(stream.logits(), twin.logits())
    assert all(torch.equal(a, b) for a, b in zip(stream.push(x), twin.push(x), strict=True))


def names_of(path: Path) -> list[str]:
    return [name for name in safetensors.torch.load(path.read_bytes()) if name not in (SEAL, MODEL)]


@pytest.mark.parametrize("pool", ["mean", "none"])
def test_no_field_is_believed_unseen(tmp_path: Path, pool: str) -> None:
    path, model = tmp_path / "state", network(pool=pool)
    stream = fed(model)
    before = stream.logits()
    stream.save(path)
    saved = path.read_bytes()
    names = names_of(path)
    assert {"last", "num_steps", "blocks.1.neuron.v", "blocks.0.ssm"} < set(names)
    for name in names:
        x = safetensors.torch.load(saved)[name]
        wrong = [x[..., :-1].contiguous(), x.to(torch.int32 if x.dtype == torch.int64 else torch.float16)]
        if x.is_floating_point():
            wrong += [with_entry(x, value) for value in (math.nan, math.inf, -math.inf, 1e30, -1e19)]
        else:
            wrong += [with_entry(x, value) for value in (-1, -(2**63), 2**62 + 1)]
        for y in [*wrong, *([] if name == "last" else [None])]:
            path.write_bytes(saved)
            forged(path, **{name: y})
            with pytest.raises(CheckpointError, match="is not a saved stream of this model"):
                stream.restore(path)
            assert torch.equal(stream.logits(), before)
            assert stream.num_steps == 30


def test_what_a_refusal_says(tmp_path: Path) -> None:
    path = tmp_path / "state"
    fed().save(path)
    saved, x = path.read_bytes(), fed().state.blocks[1].neuron.v
    for changes, message in (
        ({"blocks.1.neuron.v": with_entry(x, 1e30)}, r"`blocks\.1\.neuron\.v` holds NaN or a number beyond 1e\+18"),
        ({"pool.steps": torch.tensor([3, -1])}, r"`pool\.steps` holds a count below 0 or beyond 2\^62"),
        (
            {"last": torch.zeros(2, 4)},
            r"`last` must be like a tensor of shape \(2, 5\) .*; got a tensor of shape \(2, 4\)",
        ),
        ({"blocks.0.ssm": None}, "it holds other layers"),
        ({"more": torch.zeros(1)}, "it holds other layers"),
        ({"num_steps": None}, "`num_steps` is missing"),
        ({MODEL: torch.zeros(32, dtype=torch.uint8)}, "it is of another model"),
        ({MODEL: None}, "it is something else, or of an earlier version"),
    ):
        path.write_bytes(saved)
        forged(path, **changes)
        assert_refused(path, message)


def test_a_flipped_bit_or_a_cut_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for missing in (path, tmp_path, Path("/dev/zero")):
        assert_refused(missing, "there is no such file")
    fed().save(path)
    saved = path.read_bytes()
    for place in range(8, len(saved), len(saved) // 40):
        damaged = bytearray(saved)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        assert_refused(path, "")
        path.write_bytes(saved[:place])
        assert_refused(path, "")


def test_a_stream_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for other in (network(seed=12), network(norm="post"), network().double()):
        Stream(other, batch=2).save(path)
        assert_refused(path, "it is of another model")
    Stream(network(), batch=3).save(path)
    assert_refused(path, "the state is of another model or batch size")


def test_a_state_that_is_assigned_is_checked_too() -> None:
    stream = fed()
    state, before = stream.state, stream.logits()
    blocks = state.blocks[0]._replace(ssm=with_entry(state.blocks[0].ssm, math.nan)), state.blocks[1]
    for wrong, message in (
        (state._replace(blocks=blocks), r"Stream: `blocks\.0\.ssm` holds NaN .* Assign a state from Stream\.state"),
        (state._replace(pool=state.pool._replace(steps=torch.tensor([1, -2]))), "holds a count below 0"),
        (state._replace(pool=state.pool._replace(total=state.pool.total.float())), "must be like a tensor of shape"),
        (fed(batch=1).state, "the state is of another model or batch size"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.state = wrong
        assert torch.equal(stream.logits(), before)


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stream = tmp_path / "state", fed()
    stream.save(path)
    saved = path.read_bytes()
    stream.push(torch.randn(2, 5, 2))
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="state"):
            stream.save(path)
    assert path.read_bytes() == saved
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("kind", ["refractory", "gelu"])
@pytest.mark.parametrize("pool", ["mean", "none"])
def test_a_copy_goes_on_from_the_same_place_and_alone(kind: str, pool: str) -> None:
    model = network(kind=kind, pool=pool)
    stream, x = fed(model), torch.randn(2, 20, 2)
    twin = copy.deepcopy(stream)
    with torch.no_grad():
        model.decoder.weight.add_(1)
    assert torch.equal(twin.logits(), stream.logits())
    spikes, logits = twin.push(x), twin.logits()
    assert (stream.num_steps, twin.num_steps) == (30, 50)
    assert all(torch.equal(a, b) for a, b in zip(spikes, stream.push(x), strict=True))
    assert torch.equal(stream.logits(), logits)
    again = copy.deepcopy(twin)
    twin.reset()
    assert torch.equal(again.logits(), logits)


def test_a_stream_does_not_travel_by_pickle() -> None:
    for give in (pickle.dumps, copy.copy):
        with pytest.raises(
            TypeError, match=r"SequenceStream is not pickled\. Save its state with stream\.save\(path\)"
        ):
            give(fed())


def test_the_fingerprint_knows_every_weight_and_dtype() -> None:
    found = {fingerprint(model) for model in (network(), network(seed=12), network(norm="post"), network().double())}
    assert len(found) == 4
    assert fingerprint(network()) == fingerprint(network())

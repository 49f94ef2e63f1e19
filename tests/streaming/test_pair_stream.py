"""Streams of pairs: one side after the other, saved, copied, gone back to; and what is refused."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from longspike import Stream
from longspike.errors import CheckpointError
from longspike.models import SpikeSSMConfig, SpikeSSMPair, SpikeSSMPairConfig
from longspike.streaming import PairStream, WholePair, feed_pair
from longspike.streaming.compiled_steps import CompiledSteps
from tolerances import LOGITS

TOWER = SpikeSSMConfig(d_input=7, encoder="embedding", d_model=6, num_layers=2, d_state=4)


def network(seed: int = 2, **changes: object) -> SpikeSSMPair:
    torch.manual_seed(seed)
    return SpikeSSMPair(SpikeSSMPairConfig(tower=replace(TOWER, **changes), num_outputs=3)).eval()


def tokens(steps: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(7, (steps,), generator=torch.Generator().manual_seed(seed))


def fed(model: SpikeSSMPair | None = None) -> PairStream:
    stream = Stream(network() if model is None else model)
    stream.push(tokens(9, seed=1), side="first")
    stream.push(tokens(4, seed=2), side="second")
    return stream


@pytest.mark.needs_extension
def test_the_compiled_stack_runs_the_tower() -> None:
    sides = fed()._sides
    assert all(isinstance(side._steps, CompiledSteps) for side in sides.values())
    assert sides["first"]._model is sides["second"]._model


@pytest.mark.parametrize("lengths", [(1, 1), (1, 30), (30, 1), (13, 8)])
def test_the_logits_of_a_batch(lengths: tuple[int, int]) -> None:
    model, sides = network(), [tokens(n, seed=n + k) for k, n in enumerate(lengths)]
    stream = Stream(model)
    for x, name in zip(sides, ("first", "second"), strict=True):
        stream.push(x, side=name)
    torch.testing.assert_close(stream.logits(), model(sides[0][None], sides[1][None])[0], rtol=LOGITS, atol=LOGITS)
    assert stream.answer().class_index == int(stream.logits().argmax())


def test_the_sides_are_not_mixed_up() -> None:
    model, (a, b) = network(), (tokens(9, seed=1), tokens(9, seed=2))
    stream, swapped = Stream(model), Stream(model)
    for step in range(9):
        stream.push(a[step : step + 1], side="first")
        stream.push(b[step : step + 1], side="second")
    swapped.push(b, side="first")
    swapped.push(a, side="second")
    assert not torch.equal(stream.logits(), swapped.logits())
    torch.testing.assert_close(swapped.logits(), model(b[None], a[None])[0], rtol=LOGITS, atol=LOGITS)


def test_several_pairs_side_by_side() -> None:
    model, stream = network(), Stream(network(), batch=2)
    first, second = torch.stack([tokens(5, 1), tokens(5, 2)]), torch.stack([tokens(3, 3), tokens(3, 4)])
    stream.push(first, side="first")
    stream.push(second, side="second")
    torch.testing.assert_close(stream.logits(), model(first, second), rtol=LOGITS, atol=LOGITS)
    assert [answer.class_index for answer in stream.answer()] == stream.logits().argmax(dim=1).tolist()


def test_saved_copied_and_gone_back_to(tmp_path: Path) -> None:
    model = network()
    stream = fed(model)
    state, logits = stream.state, stream.logits()
    stream.save(tmp_path / "state")
    restored, twin = Stream(model), copy.deepcopy(stream)
    restored.restore(tmp_path / "state")
    stream.push(tokens(6, seed=3), side="second")
    after = stream.logits()
    assert not torch.equal(after, logits)
    for other in (restored, twin):
        assert other.num_steps == (9, 4)
        assert torch.equal(other.logits(), logits)
        other.push(tokens(6, seed=3), side="second")
        assert torch.equal(other.logits(), after)
    stream.state = state
    assert stream.num_steps == (9, 4)
    assert torch.equal(stream.logits(), logits)
    stream.restart_mean()
    assert stream.num_steps == (9, 4)
    with pytest.raises(ValueError, match="on the first side"):
        stream.logits()
    stream.reset()
    assert stream.num_steps == (0, 0)


def test_a_file_of_something_else_leaves_the_stream_as_it_was(tmp_path: Path) -> None:
    stream = fed()
    before = stream.logits()
    Stream(network(seed=3)).save(tmp_path / "other")
    Stream(network().tower).save(tmp_path / "tower")
    Stream(network(), batch=2).save(tmp_path / "two")
    for name in ("other", "tower", "two", "absent"):
        with pytest.raises(CheckpointError, match="is not a saved stream of this model"):
            stream.restore(tmp_path / name)
    wrong = stream.state._replace(second=Stream(network(), batch=2).state.second)
    with pytest.raises(ValueError, match="Stream: the state is of another model or batch size"):
        stream.state = wrong
    with pytest.raises(ValueError, match=r"PairStream: `state` must be \(first, second\); got 3 entries"):
        stream.state = (1, 2, 3)
    assert torch.equal(stream.logits(), before)
    assert stream.num_steps == (9, 4)


def test_what_is_refused() -> None:
    stream = Stream(network())
    for side in ("first", "second"):
        with pytest.raises(
            ValueError, match=f"nothing was pushed yet on the {side} side. Push at least one step of it"
        ):
            stream.logits()
        stream.push(tokens(1), side=side)
        stream.push(tokens(0), side=side)
    before = stream.logits()
    with pytest.raises(ValueError, match="`side` must be one of 'first', 'second'; got 'third'"):
        stream.push(tokens(3), side="third")
    with pytest.raises(ValueError, match="hold tokens of the vocabulary"):
        stream.push([3, 7], side="first")
    assert stream.num_steps == (1, 1)
    assert torch.equal(stream.logits(), before)
    with pytest.raises(ValueError, match="the model is bidirectional and needs the whole sequence"):
        Stream(network(is_bidirectional=True))
    with pytest.raises(TypeError, match=r"`model` must be a SpikeSSMPair; got SpikeSSM\. Use"):
        PairStream(network().tower)


@pytest.mark.needs_extension
def test_a_pair_is_fed_in_turns_and_compared() -> None:
    model, (a, b) = network(), (tokens(7, seed=1), tokens(3, seed=2))
    whole, sides, decisions = WholePair(model), [], []

    def see(side: str, x: torch.Tensor, spikes: tuple[torch.Tensor, ...]) -> None:
        sides.append(side)
        whole.add(side, x, spikes)

    run = feed_pair(Stream(model), iter(a), iter(b), every=3, on_step=see, on_decision=decisions.append)
    assert sides == ["first", "second"] * 3 + ["first"] * 4
    assert (run.num_steps, len(run.durations), run.neurons) == (10, 10, (6, 6))
    assert [decision.step for decision in decisions] == [3, 6]
    six = model(a[None, :6], b[None]).softmax(-1)[0]
    torch.testing.assert_close(decisions[1].answer.probabilities.float(), six, rtol=LOGITS, atol=LOGITS)
    assert whole.is_equal()
    fired = model.tower.outputs(b[None, -1:]).spikes
    whole.add("second", b[-1], tuple(1 - spikes[0] for spikes in fired))
    assert not whole.is_equal()
    with pytest.raises(ValueError, match="feed_pair: `every` must be"):
        feed_pair(Stream(model), a, b, every=0)

"""FLAMES says the same, bit for bit, about whole recordings, pieces of them, batches, and packets of any size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from event_samples import event_arrays
from flames_cases import CASES, assert_stream_is_batch, events_for, flames_configs, network, streamed, whole
from longspike.events.ragged import collate_events
from longspike.kernels import native
from longspike.models import FlamesConfig
from longspike.streaming.event_stream import EventStream
from strategies import seeds, splits
from tolerances import FLAMES_GRADIENT

pytestmark = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")

MODELS = {name: network(config) for name, config in CASES.items()}


def packets_of(events: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return np.split(events, np.cumsum(lengths)[:-1])


@settings(max_examples=60)
@given(config=flames_configs(), data=st.data(), seed=seeds)
def test_packets_of_any_network_are_the_whole(config: FlamesConfig, data: st.DataObject, seed: int) -> None:
    model = network(config, seed)
    num_events, steps = data.draw(st.integers(0, 60)), data.draw(st.sampled_from([1, 5, 40, 3000]))
    events = events_for(config, num_events, steps=steps, seed=seed)
    packets = packets_of(events, data.draw(splits(num_events)))
    stream, ticks = streamed(model, packets)
    assert_stream_is_batch(stream, ticks, whole(model, events))
    assert stream.counts.events == num_events
    assert stream.counts.late == 0
    assert stream.counts.steps == len(np.unique(events["t"] // config.step_us))


@pytest.mark.parametrize("name", CASES)
def test_the_cases_spike_everywhere(name: str) -> None:
    """Else the properties here would hold for silence."""
    batch = whole(MODELS[name], events_for(CASES[name]))
    assert len(batch.ticks.step) > 10
    assert all(0 < layer.num_spikes < layer.num_updates for layer in batch.activity)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8)
@given(lengths=splits(120), seed=seeds)
def test_packets_are_the_whole(name: str, lengths: list[int], seed: int) -> None:
    model, events = MODELS[name], events_for(CASES[name], seed=seed)
    stream, ticks = streamed(model, packets_of(events, lengths))
    assert_stream_is_batch(stream, ticks, whole(model, events))


@pytest.mark.parametrize("name", ["two fronts", "three fronts", "wide"])
def test_every_instruction_set_agrees_with_itself(name: str, architectures: list[str]) -> None:
    model, events = MODELS[name], events_for(CASES[name])
    for arch in architectures:
        native.extension().use_architecture(arch)
        stream, ticks = streamed(model, packets_of(events, [1, 50, 0, 69]))
        assert_stream_is_batch(stream, ticks, whole(model, events))
        assert len(ticks) > 10


@pytest.mark.parametrize("name", CASES)
def test_logits_at_any_moment_are_those_of_the_closed_steps(name: str) -> None:
    model, events = MODELS[name], events_for(CASES[name])
    stream, steps = EventStream(model), events["t"] // CASES[name].step_us
    for k in range(0, len(events), 17):
        stream.push(events[max(0, k - 17) : k] if k else events[:0])
        closed = events[:k][steps[:k] < steps[k - 1]] if k else events[:0]
        assert torch.equal(stream.logits(), whole(model, closed).logits[0])


@settings(max_examples=20)
@given(name=st.sampled_from(sorted(CASES)), samples=st.lists(event_arrays((11, 7)), max_size=4))
def test_a_sample_in_a_batch_is_the_sample_alone(name: str, samples: list[np.ndarray]) -> None:
    model = MODELS[name]
    together = whole(model, *samples)
    assert together.logits.shape == (len(samples), 3)
    for k, sample in enumerate(samples):
        alone, own = whole(model, sample), slice(*together.ticks.offsets[k : k + 2].tolist())
        assert torch.equal(together.logits[k], alone.logits[0])
        assert torch.equal(together.ticks.step[own], alone.ticks.step)
        assert torch.equal(together.ticks.delta[own], alone.ticks.delta)
        for ours, expected in zip(together.spikes, alone.spikes, strict=True):
            assert torch.equal(ours[own], expected)
        for ours, expected in zip(together.front, alone.front, strict=True):
            items = slice(*ours.offsets[k : k + 2].tolist())
            assert torch.equal(ours.values[items], expected.values)


def cut_at_steps(events: np.ndarray, step_us: int, cuts: list[int]) -> list[np.ndarray]:
    """Pieces between events of different steps; where a cut would split a step, it moves to the step's beginning."""
    starts = np.flatnonzero(np.diff(events["t"] // step_us, prepend=-1))
    return np.split(events, sorted(int(starts[min(cut, len(starts) - 1)]) for cut in cuts))


def in_pieces(model, pieces: list[list[np.ndarray]]) -> tuple:
    state, outputs = None, []
    for samples in pieces:
        outputs.append(model.outputs(collate_events(samples), state))
        state = outputs[-1].state
    return outputs[-1].logits, outputs


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(0, 60), max_size=4), seed=seeds)
def test_pieces_with_the_state_passed_on_are_the_whole(name: str, cuts: list[int], seed: int) -> None:
    model, step_us = MODELS[name], CASES[name].step_us
    first, second = (events_for(CASES[name], n, seed=seed + n) for n in (90, 60))
    parts = [cut_at_steps(events, step_us, cuts) for events in (first, second)]
    expected = whole(model, first, second)
    with torch.no_grad():
        logits, outputs = in_pieces(model, [list(samples) for samples in zip(*parts, strict=True)])
    assert torch.equal(logits, expected.logits)
    for k in range(len(expected.spikes)):
        for b in (0, 1):
            ours = [out.spikes[k][slice(*out.ticks.offsets[b : b + 2].tolist())] for out in outputs]
            assert torch.equal(torch.cat(ours), expected.spikes[k][slice(*expected.ticks.offsets[b : b + 2].tolist())])
    end = outputs[-1].state
    assert torch.equal(end.last_step, expected.state.last_step)
    for ours, theirs in zip(end.fronts, expected.state.fronts, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for ours, theirs in zip((*end.memory, *end.pool), (*expected.state.memory, *expected.state.pool), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_across_pieces(name: str) -> None:
    model, step_us = network(CASES[name]).double(), CASES[name].step_us
    samples = [events_for(CASES[name], n, seed=n) for n in (70, 50)]
    direction = torch.randn(2, 3, dtype=torch.float64)
    grads = []
    for cuts in ([], [3, 3, 11]):
        parts = [cut_at_steps(events, step_us, cuts) for events in samples]
        logits, _ = in_pieces(model, [list(piece) for piece in zip(*parts, strict=True)])
        grads.append(torch.autograd.grad((logits * direction).sum(), list(model.parameters()), allow_unused=True))
    for (parameter, _), ours, expected in zip(model.named_parameters(), *grads, strict=True):
        assert (ours is None) == (expected is None), parameter
        if expected is not None and expected.numel():
            scale = float(expected.abs().max()) + 1e-30
            assert float((ours - expected).abs().max()) <= FLAMES_GRADIENT * scale, parameter


@settings(max_examples=30)
@given(
    name=st.sampled_from(sorted(CASES)), cut=st.integers(0, 120), seed=seeds, flushes=st.booleans(), lengths=splits(60)
)
def test_a_saved_stream_goes_on_bit_for_bit(
    tmp_path_factory, name: str, cut: int, seed: int, flushes: bool, lengths: list[int]
) -> None:
    """At any moment: between two steps, and in the middle of one."""
    model, events = MODELS[name], events_for(CASES[name], steps=15, seed=seed)
    path = tmp_path_factory.mktemp("stream") / "state"
    first = EventStream(model, is_recording=True)
    first.push(events[:cut])
    if flushes:
        first.flush()
    first.save(path)
    second = EventStream(model, is_recording=True)
    second.push(events_for(CASES[name], 30, seed=seed + 1))
    second.restore(path)
    assert second.counts == first.counts
    assert torch.equal(second.logits(), first.logits())
    before = first.take_ticks()
    assert second.take_ticks() == []
    for packet in (*packets_of(events[cut : cut + 60], lengths), events[cut + 60 :]):
        first.push(packet)
        second.push(packet)
    for stream in (first, second):
        stream.flush()
    ticks = first.take_ticks()
    again = second.take_ticks()
    assert len(before) + len(ticks) == first.counts.ticks
    for a, b in zip(ticks, again, strict=True):
        assert a.step == b.step
        assert all(np.array_equal(x, y) for x, y in zip(a[1:], b[1:], strict=True))
    assert second.counts == first.counts
    assert torch.equal(second.logits(), first.logits())
    first.save(path)
    content = path.read_bytes()
    second.save(path)
    assert path.read_bytes() == content

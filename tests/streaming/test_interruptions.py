"""What a signal handler that raises leaves behind: a stream that stands exactly where its count says."""

import copy
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from event_samples import random_events
from flames_cases import BASE
from flames_cases import network as flames
from longspike import Stream
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import NeuronConfig
from longspike.streaming import EventStream
from tolerances import LOGITS


class Alarm(ValueError):
    """Of a kind that the library raises itself, and must not take for its own."""


@contextmanager
def alarm(seconds: float, handler: Callable[[], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ring() -> None:
    raise Alarm


def network(kind: str = "refractory", **changes) -> SpikeSSM:
    torch.manual_seed(11)
    neuron = NeuronConfig(kind=kind, beta=0.7, threshold=0.2)
    options = {"d_input": 2, "d_model": 5, "num_layers": 2, "d_state": 4, "num_outputs": 3, "neuron": neuron}
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


def push_for_ever(stream: Stream, x: torch.Tensor) -> None:
    while True:
        stream.push(x)


def assert_same_place(a: Stream, b: Stream) -> None:
    x = torch.randn(50, 2)
    assert a.num_steps == b.num_steps
    assert a.num_steps == 0 or torch.equal(a.logits(), b.logits())
    assert all(torch.equal(p, q) for p, q in zip(a.push(x), b.push(x), strict=True))


@pytest.mark.parametrize("pool", ["mean", "none"])
@pytest.mark.parametrize("kind", ["refractory", "hard_reset"])
@pytest.mark.parametrize("delay", [0.001, 0.01, 0.03])
def test_a_push_that_ends_half_way_is_counted_exactly(
    monkeypatch: pytest.MonkeyPatch, kind: str, pool: str, delay: float
) -> None:
    monkeypatch.setattr("longspike.streaming.model_steps.PIECE", 200)
    x = torch.randn(20_000, 2)
    stream, whole = Stream(network(kind, pool=pool)), Stream(network(kind, pool=pool))
    with alarm(delay, ring), pytest.raises(Alarm):
        push_for_ever(stream, x)
    consumed = stream.num_steps
    whole.push(x.repeat(consumed // len(x) + 1, 1)[:consumed])
    assert whole.num_steps == consumed
    if consumed:
        torch.testing.assert_close(stream.logits(), whole.logits(), rtol=LOGITS, atol=LOGITS)
    following = torch.randn(50, 2)
    assert all(torch.equal(a, b) for a, b in zip(stream.push(following), whole.push(following), strict=True))


@pytest.mark.needs_extension
def test_a_long_push_answers_between_two_pieces() -> None:
    """The handler looks at the stream too: it may, within the call."""
    stream, seen = Stream(network()), []
    x = torch.randn(1_500_000, 2)

    def handle() -> None:
        seen.append((stream.num_steps, stream.logits(), copy.deepcopy(stream)))
        raise Alarm

    with alarm(0.01, handle), pytest.raises(Alarm):
        stream.push(x)
    assert 0 < stream.num_steps < len(x)
    num_steps, logits, twin = seen[0]
    assert num_steps == stream.num_steps
    assert torch.equal(logits, stream.logits())
    assert_same_place(twin, stream)


@pytest.mark.needs_extension
def test_a_handler_that_does_not_raise_changes_nothing() -> None:
    stream, other, seen = Stream(network()), Stream(network()), []
    x = torch.randn(800_000, 2)
    with alarm(0.01, lambda: seen.append(time.monotonic())):
        spikes = stream.push(x)
    assert seen
    assert all(torch.equal(a, b) for a, b in zip(spikes, other.push(x), strict=True))
    assert_same_place(stream, other)


@pytest.mark.needs_extension
def test_a_long_packet_of_events_ends_where_its_count_says() -> None:
    model, events = flames(BASE), random_events(1_500_000, BASE.sensor_size, duration_us=100_000_000)
    stream, whole = EventStream(model), EventStream(model)
    with alarm(0.01, ring), pytest.raises(Alarm):
        stream.push(events)
    consumed = stream.counts.events
    assert 0 < consumed < len(events)
    whole.push(events[:consumed])
    assert np.array_equal(stream._stream.state(), whole._stream.state())


@pytest.mark.needs_extension
def test_an_interrupted_load_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends it before its last line."""
    stream = Stream(network())
    stream.push(torch.randn(40, 2))
    twin, state = copy.deepcopy(stream), Stream(network()).state
    for name in ("copy_", "to", "contiguous"):
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, name, lambda *_, **__: ring())
            with pytest.raises(Alarm):
                stream.state = state
    assert_same_place(stream, twin)

"""Streams fed from Python: pace, decisions, and the comparison with the whole."""

import time

import numpy as np
import pytest
import torch

from event_samples import random_events
from longspike.errors import ConfigError
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig
from longspike.streaming import (
    Decision,
    Decisions,
    EventStream,
    RealTime,
    SequenceStream,
    WholeRecording,
    WholeSequence,
    feed_events,
    feed_steps,
)

SIZE = (40, 30)


@pytest.mark.needs_extension
def test_steps_are_counted_and_compared() -> None:
    model = SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=2, d_state=4))
    x, whole = torch.randn(9, 1), WholeSequence(model)
    run = feed_steps(SequenceStream(model), iter(x), on_step=whole.add)
    spikes = model.outputs(x[None]).spikes
    assert (run.num_steps, run.neurons, len(run.durations)) == (9, (6, 6), 9)
    assert run.spikes == tuple(int(layer.count_nonzero()) for layer in spikes)
    assert whole.is_equal()
    whole.add(torch.randn(1), (1 - spikes[0][0, -1:], spikes[1][0, -1:]))
    assert not whole.is_equal()


def test_a_pace_takes_its_time() -> None:
    stream = SequenceStream(SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=1, d_state=4)))
    start = time.monotonic()
    feed_steps(stream, torch.zeros(5, 1), pace=100)
    assert time.monotonic() - start >= 0.05
    with pytest.raises(ValueError, match=r"feed_steps: `pace` must lie in \(0, inf\]; got 0"):
        feed_steps(stream, torch.zeros(5, 1), pace=0)


@pytest.fixture
def flames() -> Flames:
    """A small network, not trained."""
    pytest.importorskip("longspike._native", reason="the compiled extension is not built")
    return Flames.from_preset("tiny", sensor_size=SIZE, num_classes=3, channels=8, num_branches=2)


def test_events_are_counted_and_compared(flames: Flames, monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(900, SIZE, duration_us=50_000, seed=1)
    stream, whole = EventStream(flames), WholeRecording(flames)
    run = feed_events(stream, [events[:0], *np.split(events, [10, 400])], on_packet=whole.add)
    assert (run.first_us, run.last_us, run.num_packets) == (int(events["t"][0]), int(events["t"][-1]), 4)
    assert run.duration_us == int(events["t"][-1] - events["t"][0])
    assert 0 < run.push_s <= run.wall_s
    assert (stream.counts.events, stream.counts.steps) == (900, len(np.unique(events["t"] // 1000)))
    assert whole.is_equal(stream)
    stream.restart_mean()
    assert not whole.is_equal(stream)
    monkeypatch.setattr("longspike.streaming.comparing.LARGEST_RECORDING", 1000)
    with pytest.raises(ConfigError, match="takes at most 1,000 events; this one has more"):
        whole.add(events)


def test_nothing_to_feed(flames: Flames) -> None:
    run = feed_events(EventStream(flames), [])
    assert (run.first_us, run.duration_us, run.num_packets) == (None, 0, 0)


def test_decisions_begin_a_new_mean(flames: Flames) -> None:
    events = random_events(900, SIZE, duration_us=50_000, seed=2)
    packets = np.split(events, range(50, 900, 50))
    found: list[Decision] = []
    feed_events(EventStream(flames), packets, decide_us=20_000, on_decision=found.append)
    stream, expected = EventStream(flames), []
    for packet in packets:
        stream.push(packet)
        if packet["t"][-1] >= 20_000 * (len(expected) + 1):
            share = stream.logits().softmax(-1)
            expected.append(Decision(int(packet["t"][-1]), int(share.argmax()), float(share.max())))
            stream.restart_mean()
    assert found == expected
    assert len(found) == 2
    with pytest.raises(ValueError, match="Decisions: `every_us` must be an integer of at least 1; got 0"):
        Decisions(0)


def test_real_time_counts_every_step_once() -> None:
    clock = RealTime(1e6, step_us=1000)
    for times in ([5, 900], [], [950, 1100, 1200], [3500, 4600]):
        clock.wait(np.array(times, np.int64))
        clock.decided(np.array(times, np.int64))
    clock.flushed()
    assert len(clock.latency) == 4  # steps 0, 1, 3 and 4
    assert len(clock.lateness) == 3
    with pytest.raises(ValueError, match=r"RealTime: `factor` must lie in \(0, inf\); got 0"):
        RealTime(0, step_us=1000)

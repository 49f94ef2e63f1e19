"""Times that are not believed: far events, clocks that jump, and what decisions and pace make of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flames_cases import BASE, events_for, network, whole
from longspike.events import EVENT_DTYPE
from longspike.streaming import Decision, EventStream, RealTime, feed_events
from longspike.streaming.event_stream import CONFIRMING, MAX_GAP_US

pytestmark = pytest.mark.needs_extension

STEP_US = BASE.step_us
EVENTS = events_for(BASE)
FAR = 10**12
"""A multiple of every step here."""


def at(events: np.ndarray, shift_us: int) -> np.ndarray:
    moved = events.copy()
    moved["t"] += shift_us
    return moved


def one(t: int) -> np.ndarray:
    return np.array([(1, 1, t, 1)], EVENT_DTYPE)


def fed(*packets: np.ndarray, **options) -> EventStream:
    stream = EventStream(network(BASE), **options)
    for packet in packets:
        stream.push(packet)
    stream.flush()
    return stream


def state(stream: EventStream) -> bytes:
    return stream._stream.state().tobytes()


@pytest.mark.parametrize("late", ["drop", "raise"])
def test_a_far_event_is_dropped_and_the_stream_goes_on(late: str) -> None:
    for packets in ([EVENTS[:60], one(FAR), EVENTS[60:]], [np.concatenate([EVENTS[:60], one(FAR), EVENTS[60:]])]):
        stream = fed(*packets, late=late)
        counts = stream.counts
        assert (counts.events, counts.far, counts.late, counts.jumps) == (len(EVENTS) + 1, 1, 0, 0)
        assert torch.equal(stream.logits(), whole(network(BASE), EVENTS).logits[0])


def test_far_events_that_do_not_agree_are_dropped() -> None:
    """However many: they come further apart than the clock may step."""
    scattered = np.concatenate([one(FAR + k * (MAX_GAP_US + 1)) for k in range(3 * CONFIRMING)])
    stream = fed(EVENTS[:60], scattered, EVENTS[60:])
    assert (stream.counts.far, stream.counts.jumps) == (len(scattered), 0)
    assert torch.equal(stream.logits(), whole(network(BASE), EVENTS).logits[0])


def test_one_fewer_than_confirm_are_dropped() -> None:
    stream = fed(EVENTS[:60], at(EVENTS[: CONFIRMING - 1], FAR), EVENTS[60:])
    assert (stream.counts.far, stream.counts.jumps) == (CONFIRMING - 1, 0)


@pytest.mark.parametrize("late", ["drop", "raise"])
@pytest.mark.parametrize("cuts", [[], [70], list(range(60, 120))])
def test_a_jump_forwards_is_a_silence_and_loses_nothing(late: str, cuts: list[int]) -> None:
    jumped = np.concatenate([EVENTS[:60], at(EVENTS[60:], FAR)])
    stream = fed(*np.split(jumped, cuts), late=late)
    assert (stream.counts.far, stream.counts.late, stream.counts.jumps) == (0, 0, 1)
    assert torch.equal(stream.logits(), whole(network(BASE), jumped).logits[0])
    assert stream.time_us == int(jumped["t"][-1]) // STEP_US * STEP_US


@pytest.mark.parametrize("late", ["drop", "raise"])
def test_a_jump_backwards_goes_on_with_the_step_that_follows(late: str) -> None:
    steps = EVENTS["t"] // STEP_US
    shift = int(steps[59] + 1 - steps[60]) * STEP_US
    assert steps[59] < steps[60]
    stream = fed(at(EVENTS[:60], FAR), EVENTS[60:], late=late)
    assert (stream.counts.far, stream.counts.late, stream.counts.jumps) == (0, 0, 1)
    expected = np.concatenate([EVENTS[:60], at(EVENTS[60:], shift)])
    assert torch.equal(stream.logits(), whole(network(BASE), expected).logits[0])
    assert stream.time_us == FAR + (int(EVENTS["t"][-1]) + shift) // STEP_US * STEP_US


def test_a_far_first_event_does_not_blind_a_stream() -> None:
    stream = fed(one(FAR), EVENTS)
    assert (stream.counts.late, stream.counts.far, stream.counts.jumps) == (0, 0, 1)
    assert stream.counts.steps == 1 + len(np.unique(EVENTS["t"] // STEP_US))


def test_clocks_that_jump_to_and_fro() -> None:
    packets = [at(EVENTS, FAR * (k % 2) + 20_000 * k) for k in range(6)]
    stream = fed(*packets)
    counts = stream.counts
    assert (counts.events, counts.far, counts.late, counts.jumps) == (6 * len(EVENTS), 0, 0, 5)
    assert counts.steps == 6 * len(np.unique(EVENTS["t"] // STEP_US))


def test_near_events_of_the_past_are_late_and_not_far() -> None:
    latest = 10**9
    stream = fed(one(latest), one(latest - MAX_GAP_US), one(latest - MAX_GAP_US - STEP_US))
    assert (stream.counts.late, stream.counts.far) == (1, 1)
    with pytest.raises(ValueError, match=r"event 0 of the packet, .*, which is over"):
        fed(one(latest), one(latest - MAX_GAP_US), late="raise")
    assert fed(one(latest), one(latest - MAX_GAP_US - STEP_US), late="raise").counts.far == 1


def test_the_largest_gap_is_a_choice() -> None:
    gap = 5 * STEP_US
    near = [one(0), one(STEP_US + gap), one(2 * (STEP_US + gap))]
    assert fed(*near, max_gap_us=gap).counts.far == 0
    assert fed(*near, max_gap_us=gap - 1).counts.far == 2
    assert fed(one(0), one(2**62), max_gap_us=2**62).counts.steps == 2
    for wrong in (0, 1.5, True, 2**62 + 1):
        with pytest.raises(ValueError, match="EventStream: `max_gap_us` must be an integer from 1 to"):
            EventStream(network(BASE), max_gap_us=wrong)


@pytest.mark.parametrize("step_us", [1, STEP_US])
def test_behind_the_end_of_time_there_is_no_step(step_us: int) -> None:
    """Time cannot go on where it was, so the clock is not believed to have jumped back."""
    first, last = np.repeat(one(3), CONFIRMING), np.repeat(one(2**62), CONFIRMING)
    stream = EventStream(network(replace(BASE, step_us=step_us)))
    for packet in (first, last, first, last, first):
        stream.push(packet)
    counts = stream.counts
    assert (counts.events, counts.far, counts.late, counts.jumps) == (5 * CONFIRMING, 2 * CONFIRMING, 0, 1)
    assert stream.time_us == 2**62 // step_us * step_us
    half = np.repeat(one(2**61 - 10**9), CONFIRMING)
    stream.reset()
    for packet in (half, first, half, first):
        stream.push(packet)
    assert (stream.counts.far, stream.counts.jumps) == (0, 3)


@pytest.mark.parametrize("cut", [0, 1, 20, CONFIRMING - 1, CONFIRMING, 50])
def test_a_stream_that_is_saved_between_far_events_goes_on_bit_for_bit(tmp_path, cut: int) -> None:
    stream, other = EventStream(network(BASE)), EventStream(network(BASE))
    after = EVENTS[60:]
    stream.push(at(EVENTS[:60], FAR))
    stream.push(after[:cut])
    stream.save(tmp_path / "state")
    other.restore(tmp_path / "state")
    assert other.counts == stream.counts
    for each in (stream, other):
        each.push(after[cut:])
        each.flush()
    assert state(other) == state(stream)
    assert stream.counts.jumps == 1


def test_decisions_go_on_after_far_events_and_jumps() -> None:
    def decided(*packets: np.ndarray) -> list[Decision]:
        found: list[Decision] = []
        feed_events(EventStream(network(BASE)), packets, decide_us=2000, on_decision=found.append)
        return found

    parts = np.split(EVENTS, range(10, len(EVENTS), 10))
    expected = decided(*parts)
    assert len(expected) == 2
    assert decided(*parts[:4], one(FAR), *parts[4:]) == expected
    found = decided(*(at(part, FAR) for part in parts), *parts)
    times = [decision.t_us for decision in found]
    assert times == sorted(times)
    assert FAR + int(EVENTS["t"][-1]) + 1000 < times[-1] < FAR + 10_000


def test_real_time_does_not_wait_for_a_time_that_is_far() -> None:
    clock = RealTime(1.0, step_us=1000)
    for times in ([5, 900], [FAR], [950, 1100], [3, FAR], [1200]):
        clock.wait(np.array(times, np.int64))
        clock.decided(np.array(times, np.int64))
    clock.flushed()
    assert clock.lateness.max_us < 5e6
    assert clock.latency.max_us < 5e6
    with pytest.raises(ValueError, match="RealTime: `max_gap_us` must be an integer of at least 1"):
        RealTime(1.0, step_us=1000, max_gap_us=0)

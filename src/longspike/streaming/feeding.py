"""Streams fed from an iterator: at a pace, timed, with a word after every step or packet."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest

import numpy as np
from torch import Tensor

from longspike._core.checks import check_bounds, check_positive_int
from longspike.streaming.decisions import Decision, Decisions, StepDecision, moment_us
from longspike.streaming.durations import Durations
from longspike.streaming.event_stream import EventStream
from longspike.streaming.pair_stream import SIDES, PairStream
from longspike.streaming.real_time import RealTime
from longspike.streaming.sequence_stream import SequenceStream

Push = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(kw_only=True, slots=True)
class StepRun:
    """What went through a stream of steps.

    Attributes:
        num_steps: pushed. spikes: of every layer, in all. neurons: of every layer. durations: of the pushes.
    """

    num_steps: int = 0
    spikes: tuple[int, ...] = ()
    neurons: tuple[int, ...] = ()
    durations: Durations = field(default_factory=Durations)

    def push(self, push: Push, x: Tensor) -> tuple[Tensor, ...]:
        """The spikes (1, d_model) of every layer by `push` of one step, measured and counted."""
        before = time.perf_counter_ns()
        fired = push(x[None])
        self.durations.add_one((time.perf_counter_ns() - before) / 1000)
        self.num_steps += 1
        counts = [int(layer.count_nonzero()) for layer in fired]
        self.spikes = tuple(map(sum, zip(self.spikes or [0] * len(counts), counts, strict=True)))
        self.neurons = tuple(layer.shape[-1] for layer in fired)
        return fired


def _check_pace(where: str, pace: float | None, every: int | None) -> None:
    if pace is not None:
        check_bounds(where, "pace", pace, low=0, closed_low=False)
    if every is not None:
        check_positive_int(where, "every", every)


def feed_steps(
    stream: SequenceStream,
    steps: Iterable[Tensor],
    *,
    pace: float | None = None,
    every: int | None = None,
    on_step: Callable[[Tensor, tuple[Tensor, ...]], None] | None = None,
    on_decision: Callable[[StepDecision], None] | None = None,
) -> StepRun:
    """Push steps one at a time; memory does not grow with their number.

    Args:
        stream: of one sequence. steps: (d_input) each.
        pace: steps per second to slow down to; as fast as it goes if not given.
        every: a decision every so many steps, about the steps since the one before; without it the mean goes on over
            everything.
        on_step: called after every step with its input and the spikes (1, d_model) of every layer. on_decision: called
            with every decision.

    Example:
        >>> import torch
        >>> from longspike.models import SpikeSSM
        >>> run = feed_steps(SequenceStream(SpikeSSM.from_preset("digits")), torch.zeros(5, 1))
        >>> run.num_steps, len(run.durations)
        (5, 5)
    """
    _check_pace("feed_steps", pace, every)
    run = StepRun()
    start = time.monotonic()
    is_decided = False
    for x in steps:
        if is_decided:  # not sooner: until then the stream answers as it has decided
            stream.restart_mean()
        fired = run.push(stream.push, x)
        if on_step is not None:
            on_step(x, fired)
        is_decided = every is not None and run.num_steps % every == 0
        if is_decided and on_decision is not None:
            on_decision(StepDecision(run.num_steps, stream.answer()))
        if pace is not None:
            time.sleep(max(start + run.num_steps / pace - time.monotonic(), 0))
    return run


def feed_pair(
    stream: PairStream,
    first: Iterable[Tensor],
    second: Iterable[Tensor],
    *,
    pace: float | None = None,
    every: int | None = None,
    on_step: Callable[[str, Tensor, tuple[Tensor, ...]], None] | None = None,
    on_decision: Callable[[StepDecision], None] | None = None,
) -> StepRun:
    """Push the steps of a pair one at a time, in turns; when one side has ended the other goes on alone.

    Args:
        stream: of one pair. first, second: (d_input) each, or tokens.
        pace: steps of each side per second to slow down to; as fast as it goes if not given.
        every: a decision every so many steps of the longer side, about everything up to there.
        on_step: called after every step with its side, its input and the spikes (1, d_model) of every layer.
        on_decision: called with every decision.
    Returns: what went through, both sides together.
    """
    _check_pace("feed_pair", pace, every)
    run = StepRun()
    start = time.monotonic()
    for number, steps in enumerate(zip_longest(first, second), start=1):
        for side, x in zip(SIDES, steps, strict=True):
            fired = () if x is None else run.push(partial(stream.push, side=side), x)
            if x is not None and on_step is not None:
                on_step(side, x, fired)
        if every is not None and number % every == 0 and on_decision is not None:
            on_decision(StepDecision(number, stream.answer()))
        if pace is not None:
            time.sleep(max(start + number / pace - time.monotonic(), 0))
    return run


@dataclass(kw_only=True, slots=True)
class EventRun:
    """What went through a stream of events.

    Attributes:
        first_us, last_us: times of the first and the last event, as far as the stream believes them; None if there was none.
        num_packets: pushed, empty ones included. wall_s: in all. push_s: within the stream.
    """

    first_us: int | None = None
    last_us: int | None = None
    num_packets: int = 0
    wall_s: float = 0.0
    push_s: float = 0.0

    @property
    def duration_us(self) -> int:
        """From the first to the last event."""
        return 0 if self.first_us is None or self.last_us is None else self.last_us - self.first_us

    def count(self, stream: EventStream, packet: np.ndarray, seconds: float) -> None:
        """Note that a packet went through."""
        self.num_packets += 1
        self.push_s += seconds
        if len(packet):
            self.first_us = int(packet["t"][0]) if self.first_us is None else self.first_us
            self.last_us = moment_us(stream, packet["t"])


def feed_events(
    stream: EventStream,
    packets: Iterable[np.ndarray],
    *,
    clock: RealTime | None = None,
    decide_us: int | None = None,
    on_packet: Callable[[np.ndarray], None] | None = None,
    on_decision: Callable[[Decision], None] | None = None,
) -> EventRun:
    """Push every packet, and complete the last step at the end.

    Args:
        packets: arrays of `longspike.events.EVENT_DTYPE`, e.g. of `longspike.events.open`.
        clock: holds each packet back until it is due; as fast as it goes if not given.
        decide_us: a decision every so many microseconds of the recording, about the events since the one before; without
            it the mean goes on over everything.
        on_packet: called after every packet. on_decision: called with every decision.
    """
    run = EventRun()
    decisions = None if decide_us is None else Decisions(decide_us)
    start = time.perf_counter()
    for packet in packets:
        if clock is not None:
            clock.wait(packet["t"])
        before = time.perf_counter()
        stream.push(packet)
        run.count(stream, packet, time.perf_counter() - before)
        if clock is not None:
            clock.decided(packet["t"])
        if on_packet is not None:
            on_packet(packet)
        made = None if decisions is None else decisions.passed(stream, run.last_us or 0)
        if made is not None and on_decision is not None:
            on_decision(made)
    before = time.perf_counter()
    stream.flush()
    run.push_s += time.perf_counter() - before
    if clock is not None:
        clock.flushed()
    run.wall_s = time.perf_counter() - start
    return run

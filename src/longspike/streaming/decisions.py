"""A decision every so many steps, or microseconds of a recording, each about what came since the one before."""

from typing import Any, NamedTuple

import numpy as np

from longspike._core.checks import check_positive_int
from longspike.streaming.event_stream import EventStream
from longspike.streaming.stream import Stream


class Decision(NamedTuple):
    """The most probable class at a moment of a recording."""

    t_us: int
    class_index: int
    probability: float


class StepDecision(NamedTuple):
    """The answer after so many steps, of the kind that the model's task gives: see `SequenceStream.answer`."""

    step: int
    answer: Any


def best_class(stream: Stream) -> tuple[int, float]:
    """The most probable class of a single stream by now, and its probability."""
    probabilities = stream.logits().softmax(dim=-1)
    best = int(probabilities.argmax())
    return best, float(probabilities[best])


def moment_us(stream: EventStream, times_us: np.ndarray) -> int:
    """The time of a stream after a packet: of the last event that lies in its latest step; without one, of that step."""
    begin = stream.time_us
    end = begin + stream.config.step_us
    last = int(times_us[-1])
    if begin <= last < end:
        return last
    within = times_us[(times_us >= begin) & (times_us < end)]  # the last event was late, or its time is not believed
    return int(within[-1]) if len(within) else begin


class Decisions:
    """Asks a stream for a decision when the recording has passed the next multiple of `every_us`, then begins a new mean.

    A decision falls on the end of a packet: the first one that reaches the multiple. Silence gives none.

    Args: every_us: of the recording; at least 1.
    """

    def __init__(self, every_us: int) -> None:
        check_positive_int("Decisions", "every_us", every_us)
        self._every_us = self._next_us = every_us
        self._ticks = 0

    def passed(self, stream: EventStream, t_us: int) -> Decision | None:
        """The decision, if the recording has come far enough and the memory has ticked since the last one.

        Args: t_us: of the stream's own clock, as `moment_us` has it.
        """
        if t_us < self._next_us:
            return None
        self._next_us = (t_us // self._every_us + 1) * self._every_us
        ticks = stream.counts.ticks
        if ticks == self._ticks:
            return None
        self._ticks = ticks
        decision = Decision(t_us, *best_class(stream))
        stream.restart_mean()
        return decision

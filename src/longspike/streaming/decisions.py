"""A decision every so many microseconds of a recording, each about the time since the one before."""

from typing import NamedTuple

from longspike._core.checks import check_positive_int
from longspike.streaming.event_stream import EventStream


class Decision(NamedTuple):
    """The most probable class at a moment of a recording."""

    t_us: int
    class_index: int
    probability: float


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
        """The decision, if the recording has come far enough and the memory has ticked since the last one."""
        if t_us < self._next_us:
            return None
        self._next_us = (t_us // self._every_us + 1) * self._every_us
        ticks = stream.counts.ticks
        if ticks == self._ticks:
            return None
        self._ticks = ticks
        probabilities = stream.logits().softmax(dim=-1)
        stream.restart_mean()
        best = int(probabilities.argmax())
        return Decision(t_us, best, float(probabilities[best]))

"""A decision every so many microseconds of a recording, each about the time since the one before."""

from typing import Any

from longspike.cli.output import print_line
from longspike.errors import ConfigError
from longspike.streaming import EventStream


class Decisions:
    """Asks the stream for a decision when the recording has passed the next multiple of `every_us`, then begins a new mean.

    A decision falls on the end of a packet: the first one that reaches the multiple.
    """

    def __init__(self, every_us: int, class_names: list[str], *, prints: bool) -> None:
        if every_us < 1:
            raise ConfigError(f"--decide-us must be positive; got {every_us}.")
        self.every_us, self.class_names, self.prints = every_us, class_names, prints
        self.made: list[dict[str, Any]] = []
        self._next_us = every_us
        self._ticks = 0

    def passed(self, live: EventStream, t_us: int) -> None:
        """Decide if the recording has come far enough; silence since the last decision gives none."""
        if t_us < self._next_us:
            return
        self._next_us = (t_us // self.every_us + 1) * self.every_us
        ticks = live.counts.ticks
        if ticks == self._ticks:
            return
        self._ticks = ticks
        probabilities = live.logits().softmax(dim=-1)
        best = int(probabilities.argmax())
        decision = {
            "t_us": t_us,
            "decision": self.class_names[best],
            "probability": round(float(probabilities[best]), 6),
        }
        self.made.append(decision)
        if self.prints:
            print_line(f"{t_us / 1e6:12.6f} s  {decision['decision']} ({decision['probability']:.1%})")
        live.restart_mean()

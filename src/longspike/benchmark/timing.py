"""Timing in rounds: every candidate once per round, so that a machine that drifts drifts for all."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate over the rounds.

    Attributes:
        name: the candidate. seconds: one figure a round, in order.
        note: what differs from the others, or why it did not run (then `seconds` is empty).
    """

    name: str
    seconds: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.seconds)

    @property
    def median_us(self) -> float:
        """The same in microseconds."""
        return 1e6 * self.median

    def ratio_to(self, other: "Timing") -> float:
        """Median over the rounds of this candidate's time over the other's in the same round."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def time_rounds(
    candidates: dict[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    lead_in: int = 1,
    notes: dict[str, str] | None = None,
    on_progress: Callable[[str], None] = lambda name: None,
) -> list[Timing]:
    """Time every candidate once a round, after `warm_up` rounds that do not count.

    Before the timed call come `lead_in` calls of the same candidate, so that it finds the caches and the memory of a
    loop that repeats it, whoever ran before; with 0 it finds what the others left. Garbage is collected before a timed
    call, never inside one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-warm_up, rounds):
        for name, run in candidates.items():
            on_progress(name)
            for _ in range(lead_in):
                run()
            gc.collect()
            gc.disable()
            started = time.perf_counter()
            result = run()
            elapsed = time.perf_counter() - started
            gc.enable()
            del result
            if number >= 0:
                seconds[name].append(elapsed)
    return [Timing(name, tuple(values), (notes or {}).get(name, "")) for name, values in seconds.items()]

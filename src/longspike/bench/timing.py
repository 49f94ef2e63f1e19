"""Timing in rounds: every candidate once per round, so that a machine that drifts drifts for all."""

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

MIN_ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate over the rounds.

    Attributes:
        name: the candidate.
        seconds: one figure a round, in order; a candidate that used up its time stops before the others.
    """

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.seconds)

    def ratios_to(self, other: "Timing") -> list[float]:
        """This candidate's time over the other's, round by round, for the rounds that both took part in."""
        return [a / b for a, b in zip(self.seconds, other.seconds, strict=False)]


@dataclass(frozen=True)
class Step:
    """A training step in its halves: `forward()` returns what `backward` takes."""

    forward: Callable[[], Any]
    backward: Callable[[Any], object]


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How often everything is timed.

    Attributes:
        count: rounds that count, after one of warm-up that does not.
        lead_in: calls of a candidate right before its timed one, so that it finds the caches and the memory of a loop
            that repeats it, whoever ran before; with 0 it finds what the others left.
        budget_s: a candidate that has been timed for this long, and in three rounds, sits out the others.
        stage: what is timed, in words. on_progress: called with the stage and its round, and with the name of what runs
            next.
    """

    count: int = 5
    lead_in: int = 1
    budget_s: float = math.inf
    stage: str = ""
    on_progress: Callable[[str, str], None] = lambda stage, running: None

    def within(self, part: str) -> "Rounds":
        """The same rounds for a part of the stage."""
        return replace(self, stage=f"{self.stage}, {part}" if self.stage else part)

    def tell(self, running: str, *, number: int | None = None) -> None:
        """Call `on_progress`; round -1 is the warm-up."""
        where = "" if number is None else ", warm-up" if number < 0 else f", round {number + 1} of {self.count}"
        self.on_progress(f"{self.stage}{where}", running)


Phases = tuple[Callable[[Any], Any], ...]


def _timed(phases: Phases) -> list[float]:
    """Seconds of each phase; a phase gets what the one before returned."""
    result, elapsed = None, []
    for phase in phases:
        started = time.perf_counter()
        result = phase(result)
        elapsed.append(time.perf_counter() - started)
    return elapsed


def _run_rounds(candidates: dict[str, Phases], rounds: Rounds) -> dict[str, list[list[float]]]:
    """Garbage is collected before a timed call, never inside one; what was there before the rounds is left alone."""
    taken: dict[str, list[list[float]]] = {name: [] for name in candidates}
    gc.freeze()
    try:
        for number in range(-1, rounds.count):
            for name, phases in candidates.items():
                if len(taken[name]) >= MIN_ROUNDS and sum(map(sum, taken[name])) > rounds.budget_s:
                    continue
                rounds.tell(name, number=number)
                for _ in range(rounds.lead_in if number >= 0 else 0):
                    _timed(phases)
                gc.collect()
                gc.disable()
                elapsed = _timed(phases)
                gc.enable()
                if number >= 0:
                    taken[name].append(elapsed)
    finally:
        gc.enable()
        gc.unfreeze()
    return taken


def time_rounds(candidates: dict[str, Callable[[], object]], rounds: Rounds) -> list[Timing]:
    """Time every candidate once a round. What it returns is dropped before the next one runs."""
    phases: dict[str, Phases] = {name: (lambda _, run=run: run(),) for name, run in candidates.items()}  # type: ignore[misc]
    return [Timing(name, tuple(seconds for (seconds,) in taken)) for name, taken in _run_rounds(phases, rounds).items()]


def time_steps(candidates: dict[str, Step], rounds: Rounds) -> tuple[list[Timing], list[Timing]]:
    """Time every training step once a round: its backward half alone, and the whole."""
    phases: dict[str, Phases] = {
        name: (lambda _, step=step: step.forward(), step.backward)  # type: ignore[misc]
        for name, step in candidates.items()
    }
    taken = _run_rounds(phases, rounds)
    backward = [Timing(name, tuple(halves[1] for halves in rows)) for name, rows in taken.items()]
    return backward, [Timing(name, tuple(map(sum, rows))) for name, rows in taken.items()]

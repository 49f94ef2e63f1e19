"""A moment of a run, as told to whoever watches."""

from dataclasses import dataclass

from longspike.training.tally import Score


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        epoch: from 1. num_epochs. step: optimiser steps done, those before a resume included. num_steps: in all.
        train: means over the last steps. val: of the epoch that just ended; None inside an epoch.
        seconds, steps_per_second: since this process began to train, validation included.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    train: Score | None
    val: Score | None
    seconds: float
    steps_per_second: float

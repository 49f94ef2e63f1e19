"""The ways in which a training run ends early on purpose."""

from pathlib import Path

from longspike.errors import LongspikeError


class DivergedError(LongspikeError, ArithmeticError):
    """The loss is no longer a finite number."""


class RunFolderError(LongspikeError, FileExistsError):
    """The run folder holds something that this run must not touch."""


class InterruptedRunError(LongspikeError):
    """The user asked to stop; the state was saved.

    Attributes:
        run_dir: where `last.ckpt` lies. step: optimiser steps done.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        super().__init__(f"stopped after step {step}; {run_dir / 'last.ckpt'} holds everything needed to go on.")
        self.run_dir, self.step = run_dir, step

"""The exceptions that longspike raises on purpose; each message names what came and the remedy."""

import signal
from pathlib import Path

__all__ = [
    "BackendUnavailableError",
    "CheckpointError",
    "ConfigError",
    "DataFileError",
    "DerivativeError",
    "DivergedError",
    "FileWriteError",
    "InterruptedRunError",
    "LongspikeError",
    "MissingExtraError",
    "RunFolderError",
    "UnknownSensorError",
]


class LongspikeError(Exception):
    """Base of the package's own errors."""


class BackendUnavailableError(LongspikeError, RuntimeError):
    """A backend or method was asked for by name and cannot run here."""


class MissingExtraError(LongspikeError, ImportError):
    """An optional dependency is not installed."""


class DataFileError(LongspikeError, FileNotFoundError):
    """A data file is missing, truncated or not what it claims to be."""


class FileWriteError(LongspikeError, OSError):
    """A file or folder cannot be written: no space, no permission.

    Attributes:
        errno, filename: as of any OSError.
    """

    def __str__(self) -> str:
        return str(self.args[0])


class DerivativeError(LongspikeError, NotImplementedError):
    """A derivative was asked for that an operator does not have: forward mode, or the gradient of a gradient."""


class UnknownSensorError(LongspikeError, ValueError):
    """A recording does not say how large its sensor is, and neither does the caller."""


class CheckpointError(LongspikeError, ValueError):
    """A saved model cannot be read by this version."""


class ConfigError(LongspikeError, ValueError):
    """A configuration, an override of it, or an option of a command or a reader is not valid."""


class RunFolderError(LongspikeError, FileExistsError):
    """The run folder holds something that this run must not touch."""


class DivergedError(LongspikeError, ArithmeticError):
    """The loss of a training is no longer a finite number."""


class InterruptedRunError(LongspikeError):
    """A training was asked to stop, by Ctrl-C or another signal; the state was saved.

    Attributes:
        run_dir: where `last.ckpt` lies. step: optimiser steps done. signal_number: of the signal; 128 more is the exit
            code that a shell expects.
    """

    def __init__(self, run_dir: Path, step: int, signal_number: int = signal.SIGINT) -> None:
        by = "" if signal_number == signal.SIGINT else f" by {signal.Signals(signal_number).name}"
        super().__init__(f"stopped{by} after step {step}; {run_dir / 'last.ckpt'} holds everything needed to go on.")
        self.run_dir, self.step, self.signal_number = run_dir, step, int(signal_number)

"""Trains a network, so that killing and resuming it changes nothing."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from longspike._core.extras import require
from longspike.errors import RunFolderError
from longspike.models.checkpoint import check_loadable
from longspike.models.classifier import AbstractClassifier
from longspike.training.config import TrainingConfig
from longspike.training.exclusive import RunLock, check_alone
from longspike.training.loaders import EpochLoader, Loader, normalisation_of
from longspike.training.tally import Score

MODEL, LOGS = "model", "logs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run stands, as told to whoever watches.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class FitResult:
    """A run that went to its end.

    Attributes:
        model_path: the saved model with the best weights, for `longspike.load`.
        best_epoch: from 1. val: the validation score of those weights.
        num_steps: optimiser steps in all. seconds: of this process, from the call to the end.
    """

    run_dir: Path
    model_path: Path
    best_epoch: int
    val: Score
    num_steps: int
    seconds: float


def fit(
    model: AbstractClassifier,
    train_loader: EpochLoader | Loader,
    val_loader: Loader,
    config: TrainingConfig,
    *,
    run_dir: str | Path,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> FitResult:
    """Train `model` in place; it ends with the best weights, in evaluation mode.

    Step k draws its randomness from (config.seed, k) and its batch from the loader's (epoch, batch), so a run killed at
    any moment and resumed ends with the weights of an uninterrupted run, bit for bit, on the same machine and number of
    threads. (On a GPU, kernels that sum in no fixed order may differ.) That holds for a `longspike.data.BatchLoader`, or
    any other `EpochLoader`. A DataLoader of PyTorch cannot start within an epoch: the batches that were done are drawn
    again and dropped, and their order is repeated if it comes from PyTorch's own generator, as with shuffle=True and no
    generator (see `longspike.training.loaders.PlainLoader`).

    Args:
        model: initialised by the caller, with the same seed when resuming. Its `input_spec` gets the normalisation of the
            loader's split, if there is one; give it the names of the classes.
        config: its batch_size takes no part here: the loader has one.
        train_loader: an `EpochLoader`, or a `Loader` such as a DataLoader, shuffled by the epoch.
        val_loader: any `Loader`.
        run_dir: receives last.ckpt, best.ckpt, logs/ and in the end model/.
        resume: continue from last.ckpt, or start if there is none yet.
        metadata: kept beside the model's configuration.
        progress: called a few times a second and after every epoch.
    Raises:
        ConfigError: `resume`, and the loader's settings differ; torchrun has started several processes; or the task of the
            model has no such metric as `config.selection`.
        CheckpointError: `resume`, and what is in the folder is damaged, incomplete or of another network.
        RunFolderError: `run_dir` holds a run and `resume` is False, or another process trains in it.
        DivergedError: the loss is no longer finite.
        InterruptedRunError: Ctrl-C, SIGTERM or another signal that would have ended the process; last.ckpt is up to date.
            Signals that the program ignores or handles itself are left alone.
        MissingExtraError: Lightning is not installed.
    """
    require("lightning.pytorch", extra="train", purpose="Training")
    require("tensorboard", extra="train", purpose="Training")
    check_alone()
    with RunLock(Path(run_dir)):
        return fit_in_locked_folder(
            model, train_loader, val_loader, config, Path(run_dir), resume=resume, metadata=metadata, progress=progress
        )


def fit_in_locked_folder(
    model: AbstractClassifier,
    train_loader: EpochLoader | Loader,
    val_loader: Loader,
    config: TrainingConfig,
    run_dir: Path,
    *,
    resume: bool,
    metadata: dict[str, Any] | None,
    progress: Callable[[Progress], None] | None,
) -> FitResult:
    """`fit`, for a caller that holds the folder's `RunLock`."""
    require("lightning.pytorch", extra="train", purpose="Training")
    from longspike.training.engine import run_engine

    start = time.monotonic()
    if not resume and ((run_dir / "last.ckpt").exists() or (run_dir / MODEL).exists()):
        raise RunFolderError(
            f"{run_dir} holds a training run already. Continue it with --resume, choose another folder with --run-dir, "
            "or replace it with --overwrite."
        )
    _warn_of_idle_settings(train_loader, config)
    model.task.metric(config.selection)  # raises now rather than after an epoch
    check_loadable(model, model.config)
    best, best_epoch, num_steps = run_engine(model, train_loader, val_loader, config, run_dir, resume, progress)
    model.eval()
    scale, shift = normalisation_of(train_loader) or (model.input_spec.scale, model.input_spec.shift)
    model.input_spec = replace(model.input_spec, scale=scale, shift=shift)
    result = {"best_epoch": best_epoch, "num_steps": num_steps, **best.as_dict("val")}
    model.save(run_dir / MODEL, metadata={**(metadata or {}), "result": result})
    return FitResult(
        run_dir=run_dir,
        model_path=run_dir / MODEL,
        best_epoch=best_epoch,
        val=best,
        num_steps=num_steps,
        seconds=time.monotonic() - start,
    )


def _warn_of_idle_settings(train_loader: EpochLoader | Loader, config: TrainingConfig) -> None:
    """Warn of a batch size that the configuration states and the loader does not have."""
    settings = train_loader.settings if isinstance(train_loader, EpochLoader) else {}
    actual = settings.get("batch_size", getattr(train_loader, "batch_size", None))
    if actual is not None and config.batch_size not in (actual, TrainingConfig().batch_size):
        warnings.warn(
            f"fit: `config.batch_size` is {config.batch_size}, and `train_loader` makes batches of {actual}, which is "
            "what counts. Build the loader with config.batch_size.",
            stacklevel=4,
        )

"""Lightning's trainer, set up so that it does what `fit` promises and says nothing on its own."""

import errno
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from longspike.errors import CheckpointError, FileWriteError, LongspikeError
from longspike.models.classifier import AbstractClassifier
from longspike.training.callbacks import Interruption, Reporting
from longspike.training.checkpoints import (
    LAST,
    REMEDY,
    AtomicCheckpointIO,
    Checkpointing,
    best_weights,
    check_resumable,
)
from longspike.training.config import TrainingConfig
from longspike.training.fit import Progress
from longspike.training.loaders import EpochLoader, FirstBatches, FromStep, Loader, PlainLoader
from longspike.training.module import TrainingModule
from longspike.training.stopping import StopRequest
from longspike.training.tally import Score


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice on loaders and logging intervals does not apply here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _threads(num_threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _build_trainer(config: TrainingConfig, run_dir: Path, callbacks: list[Callback]) -> Trainer:
    """A trainer of one process whatever a scheduler's variables say; what it would write by itself goes to the logs."""
    logs = run_dir / "logs"
    environment = LightningEnvironment()
    environment.set_global_rank(0)  # Lightning takes it from SLURM_PROCID and its like, and logs nothing above 0
    return Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
        max_epochs=config.epochs,
        gradient_clip_val=config.clip_norm,
        logger=[CSVLogger(logs, name="csv"), TensorBoardLogger(logs, name="tensorboard")],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), environment],
        default_root_dir=logs,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


def _fit(
    trainer: Trainer, stop: Interruption, last: Path | None, module: TrainingModule, train: FromStep, val: Loader
) -> None:
    """`trainer.fit`, with Lightning's exits of the process, and what a checkpoint `last` makes it raise, as errors."""
    try:
        trainer.fit(module, train, val, ckpt_path=last)
    except SystemExit as leaving:
        if isinstance(leaving.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if leaving.code is None and stop.request.number is not None:  # SIGTERM just before the first step
            raise stop.error(trainer) from None
        raise
    except LongspikeError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise FileWriteError(  # of the logs, whose writers name no file
            f"cannot write in {stop.checkpointing.run_dir}: {error.strerror}. Free some space, then go on with --resume."
        ) from error
    except Exception as error:
        if last is None or stop.has_begun:
            raise
        raise CheckpointError(
            f"{last} does not fit this run ({type(error).__name__}: {str(error)[:120]}). {REMEDY}"
        ) from error


def run_engine(
    model: AbstractClassifier,
    train_loader: EpochLoader | Loader,
    val_loader: Loader,
    config: TrainingConfig,
    run_dir: Path,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> tuple[Score, int, int]:
    """Train, and leave the best weights in `model`: their validation score, their epoch, and the number of steps."""
    source: EpochLoader
    source = train_loader if isinstance(train_loader, EpochLoader) else PlainLoader(train_loader, seed=config.seed)
    source = source if config.epoch_steps is None else FirstBatches(source, config.epoch_steps)
    num_steps = config.epochs * len(source)
    checkpointing = Checkpointing(run_dir, every_steps=config.checkpoint_every_steps, selection=config.selection)
    last = run_dir / LAST if resume and (run_dir / LAST).exists() else None
    if last is not None:
        check_resumable(run_dir, model)
    with _quiet(), _threads(config.num_threads), StopRequest() as request:
        module = TrainingModule(model.train(), config, num_steps=num_steps)
        stop = Interruption(request, checkpointing)
        trainer = _build_trainer(config, run_dir, [Reporting(progress), checkpointing, stop])
        batches = FromStep(source, lambda: trainer.global_step)
        _fit(trainer, stop, last, module, batches, val_loader)
    model.cpu().load_state_dict(best_weights(run_dir, model))
    if checkpointing.best is None:
        raise RuntimeError("run_engine: the run ended without a validation.")
    return checkpointing.best, checkpointing.best_epoch, num_steps

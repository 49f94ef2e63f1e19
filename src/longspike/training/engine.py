"""Lightning's trainer, set up so that it does what `fit` promises and says nothing on its own."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from longspike.models.classifier import AbstractClassifier
from longspike.training.callbacks import Interruption, Reporting, StopRequest
from longspike.training.checkpoints import BEST, LAST, AtomicCheckpointIO, Checkpointing, read_checkpoint
from longspike.training.config import TrainingConfig
from longspike.training.fit import Progress
from longspike.training.loaders import EpochLoader, FromStep, Loader, PlainLoader
from longspike.training.module import TrainingModule
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
    logs = run_dir / "logs"
    return Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
        max_epochs=config.epochs,
        gradient_clip_val=config.clip_norm,
        logger=[CSVLogger(logs, name="csv"), TensorBoardLogger(logs, name="tensorboard")],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


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
    num_steps = config.epochs * len(source)
    checkpointing = Checkpointing(run_dir, every_steps=config.checkpoint_every_steps, selection=config.selection)
    last = run_dir / LAST
    with _quiet(), _threads(config.num_threads), StopRequest() as request:
        module = TrainingModule(model.train(), config, num_steps=num_steps)
        callbacks = [Reporting(progress), checkpointing, Interruption(request, checkpointing)]
        trainer = _build_trainer(config, run_dir, callbacks)
        batches = FromStep(source, lambda: trainer.global_step)
        trainer.fit(module, batches, val_loader, ckpt_path=last if resume and last.exists() else None)
    weights = read_checkpoint(run_dir / BEST)["state_dict"]
    model.cpu().load_state_dict({name.removeprefix("model."): x for name, x in weights.items()})
    if checkpointing.best is None:
        raise RuntimeError("run_engine: the run ended without a validation.")
    return checkpointing.best, checkpointing.best_epoch, num_steps

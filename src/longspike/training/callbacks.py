"""What happens between two steps: reports to the logs and to whoever watches, and the stop that Ctrl-C asks for."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longspike.errors import InterruptedRunError
from longspike.training.checkpoints import Checkpointing
from longspike.training.fit import Progress
from longspike.training.module import as_training_module
from longspike.training.tally import Score

LOG_EVERY_STEPS = 50
REPORT_EVERY_SECONDS = 0.5


@dataclass
class _Clock:
    start: float = 0.0
    start_step: int = 0
    reported: float = 0.0


class Reporting(Callback):
    """Writes means over the last steps to the loggers, and calls `progress` a few times a second."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self.progress = progress
        self._train: Score | None = None
        self._clock = _Clock()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._clock = _Clock(start=time.monotonic(), start_step=trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report if it is time."""
        step = trainer.global_step
        if step % LOG_EVERY_STEPS == 0 or trainer.is_last_batch:
            module = as_training_module(pl_module)
            self._train = module.train_tally.score()
            module.train_tally.reset()
            lr = max(group["lr"] for group in trainer.optimizers[0].param_groups)
            self._log(trainer, {**self._train.as_dict("train"), "lr": lr})
        now = time.monotonic()
        if now - self._clock.reported >= REPORT_EVERY_SECONDS:
            self._clock.reported = now
            self._report(trainer, val=None)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a new count."""
        as_training_module(pl_module).val_tally.reset()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and report the validation of the epoch."""
        val = as_training_module(pl_module).val_tally.score()
        self._log(trainer, {**val.as_dict("val"), "epoch": trainer.current_epoch + 1})
        self._report(trainer, val=val)

    def _log(self, trainer: Trainer, numbers: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=trainer.global_step)

    def _report(self, trainer: Trainer, *, val: Score | None) -> None:
        if self.progress is None:
            return
        module = as_training_module(trainer.lightning_module)
        train = module.train_tally.score() if module.train_tally.num_samples else self._train
        seconds = time.monotonic() - self._clock.start
        self.progress(
            Progress(
                epoch=trainer.current_epoch + 1,
                num_epochs=trainer.max_epochs or 0,
                step=trainer.global_step,
                num_steps=module.num_steps,
                train=train,
                val=val,
                seconds=seconds,
                steps_per_second=(trainer.global_step - self._clock.start_step) / max(seconds, 1e-9),
            )
        )


class _Abort(BaseException):
    """A second SIGINT; Lightning turns a KeyboardInterrupt into sys.exit(1), and this it lets pass."""


class StopRequest:
    """While entered, the first SIGINT sets `is_set` and the second leaves with KeyboardInterrupt; main thread only."""

    def __init__(self) -> None:
        self.is_set = False
        self._previous: Any = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise _Abort
        self.is_set = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        if kind is _Abort:
            raise KeyboardInterrupt from None


class Interruption(Callback):
    """Ends the run after the batch at hand, or after the validation at hand, with last.ckpt up to date."""

    def __init__(self, request: StopRequest, checkpointing: Checkpointing) -> None:
        self.request, self.checkpointing = request, checkpointing

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop inside an epoch."""
        if self.request.is_set and not trainer.is_last_batch:
            self.checkpointing.save_last(trainer)
            raise InterruptedRunError(self.checkpointing.run_dir, trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs, where last.ckpt was just saved; a run that is through just ends."""
        if self.request.is_set and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise InterruptedRunError(self.checkpointing.run_dir, trainer.global_step)

"""What happens between two steps: reports to the logs and to whoever watches, and the stop that a signal asks for."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longspike.errors import InterruptedRunError
from longspike.training.checkpoints import Checkpointing
from longspike.training.fit import Progress
from longspike.training.module import as_training_module
from longspike.training.stopping import StopRequest
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


class Interruption(Callback):
    """Ends the run after the batch at hand, or after the validation at hand, with last.ckpt up to date.

    Attributes:
        has_begun: whether the loop over the batches was reached, and a checkpoint thus restored.
    """

    def __init__(self, request: StopRequest, checkpointing: Checkpointing) -> None:
        self.request, self.checkpointing = request, checkpointing
        self.has_begun = False

    def error(self, trainer: Trainer) -> InterruptedRunError:
        """What to raise if the request is set."""
        number = self.request.number or signal.SIGINT
        return InterruptedRunError(self.checkpointing.run_dir, trainer.global_step, number)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals back: Lightning's own handler of SIGTERM would end the run without saving."""
        self.has_begun = True
        self.request.install()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop inside an epoch."""
        if self.request.is_set and not trainer.is_last_batch:
            self.checkpointing.save_last(trainer)
            raise self.error(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs, where last.ckpt was just saved; a run that is through just ends."""
        if self.request.is_set and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise self.error(trainer)

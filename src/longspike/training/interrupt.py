"""Ctrl-C asks for a stop at the next good moment; a second one stops at once."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longspike.training.checkpoints import Checkpointing
from longspike.training.errors import InterruptedRunError


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

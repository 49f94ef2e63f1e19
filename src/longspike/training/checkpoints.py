"""Checkpoints of a run: written whole or not at all, read without unpickling code."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor, nn

from longspike._core.files import replace_file
from longspike.errors import CheckpointError
from longspike.training.module import as_training_module
from longspike.training.tally import Score

LAST, BEST = "last.ckpt", "best.ckpt"
REMEDY = "Put it back from a copy, or train again with --overwrite."
_NEEDED = {"callbacks", "epoch", "global_step", "loops", "lr_schedulers", "optimizer_states", "state_dict"}
"""What Lightning needs to go on, and would in part do without in silence."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint: tensors and plain values, on the CPU.

    Raises: CheckpointError if the file is missing, unreadable, damaged, or holds anything that would have to be executed.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist. {REMEDY}") from None
    except PermissionError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}. Allow it, or train in another folder."
        ) from None
    except Exception as error:  # whatever a damaged archive or a refused pickle raises, it means one thing
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint of longspike ({type(error).__name__}). {REMEDY}"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("state_dict"), dict):
        raise CheckpointError(f"{path} is damaged or not a checkpoint of longspike (no weights in it). {REMEDY}")
    return found


def best_weights(run_dir: Path, model: nn.Module) -> dict[str, Tensor]:
    """The weights in best.ckpt, by their names in `model`.

    Raises: CheckpointError, also if they are not those of `model`.
    """
    return _weights_of(read_checkpoint(run_dir / BEST), run_dir / BEST, model)


def _weights_of(saved: dict[str, Any], path: Path, model: nn.Module) -> dict[str, Tensor]:
    found = {str(name).removeprefix("model."): x for name, x in saved["state_dict"].items()}
    expected = model.state_dict()
    wrong = sorted(found.keys() ^ expected.keys())
    wrong += [name for name in found.keys() & expected.keys() if _shape(found[name]) != expected[name].shape]
    if wrong:
        raise CheckpointError(
            f"{path} does not fit the network; these weights differ: {', '.join(wrong[:5])}. {REMEDY}"
        )
    return found


def _shape(x: Any) -> torch.Size | None:
    return x.shape if isinstance(x, Tensor) else None


def check_resumable(run_dir: Path, model: nn.Module) -> None:
    """Raise CheckpointError unless last.ckpt, and the best weights that it speaks of, are there, whole and of `model`."""
    last = run_dir / LAST
    saved = read_checkpoint(last)
    missing = _NEEDED - saved.keys()
    if missing:
        raise CheckpointError(f"{last} is not complete; {', '.join(sorted(missing))} is missing in it. {REMEDY}")
    _weights_of(saved, last, model)
    callbacks = saved["callbacks"]
    state = callbacks.get(Checkpointing.__qualname__) if isinstance(callbacks, dict) else None
    if not isinstance(state, dict) and saved["epoch"] != 0:
        raise CheckpointError(f"{last} is not complete; it does not say which epoch was the best. {REMEDY}")
    if state:
        best_weights(run_dir, model)


class AtomicCheckpointIO(CheckpointIO):
    """Writes whole files or nothing, flushed to the disk: a crash leaves the old file or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write `checkpoint` to `path`."""
        replace_file(path, lambda stream: torch.save(checkpoint, stream))

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read `path`; always without unpickling code."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete `path`."""
        Path(path).unlink(missing_ok=True)


class Checkpointing(Callback):
    """Saves last.ckpt after every epoch and, if asked for, every few steps; best.ckpt when validation improves.

    Best is what `Score.rank` says of `selection`.
    best.ckpt is written before the last.ckpt of its epoch: a run that dies in between repeats the epoch, bit for bit, and
    writes the same best.ckpt again.
    """

    def __init__(self, run_dir: Path, *, every_steps: int | None, selection: str = "task") -> None:
        self.run_dir, self.every_steps, self.selection = run_dir, every_steps, selection
        self.best: Score | None = None
        self.best_epoch = 0

    def state_dict(self) -> dict[str, Any]:
        """What is best so far, as plain values."""
        if self.best is None:
            return {}
        return {"epoch": self.best_epoch, **asdict(self.best), "layer_rates": [*self.best.layer_rates], "columns": ()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from there."""
        if state_dict:
            values = {name: value for name, value in state_dict.items() if name != "epoch"}
            self.best_epoch = state_dict["epoch"]
            self.best = Score(**values | {"layer_rates": tuple(values["layer_rates"])})

    def save_last(self, trainer: Trainer) -> None:
        """Save everything needed to go on; never the state of a run that diverged."""
        as_training_module(trainer.lightning_module).check_finite()
        trainer.save_checkpoint(self.run_dir / LAST)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside an epoch; its last batch is left to the end of the epoch."""
        is_due = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        if is_due and not trainer.is_last_batch:
            self.save_last(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare, then save the best and the last."""
        score = as_training_module(pl_module).val_tally.score()
        if self.best is None or score.rank(self.selection) > self.best.rank(self.selection):
            self.best, self.best_epoch = score, trainer.current_epoch + 1
            trainer.save_checkpoint(self.run_dir / BEST, weights_only=True)
        self.save_last(trainer)

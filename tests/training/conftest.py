"""A task so small that a run takes a second, and runs that stop where a test wants."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from longspike.data import Batch, BatchLoader, Split
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.training import TrainingConfig

NUM_BATCHES = 7
CONFIG = TrainingConfig(epochs=3, batch_size=6, lr=0.01, rate_target=0.05, seed=3, checkpoint_every_steps=2)


def small_split(num_samples: int, *, seed: int, is_padded: bool = True) -> Split:
    """Sequences of 5 steps of 2 values whose class is the sign of their mean; some are padded."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_samples) % 2
    values = torch.randn(num_samples, 5, 2, generator=generator) + (labels * 2 - 1)[:, None, None]
    lengths = 5 - torch.arange(num_samples) % 3 if is_padded else torch.full((num_samples,), 5)
    return Split(values=values, lengths=lengths, labels=labels)


class Trigger(BatchLoader):
    """Does `action` when batch `at` (counted over the whole run) is asked for."""

    at: int = -1
    action: Callable[[], None] | None = None

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        for number, batch in enumerate(super().batches(epoch, first=first), start=epoch * len(self) + first):
            if number == self.at and self.action is not None:
                self.action()
            yield batch


def train_loader(*, at: int = -1, action: Callable[[], None] | None = None) -> Trigger:
    """The training batches, NUM_BATCHES an epoch."""
    loader = Trigger(small_split(40, seed=1), batch_size=CONFIG.batch_size, shuffle=True, seed=CONFIG.seed)
    loader.at, loader.action = at, action
    return loader


def val_loader() -> BatchLoader:
    """The validation batches."""
    return BatchLoader(small_split(10, seed=2), batch_size=4, shuffle=False, seed=0)


def small_model() -> SpikeSSM:
    """A network with dropout, so that the randomness of every step matters."""
    torch.manual_seed(CONFIG.seed)
    return SpikeSSM(SpikeSSMConfig(d_input=2, num_outputs=2, d_model=6, num_layers=2, d_state=4, dropout=0.2))


def kill() -> None:
    """As `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    """As Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "runs" / "small"

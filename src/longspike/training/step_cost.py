"""What a step of training costs on this machine."""

import statistics
import time
from typing import Any

import torch

from longspike.models.classifier import AbstractClassifier
from longspike.training.config import TrainingConfig
from longspike.training.loaders import EpochLoader

WARM_UP, TIMED, FEWEST = 2, 24, 4
"""Steps that are taken before, those that are timed, and those that are timed however long they take."""
ENOUGH_SECONDS = 30.0


def step_seconds(model: AbstractClassifier, batches: EpochLoader, config: TrainingConfig) -> float:
    """CPU seconds of a training step of this process, all threads together: the mean of some steps, the first ones left out.

    The network is trained by these steps; give one that is not needed after.
    """
    from longspike.training.module import TrainingModule

    num_steps = WARM_UP + TIMED
    module = TrainingModule(model.train(), config, num_steps=num_steps)
    made: Any = module.configure_optimizers()
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(config.num_threads or threads)
    try:
        for epoch in range(num_steps):
            for batch in batches.batches(epoch):
                start = time.process_time()
                made["optimizer"].zero_grad()
                module.training_step(batch, 0).backward()
                made["optimizer"].step()
                times.append(time.process_time() - start)
                is_enough = len(times) >= WARM_UP + FEWEST and sum(times) > ENOUGH_SECONDS
                if is_enough or len(times) == num_steps:
                    return statistics.fmean(times[WARM_UP:])
    finally:
        torch.set_num_threads(threads)
    return statistics.fmean(times[WARM_UP:])

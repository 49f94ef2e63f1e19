"""A plain training loop for the small networks of a study: no folder, no checkpoints, nothing but steps."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from longspike.errors import DivergedError
from longspike.training.config import TrainingConfig
from longspike.training.optim import build_optimizer
from longspike.training.seeding import seed_generators, step_seed


def fit_steps(model: nn.Module, loss_of: Callable[[int], Tensor], config: TrainingConfig, *, num_steps: int) -> float:
    """Minimise loss_of(step) over `num_steps` steps as `config` says; the last step's loss.

    The optimiser, its groups and schedule are those of `longspike train`; the step's randomness is a function of
    (config.seed, step). `config.epochs` and `config.batch_size` take no part.

    Raises: DivergedError if a loss is not finite.
    """
    optimizer, schedule = build_optimizer(model, config, num_steps=num_steps)
    model.train()
    last = math.nan
    for step in range(num_steps):
        seed_generators(step_seed(config.seed, step))
        loss = loss_of(step)
        last = float(loss.detach())
        if not math.isfinite(last):
            raise DivergedError(
                f"fit_steps: the loss stopped being finite at step {step + 1} of {num_steps}. Lower lr (now {config.lr:g})."
            )
        optimizer.zero_grad()
        loss.backward()
        if config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        schedule.step()
    model.eval()
    return last

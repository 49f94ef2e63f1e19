"""Randomness as a pure function of the seed and the step, or the epoch."""

import numpy as np
import torch


def step_seed(seed: int, step: int) -> int:
    """The seed of one step's randomness, mixed from (seed, step), so that neighbouring steps share nothing.

    A run that is resumed at step k thus draws what the uninterrupted run draws, with no generator state to save.

    Example:
        >>> step_seed(0, 1) == step_seed(0, 1), step_seed(0, 1) == step_seed(1, 0)
        (True, False)
    """
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of what a loader draws as an epoch begins; no step's (see `step_seed`)."""
    return int(np.random.SeedSequence([seed, epoch, 1]).generate_state(1)[0])


def seed_generators(seed: int) -> None:
    """Seed the CPU's generator, and the GPU's where there is one.

    torch.manual_seed does the same at many times the cost, which small networks would feel at every step.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)

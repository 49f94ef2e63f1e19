"""Training: a configuration, a function that fits, and scores. Lightning loads when `fit` is called, not before."""

from longspike.errors import DivergedError, InterruptedRunError, RunFolderError
from longspike.tasks.classification import classification_loss
from longspike.training.config import TrainingConfig
from longspike.training.fit import FitResult, Progress, fit
from longspike.training.losses import firing_rate, rate_penalty
from longspike.training.optim import build_optimizer, parameter_groups, schedule_factor
from longspike.training.score import score
from longspike.training.tally import Score

__all__ = [
    "DivergedError",
    "FitResult",
    "InterruptedRunError",
    "Progress",
    "RunFolderError",
    "Score",
    "TrainingConfig",
    "build_optimizer",
    "classification_loss",
    "firing_rate",
    "fit",
    "parameter_groups",
    "rate_penalty",
    "schedule_factor",
    "score",
]

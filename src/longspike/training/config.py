"""What a training run is besides its network and its data."""

import math
from dataclasses import dataclass

from longspike.errors import ConfigError

SELECTIONS = ("accuracy", "loss")


def _is_int(value: object, *, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _lies(value: object, low: float, high: float, *, closed_low: bool, closed_high: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return (value >= low if closed_low else value > low) and (value <= high if closed_high else value < high)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """A training run: AdamW, a linear warm-up, then a cosine down to zero.

    Attributes:
        epochs, batch_size: how long, and samples per step.
        lr: peak learning rate.
        ssm_lr: peak learning rate of the S4D dynamics (log_dt, log_A_real, A_imag) if lower than `lr`.
        weight_decay: AdamW's, on weights only; never on dynamics, biases, norms or neurons.
        warmup_fraction: share of all steps in which the learning rate rises, in [0, 1).
        clip_norm: gradients are scaled down to this total norm; None leaves them alone.
        label_smoothing: of the cross entropy, in [0, 1).
        rate_target: firing rate in (0, 1) above which a layer is penalised; None for no penalty.
        rate_weight: weight of that penalty, see `longspike.training.rate_penalty`.
        selection: which epoch's weights are kept, by validation: the best "accuracy" (among equal ones the lowest loss), the
            lowest "loss" (less noisy on few samples).
        seed: of the initial weights, the order of the samples and the randomness of every step.
        checkpoint_every_steps: also save inside an epoch, every so many steps; None saves at the end of epochs only.
        num_threads: PyTorch's threads during the run; None leaves them alone.
    Raises: ConfigError naming every mistake.
    """

    epochs: int = 10
    batch_size: int = 50
    lr: float = 0.01
    ssm_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1
    clip_norm: float | None = 1.0
    label_smoothing: float = 0.0
    rate_target: float | None = None
    rate_weight: float = 1.0
    selection: str = "accuracy"
    seed: int = 0
    checkpoint_every_steps: int | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        mistakes = []
        for name, low in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            if not _is_int(getattr(self, name), low=low):
                mistakes.append(f"`{name}` must be an integer of at least {low}; got {getattr(self, name)!r}")
        for name in ("checkpoint_every_steps", "num_threads"):
            if getattr(self, name) is not None and not _is_int(getattr(self, name), low=1):
                mistakes.append(f"`{name}` must be an integer of at least 1 or None; got {getattr(self, name)!r}")
        for name in ("lr", "ssm_lr"):
            if not _lies(getattr(self, name), 0, math.inf, closed_low=False, closed_high=False):
                mistakes.append(f"`{name}` must be positive and finite; got {getattr(self, name)!r}")
        for name in ("weight_decay", "rate_weight"):
            if not _lies(getattr(self, name), 0, math.inf, closed_low=True, closed_high=False):
                mistakes.append(f"`{name}` must be at least 0 and finite; got {getattr(self, name)!r}")
        for name in ("warmup_fraction", "label_smoothing"):
            if not _lies(getattr(self, name), 0, 1, closed_low=True, closed_high=False):
                mistakes.append(f"`{name}` must lie in [0, 1); got {getattr(self, name)!r}")
        if self.selection not in SELECTIONS:
            mistakes.append(f"`selection` must be one of {', '.join(SELECTIONS)}; got {self.selection!r}")
        if self.clip_norm is not None and not _lies(self.clip_norm, 0, math.inf, closed_low=False, closed_high=False):
            mistakes.append(f"`clip_norm` must be positive and finite, or None; got {self.clip_norm!r}")
        if self.rate_target is not None and not _lies(self.rate_target, 0, 1, closed_low=False, closed_high=False):
            mistakes.append(f"`rate_target` must lie in (0, 1), or be None; got {self.rate_target!r}")
        if mistakes:
            raise ConfigError("TrainingConfig: " + "; ".join(mistakes) + ".")

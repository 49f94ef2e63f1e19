"""What splits of every kind check alike: labels, and the numbers of samples."""

import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.mistakes import shown
from longspike._core.normalisation import is_factor


def check_per_sample(where: str, name: str, x: object, num_samples: int) -> None:
    """Raise unless `x` is an int64 tensor (num_samples,)."""
    if not isinstance(x, Tensor) or x.dtype != torch.int64 or tuple(x.shape) != (num_samples,):
        is_long = isinstance(x, Tensor) and x.dtype == torch.int64
        remedy = "" if is_long else " Convert it with torch.as_tensor(x).long()."
        raise ValueError(
            f"{where}: `{name}` must be an int64 tensor of shape ({num_samples},), one entry per sample; "
            f"got {describe(x)}.{remedy}"
        )


def check_labels(where: str, labels: Tensor, num_samples: int) -> None:
    """Raise unless `labels` is an int64 tensor (num_samples,) of entries of at least 0."""
    check_per_sample(where, "labels", labels, num_samples)
    if bool((labels < 0).any()):
        raise ValueError(
            f"{where}: `labels` must be at least 0; got min={int(labels.min())}. Number the classes from 0."
        )


def check_targets(where: str, labels: object, num_samples: int, seqlen: int) -> None:
    """Raise unless `labels` are those of a task, an entry a sample.

    Integers (num_samples) of at least 0, or (num_samples, seqlen) of at least -1; real numbers (num_samples, outputs), or
    (num_samples, seqlen, outputs), that are finite or NaN.
    """
    if not isinstance(labels, Tensor) or labels.dim() < 2:
        check_labels(where, labels, num_samples)  # type: ignore[arg-type]
        return
    is_real, has_steps = labels.is_floating_point(), labels.dim() == 2 + labels.is_floating_point()
    fits = len(labels) == num_samples and labels.dim() <= 3 and (not has_steps or labels.shape[1] == seqlen)
    if not fits or not (is_real or (labels.dtype == torch.int64 and labels.dim() == 2)):
        raise ValueError(
            f"{where}: `labels` must be int64 of shape ({num_samples},) or ({num_samples}, {seqlen}), or real of shape "
            f"({num_samples}, outputs) or ({num_samples}, {seqlen}, outputs); got {describe(labels)}."
        )
    if is_real and bool(labels.isinf().any()):
        raise ValueError(f"{where}: `labels` must be finite, or NaN where a value is not known; got infinity.")
    if not is_real and bool((labels < -1).any()):
        raise ValueError(
            f"{where}: `labels` of steps must be at least -1; got min={int(labels.min())}. -1 is a step without a label."
        )


def check_normalisation(where: str, scale: object, shift: object, *, channels: int) -> None:
    """Raise unless `scale` and `shift` are finite, a number each or one a channel, and no scale is 0."""
    if not is_factor(scale, may_be_zero=False, channels=channels) or not is_factor(
        shift, may_be_zero=True, channels=channels
    ):
        raise ValueError(
            f"{where}: `scale` and `shift` must be finite and `scale` not 0, one number or {channels}; got scale="
            f"{shown(scale)}, shift={shown(shift)}. For (x - mean) / std pass scale=1/std, shift=-mean/std."
        )


def check_indices(where: str, indices: Tensor) -> None:
    """Raise unless `indices` is an int64 tensor of one axis."""
    if indices.dtype != torch.int64 or indices.dim() != 1:
        raise ValueError(
            f"{where}: `indices` must be an int64 tensor of one axis; got {describe(indices)}. "
            "Turn a boolean selection into indices with x.nonzero()[:, 0]."
        )


def check_index(where: str, index: int, num_samples: int) -> None:
    """Raise IndexError, which also ends an iteration, unless 0 <= index < num_samples."""
    if not 0 <= index < num_samples:
        raise IndexError(f"{where}: `index` must lie in [0, {num_samples - 1}]; got {index}.")

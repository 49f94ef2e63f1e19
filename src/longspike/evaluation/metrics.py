"""Measures of classification and of spikes, as functions of tensors."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def confusion_matrix(
    labels: Int[Tensor, " batch"], predictions: Int[Tensor, " batch"], *, num_classes: int
) -> Int[Tensor, "classes classes"]:
    """How often class `row` was taken for class `column`; int64.

    Raises: ValueError if a label or a prediction is not one of 0 .. num_classes - 1.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), num_classes=2).tolist()
        [[1, 0], [1, 1]]
    """
    for name, x in (("labels", labels), ("predictions", predictions)):
        if x.numel() and not (int(x.min()) >= 0 and int(x.max()) < num_classes):
            raise ValueError(
                f"confusion_matrix: `{name}` must lie in [0, {num_classes}), the classes of the model; "
                f"got min={int(x.min())}, max={int(x.max())}. Evaluate on the data that the model was trained on."
            )
    cells = torch.bincount(labels * num_classes + predictions, minlength=num_classes * num_classes)
    return cells.view(num_classes, num_classes)


def accuracy(confusion: Int[Tensor, "classes classes"]) -> float:
    """The diagonal's share of all samples.

    Raises: ValueError if the matrix is empty.
    """
    total = int(confusion.sum())
    if total == 0:
        raise ValueError("accuracy: `confusion` must count at least one sample; got none.")
    return int(confusion.diagonal().sum()) / total


def class_accuracy(confusion: Int[Tensor, "classes classes"]) -> tuple[float | None, ...]:
    """The share of each class that was recognised (its recall); None for a class without samples."""
    totals = confusion.sum(dim=1).tolist()
    return tuple(hit / n if n else None for hit, n in zip(confusion.diagonal().tolist(), totals, strict=True))


def spike_counts(
    spikes: Float[Tensor, "batch seqlen channels"], valid: Bool[Tensor, "batch seqlen"]
) -> Float[Tensor, " channels"]:
    """Spikes of every channel over the valid steps of all samples, float64.

    rate = spike_counts(spikes, valid).sum() / (valid.sum() * channels)
    """
    return torch.einsum("blc,bl->c", spikes, valid.to(spikes.dtype)).double()


def running_means(
    x: Float[Tensor, "batch seqlen channels"], lengths: Int[Tensor, " batch"], fractions: Sequence[float]
) -> tuple[Float[Tensor, "batch points channels"], Int[Tensor, "batch points"]]:
    """Means over the first ceil(fraction * length) steps, at least one, of every sample; and those numbers of steps."""
    steps = torch.stack([torch.ceil(lengths * fraction).long() for fraction in fractions], dim=1).clamp(min=1)
    steps = torch.minimum(steps, lengths.clamp(min=1)[:, None])
    is_seen = torch.arange(x.shape[1], device=x.device) < torch.minimum(steps, lengths[:, None])[..., None]
    return torch.bmm(is_seen.to(x.dtype) / steps[..., None].to(x.dtype), x), steps

"""Measures of classification, as functions of tensors."""

import torch
from jaxtyping import Int
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


def class_accuracy(confusion: Int[Tensor, "classes classes"]) -> tuple[float | None, ...]:
    """The share of each class that was recognised (its recall); None for a class without samples."""
    totals = confusion.sum(dim=1).tolist()
    return tuple(hit / n if n else None for hit, n in zip(confusion.diagonal().tolist(), totals, strict=True))

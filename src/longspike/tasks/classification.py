"""One class a sample: cross entropy, accuracy, confusion."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from longspike._core.checks import describe
from longspike.tasks.confusion import confusion_matrix
from longspike.tasks.definition import AbstractTask, Caption, Judged, Meaning, Measured, Metric
from longspike.tasks.predictions import Prediction, class_predictions


def check_classes(where: str, labels: Tensor, num_classes: int, *, axes: str, low: int = 0) -> None:
    """Raise unless `labels` are numbers of classes with these axes; on a GPU their values are not looked at.

    Args: axes: in words, such as "(batch,)". low: the least value that is one.
    """
    dims = axes.count(",") + (not axes.endswith(",)"))
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex() or labels.dim() != dims:
        raise TypeError(
            f"{where}: `labels` must be a tensor of integers {axes}, numbers of classes; got {describe(labels)}. "
            f"Make numbers of one-hot rows with labels.argmax(dim={dims})."
        )
    if labels.device.type == "cpu" and labels.numel():
        least, most = (int(bound) for bound in torch.aminmax(labels))
        if not low <= least <= most < num_classes:
            raise ValueError(
                f"{where}: `labels` must lie in [{low}, {num_classes}), the classes of the network; got min={least}, "
                f"max={most}. Number the classes from 0, or build the network with num_outputs={most + 1}."
            )


def classification_loss(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of logits (batch, classes) against labels (batch), integers in [0, classes).

    Raises: ValueError if the logits have another number of axes, or a label is no class; TypeError if labels are no
        integers, one a sample.
    """
    if logits.dim() != 2:
        raise ValueError(
            f"classification_loss: `logits` must have shape (batch, classes); got {describe(logits)}. "
            'Use a model with pool="mean", or one whose task reads out every step, such as task="step_labels".'
        )
    check_classes("classification_loss", labels, logits.shape[1], axes="(batch,)")
    return functional.cross_entropy(logits, labels.long(), label_smoothing=label_smoothing)


def ratio(part: Tensor, whole: Tensor) -> float:
    """part / whole as a float, NaN where there is nothing to divide by."""
    total = float(whole)
    return float(part) / total if total else float("nan")


class Classification(AbstractTask):
    """One class a sample.

    loss = mean over the batch of -log softmax(logits[b])[labels[b]]
    accuracy = share of the samples whose largest logit is that of the label
    """

    name = "classification"
    title = "one class a sample"
    reads_out = "sample"
    metrics = (Metric("accuracy", "Accuracy", True, "share of the samples recognised", ".2%", ".1%"),)
    loss_remark = "mean cross-entropy, nats"

    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` (batch) are numbers of classes."""
        check_classes(where, labels, num_outputs, axes="(batch,)")

    def measure(self, logits: Tensor, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """Cross entropy and right answers."""
        labels: Tensor = batch.labels
        loss = classification_loss(logits, labels, label_smoothing=label_smoothing)
        count = logits.new_full((), len(labels), dtype=torch.float64)
        total = loss.detach() * len(labels)
        return Measured(loss, {"loss": total, "count": count, "correct": (logits.argmax(dim=-1) == labels).sum()})

    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": ratio(sums["correct"], sums["count"])}

    def details(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """Confusion."""
        labels, predictions = batch.labels.cpu(), logits.argmax(dim=-1).cpu()
        return {"confusion": confusion_matrix(labels, predictions, num_classes=logits.shape[-1])}

    def shown(self, logits: Tensor) -> Tensor:
        """Probabilities."""
        return logits.softmax(dim=-1)

    def judged(self, logits: Tensor, batch: Any, row: int) -> Judged:
        """The label's class and the most probable one."""
        return Judged(int(batch.labels[row]), int(logits[row].argmax()))

    def caption(self, judged: Judged, names: tuple[str, ...]) -> Caption:
        """The class's name, and whether it was recognised."""
        is_right = judged.label == judged.prediction
        return Caption(names[judged.label], "right" if is_right else f"taken for {names[judged.prediction]}", is_right)

    def predictions(self, logits: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[Prediction]:
        """The class of every sample."""
        return class_predictions(logits, meaning.names)

    def answer(self, logits: Tensor, meaning: Meaning) -> Prediction:
        """The class by now."""
        return class_predictions(logits[None], meaning.names)[0]

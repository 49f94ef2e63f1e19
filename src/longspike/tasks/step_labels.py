"""One class a step: cross entropy and accuracy over the steps that have a label."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from longspike._core.checks import describe
from longspike._core.lengths import length_mask
from longspike.layers.token_scores import TokenScores
from longspike.tasks.classification import check_classes, ratio
from longspike.tasks.confusion import confusion_matrix
from longspike.tasks.definition import AbstractTask, Caption, Judged, Meaning, Measured, Metric
from longspike.tasks.predictions import Prediction, StepPrediction, class_predictions, step_predictions

IGNORE = -1
"""The label of a step that has none."""


def check_steps(where: str, logits: Tensor | TokenScores, labels: Tensor) -> None:
    """Raise unless logits (batch, seqlen, outputs) and labels are of the same steps."""
    if logits.dim() != 3:
        raise ValueError(
            f"{where}: `logits` must have shape (batch, seqlen, outputs); got {describe(logits)}. "
            'Use a model with pool="none".'
        )
    if labels.shape[:2] != logits.shape[:2]:
        raise ValueError(
            f"{where}: `labels` must be of the {logits.shape[0]} samples and {logits.shape[1]} steps of the batch; got "
            f"{describe(labels)}. Pad them as x is padded."
        )


def step_targets(where: str, logits: Tensor | TokenScores, batch: Any) -> Tensor:
    """The labels (batch, seqlen), int64, IGNORE at steps without a label and in the padding."""
    labels: Tensor = batch.labels
    check_steps(where, logits, labels)
    check_classes(where, labels, logits.shape[2], axes="(batch, seqlen)", low=IGNORE)
    return torch.where(length_mask(batch.lengths, logits.shape[1]), labels.long(), IGNORE)


def summed_cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Sum over the steps that have a label of -log softmax(logits[b, t])[targets[b, t]], in nats.

    Args: logits (batch, seqlen, classes). targets (batch, seqlen), IGNORE where there is none.
    """
    flat = logits.flatten(0, 1), targets.flatten()
    return functional.cross_entropy(*flat, ignore_index=IGNORE, reduction="sum", label_smoothing=label_smoothing)


class StepLabels(AbstractTask):
    """One class a step; labels (batch, seqlen), -1 where a step has none, and what lies in the padding counts for nothing.

    loss = sum over labelled steps of -log softmax(logits[b, t])[labels[b, t]] / number of labelled steps
    accuracy = share of the labelled steps whose largest logit is that of the label
    whole_accuracy = share of the samples whose labelled steps are all right
    """

    name = "step_labels"
    title = "one class a step"
    reads_out = "step"
    metrics = (
        Metric("accuracy", "Accuracy", True, "share of the labelled steps recognised", ".2%", ".1%"),
        Metric("whole_accuracy", "Whole samples", True, "share of the samples without a wrong step", ".2%", ".1%"),
    )
    loss_remark = "mean cross-entropy of the labelled steps, nats"

    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` (batch, seqlen) are numbers of classes, or -1."""
        check_classes(where, labels, num_outputs, axes="(batch, seqlen)", low=IGNORE)

    def measure(self, logits: Tensor, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """Cross entropy and right answers over the labelled steps."""
        targets = step_targets("step_labels", logits, batch)
        is_labelled, is_right = targets != IGNORE, logits.argmax(dim=-1) == targets
        count = is_labelled.sum()
        total = summed_cross_entropy(logits, targets, label_smoothing=label_smoothing)
        has_any = is_labelled.any(dim=1)
        sums = {
            "loss": total.detach(),
            "count": count,
            "correct": (is_right & is_labelled).sum(),
            "whole": ((is_right | ~is_labelled).all(dim=1) & has_any).sum(),
            "samples": has_any.sum(),
        }
        return Measured(total / count.clamp(min=1), sums)

    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy of steps, and of whole samples."""
        whole = ratio(sums["whole"], sums["samples"])
        return {"accuracy": ratio(sums["correct"], sums["count"]), "whole_accuracy": whole}

    def details(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """Confusion of the labelled steps."""
        targets = step_targets("step_labels", logits, batch)
        kept = targets != IGNORE
        labels, predictions = targets[kept].cpu(), logits.argmax(dim=-1)[kept].cpu()
        return {"confusion": confusion_matrix(labels, predictions, num_classes=logits.shape[-1])}

    def shown(self, logits: Tensor) -> Tensor:
        """Probabilities."""
        return logits.softmax(dim=-1)

    def judged(self, logits: Tensor, batch: Any, row: int) -> Judged:
        """Labels and most probable classes of the valid steps, (steps) int64."""
        own = slice(0, int(batch.lengths[row]))
        return Judged(batch.labels[row, own].long().cpu().numpy(), logits[row, own].argmax(dim=-1).cpu().numpy())

    def caption(self, judged: Judged, names: tuple[str, ...]) -> Caption:
        """How many steps are right."""
        kept = judged.label != IGNORE
        right = int((judged.label[kept] == judged.prediction[kept]).sum())
        return Caption("", f"{right:,} of {int(kept.sum()):,} labelled steps right")

    def predictions(self, logits: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[StepPrediction]:
        """The classes of every sample's steps."""
        return step_predictions(logits, lengths, meaning.names)

    def answer(self, logits: Tensor, meaning: Meaning) -> Prediction:
        """The class of the latest step."""
        return class_predictions(logits[None], meaning.names)[0]

"""A batch through a network: what training, validation and testing share."""

from torch import Tensor

from longspike.models.classifier import AbstractClassifier, Classification
from longspike.training.loaders import LabelledBatch
from longspike.training.losses import classification_loss


def batch_outputs(
    model: AbstractClassifier, batch: LabelledBatch, *, label_smoothing: float = 0.0
) -> tuple[Tensor, Classification]:
    """The loss of a batch, and the network's answer to it."""
    answer = model.classify(batch)
    return classification_loss(answer.logits, batch.labels, label_smoothing=label_smoothing), answer

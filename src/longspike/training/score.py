"""A trained network on a set of samples."""

import torch

from longspike.models.classifier import AbstractClassifier
from longspike.training.loaders import LabelledBatch, Loader, labelled
from longspike.training.step import batch_outputs
from longspike.training.tally import Score, Tally


def score(model: AbstractClassifier, loader: Loader) -> Score:
    """Mean loss, accuracy and firing rates of `model`, in evaluation mode, over the batches of `loader`."""
    tally = Tally()
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in map(labelled, loader):
            _count(model, batch, tally)
    model.train(was_training)
    return tally.score()


def _count(model: AbstractClassifier, batch: LabelledBatch, tally: Tally) -> None:
    loss, answer = batch_outputs(model, batch)
    tally.add(loss=loss, answer=answer, labels=batch.labels)

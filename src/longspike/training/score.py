"""A trained network on a set of samples."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from longspike.models.classifier import AbstractClassifier
from longspike.training.loaders import Loader, labelled
from longspike.training.tally import Score, Tally, score_batch


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module's own mode comes back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, was_training in modes:
            module.training = was_training


def score(model: AbstractClassifier, loader: Loader) -> Score:
    """Mean loss, metrics of its task and firing rates of `model`, in evaluation mode, over the batches of `loader`."""
    tally = Tally(model.task)
    with evaluating(model):
        for batch in map(labelled, loader):
            tally.add(score_batch(model.task, model.classify(batch), batch))
    return tally.score()

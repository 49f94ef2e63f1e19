"""A trained network on a set of samples."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from longspike.models.classifier import AbstractClassifier
from longspike.training.carrying import Carried
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


def score(model: AbstractClassifier, loader: Loader, *, carries_state: bool = False) -> Score:
    """Mean loss, metrics of its task and firing rates of `model`, in evaluation mode, over the batches of `loader`.

    Args: carries_state: each batch goes on where the one before stopped (`longspike.data.RowLoader`), and so does the state.
    """
    tally, carried = Tally(model.task), Carried(is_on=carries_state)
    with evaluating(model):
        for batch in map(labelled, loader):
            tally.add(score_batch(model.task, carried.answer(model, batch), batch))
    return tally.score()

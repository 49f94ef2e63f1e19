"""A trained network on a set of samples."""

import torch

from longspike.models.spike_ssm import SpikeSSM
from longspike.training.protocols import LabelledBatch, Loader
from longspike.training.step import batch_outputs
from longspike.training.tally import Score, Tally


def score(model: SpikeSSM, loader: Loader) -> Score:
    """Mean loss, accuracy and firing rates of `model`, in evaluation mode, over the batches of `loader`."""
    tally = Tally()
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in loader:
            _count(model, batch, tally)
    model.train(was_training)
    return tally.score()


def _count(model: SpikeSSM, batch: LabelledBatch, tally: Tally) -> None:
    loss, logits, rates, num_steps = batch_outputs(model, batch)
    tally.add(loss=loss, logits=logits, labels=batch.labels, rates=rates, num_steps=num_steps)

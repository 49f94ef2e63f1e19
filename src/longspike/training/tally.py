"""Loss, accuracy and firing rates: of a batch, and over many without a synchronisation per batch."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from longspike.models.observation import Classification, LayerActivity
from longspike.training.losses import classification_loss


class BatchScore(NamedTuple):
    """How a network does on a batch: the one place that training, validation and evaluation ask for loss and metrics.

    loss: mean over the samples, differentiable. num_correct: right answers, a scalar tensor. num_samples: in the batch.
    activity: of every spiking layer.
    """

    loss: Tensor
    num_correct: Tensor
    num_samples: int
    activity: tuple[LayerActivity, ...]


def score_batch(answer: Classification, labels: Tensor, *, label_smoothing: float = 0.0) -> BatchScore:
    """An answer against the labels (batch).

    Raises: ValueError if the network does not give one answer a sample.
    """
    return BatchScore(
        loss=classification_loss(answer.logits, labels, label_smoothing=label_smoothing),
        num_correct=(answer.logits.argmax(dim=-1) == labels).sum(),
        num_samples=labels.shape[0],
        activity=answer.activity,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a model does on a set of samples.

    Attributes:
        loss: mean loss. accuracy: share of right answers.
        layer_rates: spikes per neuron update of every layer; empty for a network without spikes.
        rate: spikes per neuron update over all layers; None without spikes.
        num_samples: how many samples.
    """

    loss: float
    accuracy: float
    layer_rates: tuple[float, ...]
    rate: float | None
    num_samples: int

    def as_dict(self, prefix: str) -> dict[str, float]:
        """Named numbers for a log."""
        numbers = {f"{prefix}/loss": self.loss, f"{prefix}/accuracy": self.accuracy}
        if self.rate is not None:
            numbers[f"{prefix}/rate"] = self.rate
            numbers |= {f"{prefix}/rate_layer{k}": rate for k, rate in enumerate(self.layer_rates)}
        return numbers


class Tally:
    """Sums on the device where the batches are; one transfer when it is read."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._sums: Tensor | None = None
        self._num_samples = 0
        self._num_updates: list[int] = []

    @property
    def num_samples(self) -> int:
        """Samples added so far."""
        return self._num_samples

    def add(self, batch: BatchScore) -> None:
        """Count a batch."""
        spikes = (layer.num_spikes.detach() for layer in batch.activity)
        parts = [batch.loss.detach() * batch.num_samples, batch.num_correct, *spikes]
        sums = torch.stack([part.to(torch.float64) for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums
        self._num_samples += batch.num_samples
        updates = [layer.num_updates for layer in batch.activity]
        self._num_updates = [a + b for a, b in zip(self._num_updates or [0] * len(updates), updates, strict=True)]

    def score(self) -> Score:
        """The means. Raises: ValueError if nothing was added."""
        if self._sums is None:
            raise ValueError("Tally.score: nothing was added yet; add at least one batch.")
        loss, correct, *spikes = self._sums.tolist()
        updates = self._num_updates
        return Score(
            loss=loss / self._num_samples,
            accuracy=correct / self._num_samples,
            layer_rates=tuple(s / max(n, 1) for s, n in zip(spikes, updates, strict=True)),
            rate=sum(spikes) / max(sum(updates), 1) if updates else None,
            num_samples=self._num_samples,
        )

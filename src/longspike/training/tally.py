"""Loss, accuracy and firing rates over many batches, without a synchronisation per batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longspike.models.classifier import Classification


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

    def add(self, *, loss: Tensor, answer: Classification, labels: Tensor) -> None:
        """Count a batch."""
        batch = labels.shape[0]
        correct = (answer.logits.argmax(dim=-1) == labels).sum()
        parts = [loss.detach() * batch, correct, *(layer.num_spikes.detach() for layer in answer.activity)]
        sums = torch.stack([part.to(torch.float64) for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums
        self._num_samples += batch
        updates = [layer.num_updates for layer in answer.activity]
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

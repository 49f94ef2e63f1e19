"""Loss, accuracy and firing rates over many batches, without a synchronisation per batch."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a model does on a set of samples.

    Attributes:
        loss: mean loss. accuracy: share of right answers.
        layer_rates: spikes per neuron and step of every layer; empty for a network without spikes.
        num_samples: how many samples.
    """

    loss: float
    accuracy: float
    layer_rates: tuple[float, ...]
    num_samples: int

    @property
    def rate(self) -> float | None:
        """Spikes per neuron and step over all layers (which are equally wide); None without spikes."""
        return sum(self.layer_rates) / len(self.layer_rates) if self.layer_rates else None

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
        self._num_samples, self._num_steps = 0, 0

    @property
    def num_samples(self) -> int:
        """Samples added so far."""
        return self._num_samples

    def add(self, *, loss: Tensor, logits: Tensor, labels: Tensor, rates: tuple[Tensor, ...], num_steps: int) -> None:
        """Count a batch; `num_steps` valid steps stand behind its rates."""
        batch = labels.shape[0]
        correct = (logits.argmax(dim=-1) == labels).sum()
        parts = [loss.detach() * batch, correct, *(rate.detach() * num_steps for rate in rates)]
        sums = torch.stack([part.to(torch.float64) for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums
        self._num_samples += batch
        self._num_steps += num_steps

    def score(self) -> Score:
        """The means. Raises: ValueError if nothing was added."""
        if self._sums is None:
            raise ValueError("Tally.score: nothing was added yet; add at least one batch.")
        loss, correct, *rates = self._sums.tolist()
        return Score(
            loss=loss / self._num_samples,
            accuracy=correct / self._num_samples,
            layer_rates=tuple(rate / max(self._num_steps, 1) for rate in rates),
            num_samples=self._num_samples,
        )

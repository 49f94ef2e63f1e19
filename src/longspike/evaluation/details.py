"""What an evaluation adds to a score: confusion, silent neurons, early answers, counts of events, traces."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longspike.evaluation.metrics import confusion_matrix
from longspike.evaluation.result import AnytimePoint, Sample
from longspike.models.observation import EarlyAnswers, EventCounts, Observation


class Details:
    """Sums and traces over the batches seen so far.

    Args:
        num_classes: of the model. fractions: of the early answers, before the last point, which is 1.
        num_samples_kept: traces to keep, the first sample of each class met.
    """

    def __init__(self, *, num_classes: int, fractions: Sequence[float], num_samples_kept: int) -> None:
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.num_samples = self.num_steps = 0
        self.samples: list[Sample] = []
        self.events: EventCounts | None = None
        self._fractions, self._num_samples_kept = fractions, num_samples_kept
        self._neuron_spikes: list[Tensor] = []
        self._early: Tensor | None = None  # (2, points): right answers, and steps seen

    def add(self, seen: Observation, labels: Tensor) -> None:
        """Count a batch.

        Raises: ValueError if a label is not one of the model's classes.
        """
        predictions = seen.answer.logits.argmax(dim=-1)
        self.confusion += confusion_matrix(labels.cpu(), predictions.cpu(), num_classes=len(self.confusion))
        before = self._neuron_spikes or [torch.zeros_like(spikes) for spikes in seen.neuron_spikes]
        self._neuron_spikes = [a + b for a, b in zip(before, seen.neuron_spikes, strict=True)]
        if seen.early is not None:
            self._add_early(seen.early, labels)
        if seen.events is not None:
            total = self.events or EventCounts(0, 0)
            self.events = EventCounts(*(a + b for a, b in zip(total, seen.events, strict=True)))
        self._add_samples(seen, labels.tolist(), predictions.tolist())
        self.num_samples += len(labels)
        self.num_steps += seen.num_steps

    def _add_early(self, early: EarlyAnswers, labels: Tensor) -> None:
        hits = (early.logits.argmax(dim=-1) == labels[:, None]).sum(dim=0)
        sums = torch.stack([hits, early.steps.sum(dim=0)])
        self._early = sums if self._early is None else self._early + sums

    def _add_samples(self, seen: Observation, labels: list[int], predictions: list[int]) -> None:
        for row, (label, prediction) in enumerate(zip(labels, predictions, strict=True)):
            is_new = label not in {sample.label for sample in self.samples}
            if len(self.samples) < self._num_samples_kept and is_new and (trace := seen.trace(row)) is not None:
                place = self.num_samples + row
                self.samples.append(Sample(index=place, label=label, prediction=prediction, trace=trace))

    @property
    def silent_shares(self) -> tuple[float, ...]:
        """Of each layer, the share of the neurons that never fired; empty where they are not told apart."""
        return tuple(float((spikes == 0).double().mean()) for spikes in self._neuron_spikes)

    @property
    def anytime(self) -> tuple[AnytimePoint, ...]:
        """Accuracy against steps; the last point is the network's own answer. Empty without early answers."""
        if self._early is None:
            return ()
        hits, steps = (x.tolist() for x in self._early)
        points = zip(
            [*self._fractions, 1.0],
            [*steps, self.num_steps],
            [*hits, int(self.confusion.diagonal().sum())],
            strict=True,
        )
        n = self.num_samples
        return tuple(AnytimePoint(fraction=f, steps=seen / n, accuracy=hit / n) for f, seen, hit in points)

"""What an evaluation adds to a score: the task's details, silent neurons, early answers, counts of events, traces."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longspike.evaluation.result import AnytimePoint, Sample
from longspike.models.observation import Classification, EarlyAnswers, EventCounts, Observation
from longspike.tasks.definition import AbstractTask
from longspike.training.tally import Score, Tally, score_batch


class _Labelled(NamedTuple):
    labels: Tensor


class Details:
    """Sums and traces over the batches seen so far.

    Args:
        task: of the model. fractions: of the early answers, before the last point, which is 1.
        num_samples_kept: traces to keep; where labels are classes, the first sample of each class met.
    """

    def __init__(self, task: AbstractTask, *, fractions: Sequence[float], num_samples_kept: int) -> None:
        self.sums: dict[str, Tensor] = {}
        self.num_samples = self.num_steps = 0
        self.samples: list[Sample] = []
        self.events: EventCounts | None = None
        self._task, self._fractions, self._num_samples_kept = task, fractions, num_samples_kept
        self._neuron_spikes: list[Tensor] = []
        self._early = [Tally(task) for _ in fractions]
        self._early_steps: Tensor | None = None

    def add(self, seen: Observation, batch: Any) -> None:
        """Count a batch."""
        found = self._task.details(seen.answer.logits, batch)
        self.sums = {name: self.sums[name] + part if self.sums else part for name, part in found.items()}
        before = self._neuron_spikes or [torch.zeros_like(spikes) for spikes in seen.neuron_spikes]
        self._neuron_spikes = [a + b for a, b in zip(before, seen.neuron_spikes, strict=True)]
        if seen.early is not None:
            self._add_early(seen.early, batch.labels)
        if seen.events is not None:
            total = self.events or EventCounts(0, 0)
            self.events = EventCounts(*(a + b for a, b in zip(total, seen.events, strict=True)))
        self._add_samples(seen, batch)
        self.num_samples += len(batch.labels)
        self.num_steps += seen.num_steps

    def _add_early(self, early: EarlyAnswers, labels: Tensor) -> None:
        steps = early.steps.sum(dim=0)
        self._early_steps = steps if self._early_steps is None else self._early_steps + steps
        for k, tally in enumerate(self._early):
            answer = Classification(early.logits[:, k], ())
            tally.add(score_batch(self._task, answer, _Labelled(labels)))

    def _add_samples(self, seen: Observation, batch: Any) -> None:
        for row in range(len(batch.labels)):
            if len(self.samples) >= self._num_samples_kept:
                return
            label, prediction = self._task.judged(seen.answer.logits, batch, row)
            is_new = not isinstance(label, int) or label not in {sample.label for sample in self.samples}
            if is_new and (trace := seen.trace(row)) is not None:
                place = self.num_samples + row
                self.samples.append(Sample(index=place, label=label, prediction=prediction, trace=trace))

    @property
    def silent_shares(self) -> tuple[float, ...]:
        """Of each layer, the share of the neurons that never fired; empty where they are not told apart."""
        return tuple(float((spikes == 0).double().mean()) for spikes in self._neuron_spikes)

    def anytime(self, final: Score) -> tuple[AnytimePoint, ...]:
        """The task's first metric against steps; the last point is the network's own answer. Empty without early answers."""
        if self._early_steps is None:
            return ()
        name = self._task.metrics[0].name
        values = [tally.score().metrics[name] for tally in self._early] + [final.metrics[name]]
        steps = [*self._early_steps.tolist(), self.num_steps]
        n = self.num_samples
        points = zip([*self._fractions, 1.0], steps, values, strict=True)
        return tuple(AnytimePoint(fraction=f, steps=seen / n, value=value) for f, seen, value in points)

"""Loss, metrics and firing rates: of a batch, and over many without a synchronisation per batch."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from longspike.models.observation import Classification, LayerActivity
from longspike.tasks.definition import AbstractTask, ColumnErrors
from longspike.tasks.table import DEFAULT_TASK, task
from longspike.training.loaders import LabelledBatch


class BatchScore(NamedTuple):
    """How a network does on a batch.

    loss: a mean, differentiable. sums: what loss and metrics are made of, see `longspike.tasks.Measured`.
    num_samples: in the batch. activity: of every spiking layer.
    """

    loss: Tensor
    sums: dict[str, Tensor]
    num_samples: int
    activity: tuple[LayerActivity, ...]


def score_batch(
    task: AbstractTask, answer: Classification, batch: LabelledBatch, *, label_smoothing: float = 0.0
) -> BatchScore:
    """An answer against the labels of its batch: the one place that training, validation and evaluation ask.

    Raises: ValueError or TypeError if answer or labels are not those of the task.
    """
    loss, sums = task.measure(answer.logits, batch, label_smoothing=label_smoothing)
    return BatchScore(loss, sums, batch.labels.shape[0], answer.activity)


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a model does on a set of samples.

    Attributes:
        loss: mean loss. metrics: the task's, by name. task: its name.
        layer_rates: spikes per neuron update of every layer; empty for a network without spikes.
        rate: spikes per neuron update over all layers; None without spikes.
        num_samples: how many samples. columns: errors of values in the unit of the data, a column each.
    """

    loss: float
    metrics: dict[str, float]
    layer_rates: tuple[float, ...]
    rate: float | None
    num_samples: int
    task: str = DEFAULT_TASK
    columns: tuple[ColumnErrors, ...] = ()

    @property
    def accuracy(self) -> float:
        """The share of right answers. Raises: KeyError for a task that has none."""
        return self.metrics["accuracy"]

    def as_dict(self, prefix: str) -> dict[str, float]:
        """Named numbers for a log."""
        numbers = {f"{prefix}/loss": self.loss, **{f"{prefix}/{name}": x for name, x in self.metrics.items()}}
        if self.rate is not None:
            numbers[f"{prefix}/rate"] = self.rate
            numbers |= {f"{prefix}/rate_layer{k}": rate for k, rate in enumerate(self.layer_rates)}
        return numbers

    def rank(self, selection: str) -> tuple[float, ...]:
        """Larger is better: by a metric, see `AbstractTask.metric`, among equal ones by the loss; or by the loss alone."""
        metric = task(self.task).metric(selection)
        if metric is None:
            return (-self.loss,)
        value = self.metrics[metric.name]
        return (value if metric.is_higher_better else -value, -self.loss)


class Tally:
    """Sums on the device where the batches are; one transfer when it is read."""

    def __init__(self, task: AbstractTask) -> None:
        self._task = task
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._sums: Tensor | None = None
        self._sizes: dict[str, torch.Size] = {}
        self._num_samples = 0
        self._num_updates: list[int] = []

    @property
    def num_samples(self) -> int:
        """Samples added so far."""
        return self._num_samples

    def add(self, batch: BatchScore) -> None:
        """Count a batch."""
        parts = [*batch.sums.values(), *(layer.num_spikes.detach() for layer in batch.activity)]
        sums = torch.cat([part.to(torch.float64).flatten() for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums
        self._sizes = {name: part.shape for name, part in batch.sums.items()}
        self._num_samples += batch.num_samples
        updates = [layer.num_updates for layer in batch.activity]
        self._num_updates = [a + b for a, b in zip(self._num_updates or [0] * len(updates), updates, strict=True)]

    def score(self) -> Score:
        """The means. Raises: ValueError if nothing was added."""
        if self._sums is None:
            raise ValueError("Tally.score: nothing was added yet; add at least one batch.")
        sizes = [size.numel() for size in self._sizes.values()]
        *parts, fired = self._sums.cpu().split([*sizes, len(self._num_updates)])
        named = zip(self._sizes.items(), parts, strict=True)
        sums = {name: part.reshape(size) for (name, size), part in named}
        spikes, updates = fired.tolist(), self._num_updates
        return Score(
            loss=float(sums["loss"] / sums["count"]),
            metrics=self._task.figures(sums),
            layer_rates=tuple(s / max(n, 1) for s, n in zip(spikes, updates, strict=True)),
            rate=sum(spikes) / max(sum(updates), 1) if updates else None,
            num_samples=self._num_samples,
            task=self._task.name,
            columns=self._task.column_errors(sums),
        )

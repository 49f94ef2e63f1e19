"""What an evaluation found, as data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from longspike.energy import EnergyReport
from longspike.models.classifier import Summary
from longspike.models.observation import EventCounts, EventInput, Trace
from longspike.tasks.definition import ColumnErrors, Metric
from longspike.tasks.table import task


def _finite(value: float) -> float | None:
    """The value, or None if JSON has no number for it."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class AnytimePoint:
    """The first metric of the task of the running read-out after a fraction of every sample's steps, their mean number."""

    fraction: float
    steps: float
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFigure:
    """The metrics of a text, and the loss, with the state "carried" through all of it, or "reset" at every segment.

    seqlen: tokens of a segment; None where the state is carried, which gives one number however the text is cut.
    """

    state: str
    seqlen: int | None
    metrics: dict[str, float]
    loss: float

    @property
    def remark(self) -> str:
        """How, in words."""
        if self.seqlen is None:
            return "one state through all of the text"
        return f"every segment of {self.seqlen:,} begins in silence, as in most published figures"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        metrics = {name: _finite(value) for name, value in self.metrics.items()}
        return {"seqlen": self.seqlen, **metrics, "loss": _finite(self.loss)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """A sample that was kept: its position in the batches, its trace, and what it is and was taken for.

    label, prediction: two classes; where the task has labels of steps or values, two arrays.
    """

    index: int
    label: Any
    prediction: Any
    trace: Trace

    def to_json(self) -> dict[str, Any]:
        """Plain values, with numbers of steps or of events and ticks, and of spikes, instead of arrays."""
        trace = self.trace
        if isinstance(trace.x, EventInput):
            sizes = {"num_events": len(trace.x.t_us), "num_ticks": len(trace.times)}
        else:
            sizes = {"num_steps": len(trace.times)}
        spikes = [int(layer.sum()) for layer in trace.spikes]
        both = {"label": self.label, "prediction": self.prediction}
        classes = both if isinstance(self.label, int) else {}
        return {"index": self.index, **classes, **sizes, "num_spikes": spikes}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """All that `evaluate` measures.

    Attributes:
        task: the name of what was asked. num_samples, num_steps: samples, and their steps together: valid ones, of events
            those that hold one.
        metrics, loss: of the task, by name; its mean loss.
        confusion: rows are true classes. class_accuracy: recall, None for a class without samples. Empty without classes.
        sums: of the task, from which its tables are made.
        firing_rate: spikes per neuron update over all layers; layer_rates: of each layer; layer_names: their names.
        silent_share: share of the neurons that never fired, mean over the layers; layer_silent_shares: of each layer.
            None or empty for a dense network, and where neurons are not told apart, as in FLAMES over events.
        anytime: the first metric against steps seen; empty for a bidirectional network, for events and for answers a step.
        samples: traces, at most one a class where labels are classes.
        energy: both figures, at the measured rates; None for a network whose operations are not counted yet.
        events: what a network that reads events had to do; None for others.
        wall_s: time of the whole loop, in seconds.
        summary: the network in words. model: its configuration. num_outputs: of it; num_parameters: trained or not.
        versions, machine: strings.
        unit: of a language model what a token is, "byte", "character" or "word"; None where that is not known.
        by_state: of a text, with the state carried and reset.
        columns: errors of values in the unit of the data, a column each; none without values or a known normalisation.
    """

    task: str
    num_samples: int
    num_steps: int
    metrics: dict[str, float]
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    class_accuracy: tuple[float | None, ...]
    sums: Mapping[str, Tensor]
    firing_rate: float | None
    layer_rates: tuple[float, ...]
    layer_names: tuple[str, ...]
    silent_share: float | None
    layer_silent_shares: tuple[float, ...]
    anytime: tuple[AnytimePoint, ...]
    samples: tuple[Sample, ...]
    energy: EnergyReport | None
    events: EventCounts | None
    wall_s: float
    summary: Summary
    model: dict[str, Any]
    num_outputs: int
    num_parameters: int
    versions: dict[str, str]
    machine: dict[str, str | int]
    unit: str | None = None
    by_state: tuple[StateFigure, ...] = ()
    columns: tuple[ColumnErrors, ...] = ()

    @property
    def shown_metrics(self) -> tuple[Metric, ...]:
        """The metrics in the words of what a token is, the one for the head of a page first."""
        return task(self.task).metrics_in(self.unit)

    def in_unit(self, text: str) -> str:
        """Words about tokens, in those of the unit."""
        return text if self.unit is None else text.replace("token", self.unit)

    @property
    def accuracy(self) -> float:
        """The share recognised. Raises: KeyError for a task that has none."""
        return self.metrics["accuracy"]

    @property
    def mean_seqlen(self) -> float:
        """Mean number of steps of a sample."""
        return self.num_steps / self.num_samples

    @property
    def samples_per_s(self) -> float:
        """Samples over the time of the whole loop."""
        return self.num_samples / self.wall_s

    @property
    def steps_per_s(self) -> float:
        """Steps over the time of the whole loop."""
        return self.num_steps / self.wall_s

    @property
    def events_per_s(self) -> float | None:
        """Events over the time of the whole loop; None for a network that does not read events."""
        return None if self.events is None else self.events.num_events / self.wall_s

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; the samples without their arrays. The metrics stand by their names, None where
        nothing was counted; counts of events come only where there are.
        """
        left_out = ("events", "metrics", "sums", "by_state", "columns")
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in left_out}
        events = {} if self.events is None else {**self.events._asdict(), "events_per_s": self.events_per_s}
        return {
            **plain,
            **{name: _finite(value) for name, value in self.metrics.items()},
            "loss": _finite(self.loss),
            "samples_per_s": self.samples_per_s,
            "steps_per_s": self.steps_per_s,
            **events,
            "confusion": [list(row) for row in self.confusion],
            "anytime": [self._named(point) for point in self.anytime],
            "samples": [sample.to_json() for sample in self.samples],
            "energy": None if self.energy is None else self.energy.to_json(),
            "summary": self.summary._asdict(),
            **({"by_state": {each.state: each.to_json() for each in self.by_state}} if self.by_state else {}),
            **({"columns": [each.as_dict() for each in self.columns]} if self.columns else {}),
        }

    def _named(self, point: AnytimePoint) -> dict[str, float | None]:
        name = task(self.task).metrics[0].name
        return {"fraction": point.fraction, "steps": point.steps, name: _finite(point.value)}

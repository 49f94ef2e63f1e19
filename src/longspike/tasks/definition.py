"""What a task says of itself: what is learnt, what is minimised, how answers are judged and how they are told."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from longspike._core.normalisation import Factor
from longspike.errors import ConfigError


class Metric(NamedTuple):
    """A figure by which networks are compared.

    name: in logs and in JSON. title: on a page. is_higher_better: which way is up. remark: what it is, in a few words.
    style, short_style: how it is written on a page, and while a training runs, as Python's format() takes it.
    """

    name: str
    title: str
    is_higher_better: bool
    remark: str
    style: str = ".4g"
    short_style: str = ".3g"

    @property
    def label(self) -> str:
        """The title within a line: small letters, but for abbreviations."""
        return self.title if self.title[:2].isupper() else self.title[:1].lower() + self.title[1:]

    def text(self, value: float) -> str:
        """The value as a page shows it."""
        return format(value, self.style)

    def short_text(self, value: float) -> str:
        """The value as a line an epoch shows it."""
        return format(value, self.short_style)


class Meaning(NamedTuple):
    """What the outputs of a network mean.

    names: of the outputs. scale, shift: x = raw * scale + shift of the series that it reads, if known. output_scale,
    output_shift: output = number * scale + shift of the numbers a sample that it was taught.
    """

    names: tuple[str, ...]
    scale: Factor | None = None
    shift: Factor | None = None
    output_scale: float = 1.0
    output_shift: float = 0.0


class Measured(NamedTuple):
    """A batch measured.

    loss: what training minimises, a mean, differentiable. sums: whatever the figures are made of, added up over batches;
    "loss" and "count", the sum that `loss` is the mean of and the number of its parts, are always among them.
    """

    loss: Tensor
    sums: dict[str, Tensor]


class ColumnErrors(NamedTuple):
    """Errors of values of one column of the data, in the column's own unit; NaN where nothing was counted.

    name: of the column. mae, rmse: mean absolute error, and root of the mean squared error. naive_mae, naive_rmse: of the
    last value repeated, None where there is no such baseline.
    """

    name: str
    mae: float
    rmse: float
    naive_mae: float | None = None
    naive_rmse: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values; None for what is not known."""
        name, *figures = self
        known = [value if value is not None and isfinite(value) else None for value in figures]
        return dict(zip(self._fields, [name, *known], strict=True))

    @property
    def texts(self) -> tuple[str, str, str]:
        """For a row of a table: the name, the errors, and what to compare them with."""
        naive = (
            "" if self.naive_mae is None else f"; the last value: MAE {self.naive_mae:.4g}, RMSE {self.naive_rmse:.4g}"
        )
        return self.name, f"MAE {self.mae:.4g}, RMSE {self.rmse:.4g}", f"in its own unit{naive}"


class Judged(NamedTuple):
    """What a sample should have been and what it was taken for: two classes, or arrays over its steps or values."""

    label: Any
    prediction: Any


class Caption(NamedTuple):
    """Words about a sample: what it is, and how the answer did; is_right is None where an answer is more or less right."""

    text: str
    verdict: str
    is_right: bool | None = None


class Table(NamedTuple):
    """A table of a report: a title, what to know of it, the names of the columns, and rows of texts."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class AbstractTask(ABC):
    """What a network is asked to learn: all that training, evaluation, prediction and streams know of it.

    A new task is a subclass in a file of this room and a line in `longspike.tasks.table`. It holds no state that changes.

    A batch has `labels`; where the read-out is one a step it also has x and lengths (batch), the valid steps.

    Attributes:
        name: as a configuration says it. title: in words.
        reads_out: "sample", logits (batch, outputs), or "step", logits (batch, seqlen, outputs).
        has_classes: whether the outputs are classes, of which the softmax gives probabilities; else they are values.
        metrics: the figures of merit; the first one chooses the best weights, unless the training says another.
        loss_remark: what the loss is, in a few words.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reads_out: ClassVar[str]
    has_classes: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]]
    loss_remark: ClassVar[str]

    def meant(self, meaning: Meaning) -> "AbstractTask":
        """The task of a network whose outputs mean that: its figures are in the unit of the numbers that were taught."""
        return self

    def metric(self, selection: str) -> Metric | None:
        """What chooses the best weights: a metric by its name, by "task" the first one; None by "loss".

        Raises: ConfigError for another name.
        """
        by_name: dict[str, Metric | None] = {"task": self.metrics[0], "loss": None}
        by_name |= {metric.name: metric for metric in self.metrics}
        if selection not in by_name:
            names = ", ".join(map(repr, by_name))
            raise ConfigError(
                f"`training.selection` must be one of {names} for the task {self.name!r}; got {selection!r}."
            )
        return by_name[selection]

    def metrics_in(self, unit: str | None) -> tuple[Metric, ...]:
        """The metrics as a page shows them, the one for its head first, where a token is a `unit`, if that is known."""
        return self.metrics

    @abstractmethod
    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` are of this task and fit the outputs; on a GPU their values are not looked at."""

    @abstractmethod
    def measure(self, logits: Tensor, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """The loss of an answer, and the sums of which `figures` makes the metrics.

        Raises: ValueError or TypeError if logits or labels are not of this task.
        """

    @abstractmethod
    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """The metrics by name, in their order; NaN where nothing was counted."""

    def column_errors(self, sums: Mapping[str, Tensor]) -> tuple[ColumnErrors, ...]:
        """Errors in the unit of the data, a column each, from the sums of `measure`; none without values or a known unit."""
        return ()

    @abstractmethod
    def details(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """More sums over batches, for a report; "confusion" (classes, classes) is drawn as a matrix."""

    def tables(self, details: Mapping[str, Tensor], names: tuple[str, ...]) -> tuple[Table, ...]:
        """What the details come to; `names` are those of the outputs."""
        return ()

    @abstractmethod
    def shown(self, logits: Tensor) -> Tensor | None:
        """Logits (..., outputs) as a figure draws them; None if they are too many to be drawn."""

    @abstractmethod
    def judged(self, logits: Tensor, batch: Any, row: int) -> Judged:
        """A sample's label and prediction: whole numbers, or arrays."""

    @abstractmethod
    def caption(self, judged: Judged, names: tuple[str, ...]) -> Caption:
        """What `judged` comes to, in words."""

    @abstractmethod
    def predictions(self, logits: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[Any]:
        """The answers to a batch, one a sample, as `predict` gives them; lengths are those of padded sequences."""

    @abstractmethod
    def answer(self, logits: Tensor, meaning: Meaning) -> Any:
        """What logits (outputs) of a moment say, with `text` and `as_dict()`, as a stream gives it."""

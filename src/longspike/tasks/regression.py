"""Values a sample: squared error, RMSE, MAE, R2."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from longspike._core.checks import describe
from longspike.tasks.definition import ColumnErrors, Judged, Meaning, Measured, Metric, Table
from longspike.tasks.predictions import ValuePrediction, value_predictions
from longspike.tasks.values import (
    AbstractValueTask,
    check_values,
    error_figures,
    error_sums,
    errors_of_columns,
    squared_loss,
)


class Regression(AbstractValueTask):
    """Values a sample; labels (batch, outputs), NaN where a value is not known.

    loss = mean over what is known of (values[b, k] - labels[b, k])^2
    rmse = sqrt(loss);  mae = mean over what is known of |values[b, k] - labels[b, k]|
    r2 = mean over k of 1 - sum over b (values - labels)^2 / sum over b (labels - their mean)^2

    The loss is of the values as they are taught; what is told is in their own unit, (value - shift) / scale.
    """

    name = "regression"
    title = "values a sample"
    reads_out = "sample"
    metrics = (
        Metric("rmse", "RMSE", False, "root of the mean squared error, in the unit of the data"),
        Metric("mae", "MAE", False, "mean absolute error, in the same unit"),
        Metric("r2", "R2", True, "share of the variance explained, mean over the outputs", ".4f", ".3f"),
    )

    def _raw(self, x: Tensor) -> Tensor:
        return (x.detach().double() - self._meaning.output_shift) / self._meaning.output_scale

    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` (batch, outputs) are real numbers or NaN."""
        check_values(where, labels, num_outputs, axes="(batch, outputs)")

    def _targets(self, logits: Tensor, batch: Any) -> Tensor:
        if logits.dim() != 2:
            raise ValueError(
                f"regression: `logits` must have shape (batch, outputs); got {describe(logits)}. "
                'Use a model with pool="mean", or task="forecasting" for values a step.'
            )
        labels: Tensor = batch.labels
        self.check_labels("regression", labels, logits.shape[1])
        return labels

    def measure(self, logits: Tensor, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """Squared error and what the figures are made of; label_smoothing has no meaning here and is not read."""
        targets = self._targets(logits, batch)
        known = ~targets.isnan()
        loss, total, count = squared_loss(logits, targets, known)
        return Measured(loss, {"loss": total.detach(), "count": count, **self._error_sums(logits, targets, known)})

    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """RMSE, MAE and R2."""
        return error_figures(sums)

    def column_errors(self, sums: Mapping[str, Tensor]) -> tuple[ColumnErrors, ...]:
        """Errors of every output; none of a single one, whose errors are the figures."""
        names = self._meaning.names
        return errors_of_columns(sums, names, unit=1.0) if len(names) == sums["number"].numel() > 1 else ()

    def details(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """Errors per output."""
        targets = self._targets(logits, batch)
        return self._error_sums(logits, targets, ~targets.isnan())

    def _error_sums(self, logits: Tensor, targets: Tensor, known: Tensor) -> dict[str, Tensor]:
        return error_sums(self._raw(logits), self._raw(targets), known)

    def shown(self, logits: Tensor) -> Tensor:
        """The values in their own unit."""
        return self._raw(logits)

    def tables(self, details: Mapping[str, Tensor], names: tuple[str, ...]) -> tuple[Table, ...]:
        """Errors per output."""
        return (self._error_table(details, names, "Of each output, in its own unit."),)

    def judged(self, logits: Tensor, batch: Any, row: int) -> Judged:
        """True and predicted values, (outputs)."""
        return Judged(self._raw(batch.labels[row]).cpu().numpy(), self._raw(logits[row]).cpu().numpy())

    def predictions(self, logits: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[ValuePrediction]:
        """The values of every sample."""
        return value_predictions(self._raw(logits), None, meaning)

    def answer(self, logits: Tensor, meaning: Meaning) -> ValuePrediction:
        """The values by now."""
        return value_predictions(self._raw(logits[None]), None, meaning)[0]

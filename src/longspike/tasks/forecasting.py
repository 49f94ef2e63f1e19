"""The next values of a series at every step: squared error, against the last value as the naive forecast."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from longspike._core.checks import check_positive_int, describe
from longspike._core.lengths import length_mask
from longspike._core.normalisation import factor
from longspike.tasks.classification import ratio
from longspike.tasks.definition import ColumnErrors, Judged, Meaning, Measured, Metric, Table
from longspike.tasks.predictions import ValuePrediction, value_predictions
from longspike.tasks.step_labels import check_steps
from longspike.tasks.values import (
    AbstractValueTask,
    check_values,
    error_figures,
    error_sums,
    errors_of_columns,
    squared_loss,
)


def forecast_labels(x: Tensor, lengths: Tensor, *, horizon: int) -> Tensor:
    """The labels of a forecast: what comes in the next `horizon` steps.

        labels[b, t, j * channels + c] = x[b, t + 1 + j, c]  where t + 1 + j < lengths[b], NaN elsewhere

    Args:
        x: (batch, seqlen, channels), as the network reads it. lengths: (batch), valid steps. horizon: at least 1.
    Returns: (batch, seqlen, horizon * channels).

    Example:
        >>> x = torch.tensor([[[1.0], [2.0], [3.0]]])
        >>> forecast_labels(x, torch.tensor([3]), horizon=2)
        tensor([[[2., 3.],
                 [3., nan],
                 [nan, nan]]])
    """
    check_positive_int("forecast_labels", "horizon", horizon)
    if x.dim() != 3 or not x.is_floating_point():
        raise ValueError(
            f"forecast_labels: `x` must be real numbers of shape (batch, seqlen, channels); got {describe(x)}. "
            "Convert it with x.float()."
        )
    seqlen = x.shape[1]
    valid = torch.where(length_mask(lengths, seqlen)[..., None], x, torch.nan)
    beyond = x.new_full((x.shape[0], horizon, x.shape[2]), torch.nan)
    ahead = torch.cat([valid, beyond], dim=1)
    return torch.cat([ahead[:, 1 + j : 1 + j + seqlen] for j in range(horizon)], dim=2)


class Forecasting(AbstractValueTask):
    """The next values at every step; labels (batch, seqlen, horizon * d_input) as `forecast_labels` makes them, NaN where
    the future is not known.

        loss = mean over what is known of (values[b, t, k] - labels[b, t, k])^2
        naive_mae = mean over what is known of |x[b, t, k mod d_input] - labels[b, t, k]|: the last value, repeated
        skill = 1 - mae / naive_mae: 0 for the naive forecast, 1 for a perfect one

    These are of the series as the network reads it, x = raw * scale + shift. `column_errors` tells them of each column in
    its own unit, |raw error| = |error| / |scale|, beside those of the naive forecast.
    """

    name = "forecasting"
    title = "the next values at every step"
    reads_out = "step"
    metrics = (
        Metric("mae", "MAE", False, "mean absolute error, of the normalised series"),
        Metric("rmse", "RMSE", False, "root of the mean squared error, of the same"),
        Metric("naive_mae", "MAE of the last value", False, "of the naive forecast: the last value, repeated"),
        Metric("skill", "Skill", True, "1 - MAE / MAE of the last value", ".1%", ".1%"),
    )

    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` (batch, seqlen, outputs) are real numbers or NaN."""
        check_values(where, labels, num_outputs, axes="(batch, seqlen, outputs)")

    def _targets(self, logits: Tensor, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Labels, which of them are known, and the naive forecast, (batch, seqlen, outputs) each."""
        labels: Tensor = batch.labels
        if logits.dim() == 3:
            self.check_labels("forecasting", labels, logits.shape[2])
        check_steps("forecasting", logits, labels)
        x: Tensor = batch.x
        if x.dim() != 3 or logits.shape[2] % x.shape[2]:
            raise ValueError(
                f"forecasting: the outputs must be horizon * d_input, one a step ahead and input; got {logits.shape[2]} "
                f"outputs for {describe(x)}. Set num_outputs, or feed only what is forecast."
            )
        known = ~labels.isnan() & length_mask(batch.lengths, logits.shape[1])[..., None]
        return labels, known, x.repeat(1, 1, logits.shape[2] // x.shape[2])

    def measure(self, logits: Tensor, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """Squared error and what the figures are made of; label_smoothing has no meaning here and is not read."""
        targets, known, naive = self._targets(logits, batch)
        loss, total, count = squared_loss(logits, targets, known)
        sums = {"loss": total.detach(), "count": count, **error_sums(logits, targets, known)}
        misses, shape = error_sums(naive, targets, known), (-1, batch.x.shape[2])
        sums |= {f"naive_{name}": misses[name].reshape(shape) for name in ("abs_errors", "square_errors")}
        return Measured(loss, sums)

    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """MAE, RMSE, the naive MAE, and the skill."""
        found = error_figures(sums)
        naive = ratio(sums["naive_abs_errors"].sum(), sums["count"])
        skill = 1 - found["mae"] / naive if naive else float("nan")
        return {"mae": found["mae"], "rmse": found["rmse"], "naive_mae": naive, "skill": skill}

    def column_errors(self, sums: Mapping[str, Tensor]) -> tuple[ColumnErrors, ...]:
        """Errors of every column over all steps ahead, where the normalisation is known."""
        scale, columns = self._meaning.scale, sums["naive_abs_errors"].shape[-1]
        if scale is None or len(self._meaning.names) < columns:
            return ()
        names = [name.removesuffix(" +1") for name in self._meaning.names[:columns]]
        return errors_of_columns(sums, names, unit=1 / abs(torch.tensor(scale, dtype=torch.float64)))

    def details(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """Errors per output."""
        targets, known, _ = self._targets(logits, batch)
        return error_sums(logits, targets, known)

    def tables(self, details: Mapping[str, Tensor], names: tuple[str, ...]) -> tuple[Table, ...]:
        """Errors per output."""
        return (self._error_table(details, names, "Of each step ahead and input, normalised."),)

    def judged(self, logits: Tensor, batch: Any, row: int) -> Judged:
        """True and predicted values of the valid steps, (steps, outputs)."""
        own = slice(0, int(batch.lengths[row]))
        both = batch.labels[row, own], logits[row, own].detach()
        return Judged(*(x.double().cpu().numpy() for x in both))

    def predictions(self, logits: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[ValuePrediction]:
        """The forecasts at every sample's steps, in the unit of the raw series where the normalisation is known."""
        return value_predictions(_raw(logits, meaning), lengths, meaning)

    def answer(self, logits: Tensor, meaning: Meaning) -> ValuePrediction:
        """The forecast by now."""
        return value_predictions(_raw(logits[None], meaning), None, meaning)[0]


def _raw(values: Tensor, meaning: Meaning) -> Tensor:
    """raw = (x - shift) / scale, in float64."""
    if meaning.scale is None or meaning.shift is None:
        return values
    exact = values.double()
    return (exact - factor(meaning.shift, exact)) / factor(meaning.scale, exact)

"""What tasks whose outputs are real values have in common: squared errors over the values that are known."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike.tasks.classification import ratio
from longspike.tasks.definition import AbstractTask, Caption, ColumnErrors, Judged, Meaning, Table

MOST_ROWS = 40
"""Outputs in a table of a report; more are left out, and the note says so."""
ERROR_HEADER = ("output", "mean error", "MAE", "RMSE", "R2")


def check_values(where: str, labels: Tensor, num_outputs: int, *, axes: str) -> None:
    """Raise unless `labels` are real numbers with these axes, of which the last is the outputs'; NaN stands for unknown."""
    dims = axes.count(",") + 1
    is_real = isinstance(labels, Tensor) and labels.is_floating_point()
    if not is_real or labels.dim() != dims or labels.shape[-1] != num_outputs:
        raise TypeError(
            f"{where}: `labels` must be a tensor of real numbers {axes}, with {num_outputs} outputs and NaN where a value "
            f"is not known; got {describe(labels)}. Convert them with labels.float(), add a missing axis with "
            "labels[..., None]."
        )
    if labels.device.type == "cpu" and bool(labels.isinf().any()):
        raise ValueError(f"{where}: `labels` must be finite, or NaN where a value is not known; got infinity.")


def error_sums(values: Tensor, targets: Tensor, known: Tensor) -> dict[str, Tensor]:
    """Sums over all but the last axis, per output (outputs), float64.

    known[..., k] says which targets count. "errors" is the sum of values - targets, "targets" that of the targets; names
    with "abs_" and "square_" sum absolute values and squares; "number" is how many there are.
    """
    targets = torch.where(known, targets, 0).double()
    errors = torch.where(known, values.detach().double() - targets, 0)
    parts = {
        "number": known.double(),
        "errors": errors,
        "abs_errors": errors.abs(),
        "square_errors": errors.square(),
        "targets": targets,
        "square_targets": targets.square(),
    }
    return {name: part.flatten(0, -2).sum(dim=0) for name, part in parts.items()}


def r_squared(sums: Mapping[str, Tensor]) -> Tensor:
    """1 - sum of squared errors / sum of squared deviations of the targets from their mean, per output; NaN without any."""
    mean = sums["targets"] / sums["number"]
    spread = sums["square_targets"] - sums["number"] * mean.square()
    return 1 - sums["square_errors"] / torch.where(spread > 0, spread, torch.nan)


def error_rows(sums: Mapping[str, Tensor], names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Rows of ERROR_HEADER, an output each."""
    n = sums["number"]
    columns = sums["errors"] / n, sums["abs_errors"] / n, (sums["square_errors"] / n).sqrt(), r_squared(sums)
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return tuple((name, *(f"{value:.4g}" for value in values)) for name, *values in rows)[:MOST_ROWS]


def squared_loss(values: Tensor, targets: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and sum of (values - targets)^2 over what is known, and how much that is; differentiable, without NaN."""
    errors = torch.where(known, values - torch.where(known, targets, 0).to(values.dtype), 0)
    total, count = errors.square().sum(), known.sum()
    return total / count.clamp(min=1), total, count


def errors_of_columns(
    sums: Mapping[str, Tensor], names: Sequence[str], *, unit: float | Tensor
) -> tuple[ColumnErrors, ...]:
    """Errors of every column, in its unit, out of `error_sums`, and of "naive_abs_errors" and "naive_square_errors" if there
    are such; output k is of column k mod columns.

    Args: names: of the columns. unit: what one is in the unit of a column, a number or (columns).
    """

    def mean(name: str) -> Tensor:
        total, number = (sums[part].cpu().reshape(-1, len(names)).sum(dim=0) for part in (name, "number"))
        return total / number

    figures = [mean("abs_errors") * unit, mean("square_errors").sqrt() * unit]
    if "naive_abs_errors" in sums:
        figures += [mean("naive_abs_errors") * unit, mean("naive_square_errors").sqrt() * unit]
    return tuple(ColumnErrors(*row) for row in zip(names, *(figure.tolist() for figure in figures), strict=True))


class AbstractValueTask(AbstractTask):
    """Outputs are values: squared error, and figures of it.

    Args: meaning: of the values, by which errors are told in the unit of the data.
    """

    def __init__(self, meaning: Meaning = Meaning(())) -> None:  # noqa: B008 - a named tuple
        self._meaning = meaning

    def meant(self, meaning: Meaning) -> Self:
        """With the scale, the shift and the names of the values that were taught."""
        return type(self)(meaning)

    has_classes: ClassVar[bool] = False
    loss_remark: ClassVar[str] = "mean squared error"

    def shown(self, logits: Tensor) -> Tensor:
        """The values."""
        return logits

    def caption(self, judged: Judged, names: tuple[str, ...]) -> Caption:
        """The root of the mean squared error of the sample."""
        errors = (judged.prediction - judged.label).flatten()
        errors = errors[errors == errors]
        return Caption("", f"RMSE {float((errors**2).mean() ** 0.5):.4g}" if len(errors) else "no known value")

    def _error_table(self, details: Mapping[str, Tensor], names: tuple[str, ...], note: str) -> Table:
        left_out = f" The first {MOST_ROWS} of {len(names)} outputs." if len(names) > MOST_ROWS else ""
        return Table("Errors", note + left_out, ERROR_HEADER, error_rows(details, names))


def error_figures(sums: Mapping[str, Tensor]) -> dict[str, float]:
    """Over all outputs: RMSE and MAE of all values together, and the mean over the outputs of R2."""
    total = sums["number"].sum()
    return {
        "rmse": ratio(sums["square_errors"].sum(), total) ** 0.5,
        "mae": ratio(sums["abs_errors"].sum(), total),
        "r2": float(r_squared(sums).nanmean()),
    }

"""The evaluation as one HTML page that needs nothing else: no network, no script, images inside."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from longspike._core.extras import require
from longspike._core.files import replace_text
from longspike.evaluation.curves import read_curves
from longspike.evaluation.figures import anytime_figure, curve_figures, rates_figure
from longspike.evaluation.result import Evaluation, Sample
from longspike.evaluation.sample_figure import is_banded, sample_figure
from longspike.evaluation.sections import (
    OPERATIONS,
    cards,
    column_tables,
    confusion_rows,
    detail_rows,
    energy_rows,
    operation_rows,
    state_tables,
)
from longspike.tasks.definition import AbstractTask, Caption, Judged
from longspike.tasks.table import task

TEMPLATE = "report.html.j2"


def _class_names(evaluation: Evaluation, class_names: Sequence[str] | None) -> tuple[str, ...]:
    num_outputs = evaluation.num_outputs
    names = tuple(str(k) for k in range(num_outputs)) if class_names is None else tuple(class_names)
    if len(names) != num_outputs:
        raise ValueError(
            f"render_report: `class_names` must have {num_outputs} entries, one a class; got {len(names)}."
        )
    return names


def _anytime_image(evaluation: Evaluation, num_outputs: int) -> str:
    if not evaluation.anytime:
        return ""
    judge = task(evaluation.task)
    return anytime_figure(evaluation.anytime, judge.metrics[0], 1 / num_outputs if judge.has_classes else None)


def _shown(sample: Sample, judge: AbstractTask, names: tuple[str, ...]) -> tuple[Sample, Caption, str]:
    """A sample, the words about it and its figure."""
    caption = judge.caption(Judged(sample.label, sample.prediction), names)
    return sample, caption, sample_figure(sample, names, has_classes=judge.has_classes)


def render_report(
    evaluation: Evaluation,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: str | Path | None = None,
) -> str:
    """The page as text.

    Args:
        evaluation: what to show. title: headline. source: one sentence on the data.
        class_names: of the outputs, in their order; their numbers by default.
        run: a run folder, whose training curves (below run/logs) are drawn if there are any.
    Raises: ValueError if there is not one name per class; MissingExtraError without matplotlib or Jinja2.
    """
    names = _class_names(evaluation, class_names)
    jinja2 = require("jinja2", extra="viz", purpose="The report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("longspike.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    curves = {} if run is None else read_curves(Path(run))
    rates, energy, judge = evaluation.layer_rates, evaluation.energy, task(evaluation.task)
    page: str = template.render(
        title=title,
        evaluation=evaluation,
        energy=energy,
        class_names=names,
        cards=cards(evaluation),
        curves=curve_figures(curves, evaluation.shown_metrics),
        headline=evaluation.shown_metrics[0].title,
        anytime_image=_anytime_image(evaluation, len(names)),
        rates_image=rates_figure(rates, evaluation.layer_silent_shares, evaluation.layer_names) if rates else "",
        confusion=confusion_rows(evaluation, names),
        tables=(*state_tables(evaluation), *column_tables(evaluation), *judge.tables(evaluation.sums, names)),
        samples=[_shown(sample, judge, names) for sample in evaluation.samples],
        has_classes=judge.has_classes,
        are_classes=all(isinstance(sample.label, int) for sample in evaluation.samples),
        is_banded=any(is_banded(sample) for sample in evaluation.samples),
        energy_rows=[] if energy is None else energy_rows(energy),
        operation_names=tuple(OPERATIONS.values()),
        operation_rows=[] if energy is None else operation_rows(energy),
        details=detail_rows(evaluation, source),
    )
    return page


def write_report(
    evaluation: Evaluation,
    path: str | Path,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: str | Path | None = None,
) -> Path:
    """Write the page of `render_report` to `path`, making its folder; the path."""
    text = render_report(evaluation, title=title, class_names=class_names, source=source, run=run)
    replace_text(path, text)
    return Path(path)

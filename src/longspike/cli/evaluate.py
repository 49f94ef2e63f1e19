"""`longspike evaluate`: a saved model on a data set; a table, a JSON file and a page."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from longspike.cli.column_rows import column_rows
from longspike.cli.output import note, print_facts, print_json, print_line
from longspike.errors import ConfigError, FileWriteError, MissingExtraError

if TYPE_CHECKING:
    from longspike.energy import EnergyReport
    from longspike.evaluation import Evaluation, SavedEvaluation

Row = tuple[str, str, str]


def _energy_rows(energy: "EnergyReport | None") -> list[Row]:
    """Both figures against the dense twin's."""
    from longspike.evaluation.text import energy_text, saving_text

    if energy is None:
        return []
    figures = (("energy, mixing only", energy.mixing_only), ("energy, full", energy.full))
    return [
        (
            name,
            f"{energy_text(figure.per_sample_pj)} a sample",
            f"{saving_text(figure.saving)} below dense, {energy_text(figure.dense_per_sample_pj)}",
        )
        for name, figure in figures
    ]


def _event_rows(evaluation: "Evaluation") -> list[Row]:
    """How many events, steps and ticks a sample has."""
    n, events = evaluation.num_samples, evaluation.events
    if events is None:
        return []
    ticks = f"with events; {events.num_ticks / n:,.0f} of them tick the memory"
    return [
        ("events", f"{events.num_events / n:,.0f} a sample", f"{events.num_events:,} in all"),
        ("steps", f"{evaluation.mean_seqlen:,.0f} a sample", ticks),
    ]


def _rate_rows(evaluation: "Evaluation") -> list[Row]:
    """The firing rate of each layer, and of all."""
    from longspike.evaluation.text import share_text

    silent = [f"{share_text(share)} of the neurons never fire" for share in evaluation.layer_silent_shares]
    layers = zip(
        evaluation.layer_names, evaluation.layer_rates, silent or [""] * len(evaluation.layer_names), strict=True
    )
    rows = [(f"firing rate, {name}", share_text(rate), words) for name, rate, words in layers]
    return [*rows, ("firing rate", share_text(evaluation.firing_rate), "over all layers")] if rows else []


def _metric_rows(evaluation: "Evaluation") -> list[Row]:
    """The metrics of the task, and its loss."""
    from longspike.tasks import task

    remark, n, metrics = task(evaluation.task).loss_remark, evaluation.num_samples, evaluation.shown_metrics
    first, *others = [(each.label, each.text(evaluation.metrics[each.name]), each.remark) for each in metrics]
    states = [
        (f"{metrics[0].label}, state {each.state}", metrics[0].text(each.metrics[metrics[0].name]), each.remark)
        for each in evaluation.by_state
    ]
    loss = ("loss", f"{evaluation.loss:.4f}", evaluation.in_unit(remark))
    columns = column_rows(evaluation.columns)
    return [(*first[:2], f"{first[2]}; {n} samples"), *others, loss, *columns, *states]


def _facts(evaluation: "Evaluation") -> list[Row]:
    """Metrics, rates, energy and speed, with a blank line between the sections."""
    per_event = "" if evaluation.events_per_s is None else f", {evaluation.events_per_s:,.0f} events/s"
    sections: list[list[Row]] = [
        [*_metric_rows(evaluation), *_rate_rows(evaluation)],
        _energy_rows(evaluation.energy),
        _event_rows(evaluation),
        [
            (
                "speed",
                f"{evaluation.samples_per_s:,.0f} samples/s",
                f"{evaluation.wall_s:.1f} s, {evaluation.machine['torch_threads']} threads{per_event}",
            )
        ],
    ]
    first, *others = [rows for rows in sections if rows]
    return [*first, *(row for rows in others for row in (("", "", ""), *rows))]


def _remark(evaluation: "Evaluation") -> str:
    """What the figures mean."""
    counted = "dense: the same network with GELU; energy is computed, not measured"
    remark = counted if evaluation.energy else "energy is not counted yet for this network"
    return f"firing rate: {evaluation.summary.rate}; {remark}" if evaluation.layer_rates else remark


def _check_options(data: str | None, output: Path | None, report: Path | None, **counts: int | None) -> None:
    """Raise before the work: ConfigError for what cannot be meant, FileWriteError for places that cannot be written."""
    from longspike._core.files import check_place
    from longspike._core.mistakes import did_you_mean
    from longspike.data import available

    for name, count in counts.items():
        if count is not None and count < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be 1 or more; got {count}.")
    if data is not None and data not in available() and not Path(data).expanduser().exists():
        hint = did_you_mean(data, available())
        raise ConfigError(
            f"there is no data set {data!r}.{hint} Nor is there such a file. The data sets are: {', '.join(available())}."
        )
    if output is not None and output.suffix.lower() in (".html", ".htm"):
        raise ConfigError(f"--output is the JSON file, and {output} is named as a page. The page is --report.")
    if report is not None and report.suffix.lower() == ".json":
        raise ConfigError(f"--report is the HTML page, and {report} is named as JSON. The JSON file is --output.")
    for path in (output, report):
        if path is not None:
            check_place(path)


def _write_files(measured: "SavedEvaluation", output: Path | None, report: Path | None) -> list[Path]:
    """Write the files that were asked for, or without any both in the run folder, where one that cannot be is no failure."""
    if output is not None or report is not None:
        written = [] if output is None else [measured.write_json(output)]
        return written if report is None else [*written, measured.write_report(report)]
    written = []
    for write in (measured.write_json, measured.write_report):
        try:
            written.append(write())
        except MissingExtraError as error:
            note(f"no report: {error}")
        except FileWriteError as error:
            note(f"not kept: {error} Name other places with --output and --report.")
    return written


def evaluate(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    own: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[DATA]")] = None,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    batch_size: int | None = None,
    report: Path | None = None,
    output: Path | None = None,
    json: bool = False,
    limit: int | None = None,
    state: Literal["carried", "reset"] | None = None,
    seqlen: int | None = None,
) -> int:
    """Measure a saved model: the metrics of its task, spikes, energy and speed.

    Args:
        model: the folder of a saved model.
        own: a file or folder of your own, read as the data that the model was trained on, or the name of a data set.
        data: name of the data set; by default the one that the model was trained on.
        data_root: folder of the data files; by default LONGSPIKE_DATA, or ~/.cache/longspike/data.
        split: which part of the data set.
        batch_size: samples per batch; if not given 100 sequences, fewer if they are long, or 16 event samples.
        report: the HTML page. Without --report and --output both are written beside the model: report.html,
            evaluation.json.
        output: the JSON file.
        json: print the results as JSON instead of a table.
        limit: use only this many samples.
        state: of a text, carried: one state goes through all of it; reset: every segment begins in silence; if not given
            both are measured, and all else as the model was trained.
        seqlen: of a text, tokens of a segment; if not given 8,192 where the state is reset.
    """
    from longspike.cli.progress import count_bars
    from longspike.cli.waiting import Waiting

    with Waiting(f"{model}: loading PyTorch"):
        if own is not None and data is not None:
            raise ConfigError(f"DATA and --data both name the data: {own} and {data}. Give one of them.")
        data = own if data is None else data
        _check_options(data, output, report, batch_size=batch_size, limit=limit, seqlen=seqlen)
        from longspike.evaluation import evaluate_saved
    with count_bars() as bars:
        measured = evaluate_saved(
            model,
            data=data,
            data_root=data_root,
            split=split,
            batch_size=batch_size,
            limit=limit,
            carry_state=None if state is None else state == "carried",
            seqlen=seqlen,
            on_progress=partial(bars.update, "evaluating"),
        )
    try:  # first what costs nothing, and the files also where nobody takes it
        if json:
            print_json(measured.to_json())
        else:
            print_facts(_facts(measured.evaluation), title=measured.title, remark=_remark(measured.evaluation))
    finally:
        written = _write_files(measured, output, report)
    for path in written:
        if not json:
            print_line(f"wrote {path}", style="dim")
    return 0

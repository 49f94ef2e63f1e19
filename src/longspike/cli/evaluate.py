"""`longspike evaluate`: a saved model on a data set; a table, a JSON file and a page."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from longspike.cli.output import note, print_facts, print_json, print_line
from longspike.errors import MissingExtraError

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


def _facts(evaluation: "Evaluation") -> list[Row]:
    """Accuracy, rates, energy and speed, with a blank line between the sections."""
    from longspike.evaluation.text import share_text

    per_event = "" if evaluation.events_per_s is None else f", {evaluation.events_per_s:,.0f} events/s"
    sections: list[list[Row]] = [
        [
            ("accuracy", share_text(evaluation.accuracy, digits=2), f"{evaluation.num_samples} samples"),
            ("loss", f"{evaluation.loss:.4f}", "mean cross-entropy, nats"),
            *_rate_rows(evaluation),
        ],
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


def _write_report(measured: "SavedEvaluation", path: Path | None) -> Path | None:
    """Write the page; one that nobody asked for is left out, with a word on stderr, where its packages are missing."""
    try:
        return measured.write_report(path)
    except MissingExtraError as error:
        if path is not None:
            raise
        note(f"no report: {error}")
        return None


def evaluate(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    *,
    data: str | None = None,
    data_root: Path | None = None,
    split: str = "test",
    batch_size: int | None = None,
    report: Path | None = None,
    output: Path | None = None,
    json: bool = False,
    limit: int | None = None,
) -> int:
    """Measure a saved model: accuracy, spikes, energy and speed.

    Args:
        model: the folder of a saved model.
        data: name of the data set; by default the one that the model was trained on.
        data_root: folder of the data files; by default LONGSPIKE_DATA, or ~/.cache/longspike/data.
        split: train, val or test.
        batch_size: samples per batch; 100 sequences or 16 event samples if not given.
        report: the HTML page; by default report.html in the run folder, beside the model.
        output: the JSON file; by default evaluation.json in the run folder, beside the model.
        json: print the results as JSON instead of a table.
        limit: use only this many samples.
    """
    from longspike.cli.progress import count_bars
    from longspike.evaluation import evaluate_saved

    with count_bars() as bars:
        measured = evaluate_saved(
            model,
            data=data,
            data_root=data_root,
            split=split,
            batch_size=batch_size,
            limit=limit,
            on_progress=partial(bars.update, "evaluating"),
        )
    written = [measured.write_json(output), _write_report(measured, report)]
    if json:
        print_json(measured.to_json())
        return 0
    print_facts(_facts(measured.evaluation), title=measured.title, remark=_remark(measured.evaluation))
    for path in written:
        if path is not None:
            print_line(f"wrote {path}", style="dim")
    return 0

"""The evaluation on events as one HTML page that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path

from longspike.evaluation.curves import read_curves
from longspike.evaluation.event_figures import event_figure
from longspike.evaluation.event_result import EventEvaluation
from longspike.evaluation.figures import curves_figure, rates_figure
from longspike.evaluation.page import (
    ENERGY_NOTE,
    checked_names,
    confusion_rows,
    machine_rows,
    render,
    require_templates,
    sample_row,
    write,
)
from longspike.evaluation.text import share_text


def _cards(evaluation: EventEvaluation) -> list[dict[str, str]]:
    n = evaluation.num_samples
    right = round(evaluation.accuracy * n)
    per_sample = f"{evaluation.num_steps / n:,.0f} steps, {evaluation.num_ticks / n:,.0f} ticks of the memory"
    cards = (
        ("Accuracy", share_text(evaluation.accuracy, digits=2), f"{right:,} of {n:,} samples"),
        ("Firing rate", share_text(evaluation.firing_rate), "spikes per neuron update, all layers"),
        ("Events per sample", f"{evaluation.num_events / n:,.0f}", per_sample),
        ("Throughput", f"{evaluation.events_per_s:,.0f}/s", f"events; {evaluation.samples_per_s:,.1f} samples/s here"),
        ("Energy", "not counted", "no count of operations exists for this network yet"),
    )
    return [{"label": label, "value": value, "note": note} for label, value, note in cards]


def _details(evaluation: EventEvaluation, source: str) -> list[tuple[str, str]]:
    config = evaluation.model
    memory = config["memory"]
    front = f"{config['num_fronts']} front(s) of {config['channels']} channels, {config['num_branches']} branches"
    stack = f"{memory['num_layers']} memory blocks ({memory['kind']}), d_model {memory['d_model']}"
    width, height = config["sensor_size"]
    rows = [
        ("Network", f"{front}; {stack}, d_state {memory['d_state']}; {evaluation.num_parameters:,} parameters"),
        (
            "Input",
            f"{width}x{height} pixels, coordinates divided by {config['downsample']}, {config['step_us']} us a step",
        ),
        ("Data", source),
        ("Samples", f"{evaluation.num_samples:,} with {evaluation.num_events:,} events"),
        ("Loss", f"{evaluation.loss:.4f} nats, mean cross-entropy"),
        ("Time", f"{evaluation.wall_s:.2f} s for the whole pass, one run, data preparation and samples below included"),
        *machine_rows(evaluation.machine, evaluation.versions),
    ]
    return [(name, value) for name, value in rows if value]


def render_event_report(
    evaluation: EventEvaluation,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: Path | None = None,
) -> str:
    """The page as text; arguments and errors as for `render_report`."""
    names = checked_names("render_event_report", evaluation.confusion, class_names)
    require_templates()
    curves = {} if run is None else read_curves(run)
    versions = evaluation.versions
    return render(
        "event_report.html.j2",
        title=title,
        subtitle=f"FLAMES over events, {evaluation.num_parameters:,} parameters, longspike {versions['longspike']}",
        cards=_cards(evaluation),
        curves_image=curves_figure(curves) if curves else "",
        rates_image=rates_figure(evaluation.layer_rates, (), evaluation.layer_names),
        class_names=names,
        confusion=confusion_rows(evaluation.confusion, evaluation.class_accuracy, names),
        samples=[sample_row(sample, names, event_figure(sample, names)) for sample in evaluation.samples],
        energy_note=ENERGY_NOTE,
        details=_details(evaluation, source),
    )


def write_event_report(
    evaluation: EventEvaluation,
    path: str | Path,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: Path | None = None,
) -> Path:
    """Write the page of `render_event_report` to `path`, making its folder; the path."""
    text = render_event_report(evaluation, title=title, class_names=class_names, source=source, run=run)
    return write(path, text)

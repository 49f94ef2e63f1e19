"""The evaluation as one HTML page that needs nothing else: no network, no script, images inside."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from longspike._core.extras import require
from longspike.energy import EnergyReport, OperationCounts
from longspike.energy.counts import PARTS
from longspike.evaluation.curves import read_curves
from longspike.evaluation.figures import anytime_figure, curves_figure, rates_figure, sample_figure
from longspike.evaluation.result import Evaluation
from longspike.evaluation.text import count_text, energy_text, saving_text, share_text

OPERATIONS = {
    "mac": "MAC",
    "ac": "AC",
    "mul": "MUL",
    "add": "ADD",
    "compare": "compare",
    "special": "special",
}


def _cards(evaluation: Evaluation) -> list[dict[str, str]]:
    energy = evaluation.energy
    right = round(evaluation.accuracy * evaluation.num_samples)
    firing = (share_text(evaluation.firing_rate), "spikes per neuron and step")
    if evaluation.firing_rate is None:
        firing = ("dense", "real-valued activations, no spikes")
    cards = [
        ("Accuracy", share_text(evaluation.accuracy, digits=2), f"{right:,} of {evaluation.num_samples:,} samples"),
        ("Firing rate", *firing),
        (
            "Saving, mixing only",
            saving_text(energy.mixing_only.saving),
            "energy against the dense twin, as papers count",
        ),
        ("Saving, full", saving_text(energy.full.saving), "energy against the dense twin, all layers"),
        ("Energy per sample", energy_text(energy.full.per_sample_pj), f"full, computed; {energy.costs.name}"),
        ("Throughput", f"{evaluation.samples_per_s:,.0f}/s", f"samples; {evaluation.steps_per_s:,.0f} steps/s here"),
    ]
    return [{"label": label, "value": value, "note": note} for label, value, note in cards]


def _confusion(evaluation: Evaluation, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with counts and a shade in [0, 1]: a count's share of its class."""
    return [
        {
            "name": class_names[k],
            "accuracy": share_text(evaluation.class_accuracy[k]),
            "cells": [
                {"count": n, "is_hit": k == j, "shade": round(0.9 * (n / sum(row)) ** 0.6, 3) if n else 0}
                for j, n in enumerate(row)
            ],
        }
        for k, row in enumerate(evaluation.confusion)
    ]


def _energy_rows(energy: EnergyReport) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "step": energy_text(figure.per_step_pj),
            "dense_step": energy_text(figure.dense_per_step_pj),
            "sample": energy_text(figure.per_sample_pj),
            "dense_sample": energy_text(figure.dense_per_sample_pj),
            "saving": saving_text(figure.saving),
        }
        for name, figure in (("mixing only (papers' convention)", energy.mixing_only), ("full", energy.full))
    ]


def _operation_row(name: str, counts: OperationCounts, energy: EnergyReport, total_pj: float) -> dict[str, Any]:
    energy_pj = energy.costs.energy_pj(counts)
    return {
        "name": name,
        "cells": [count_text(getattr(counts, field)) for field in OPERATIONS],
        "bytes": count_text(counts.num_bytes),
        "energy": energy_text(energy_pj),
        "share": share_text(energy_pj / total_pj if total_pj else None),
        "is_total": False,
    }


def _operation_rows(energy: EnergyReport) -> list[dict[str, Any]]:
    """One row a part over all layers, the sum, and the dense twin's sum."""
    total = energy.counts.per_step(energy.seqlen)
    total_pj = energy.costs.energy_pj(total)
    rows = []
    for part in PARTS:
        selected = energy.counts.select(part=part)
        if selected.parts:
            rows.append(_operation_row(part, selected.per_step(energy.seqlen), energy, total_pj))
    dense = energy.dense_counts.per_step(energy.seqlen)
    sums = [_operation_row(name, c, energy, total_pj) for name, c in (("this network", total), ("dense twin", dense))]
    return rows + [{**row, "is_total": True} for row in sums]


def _details(evaluation: Evaluation, source: str) -> list[tuple[str, str]]:
    config, machine = evaluation.model, evaluation.machine
    shape = f"{config['num_layers']} blocks, d_model {config['d_model']}, d_state {config['d_state']}"
    direction = "bidirectional" if config["is_bidirectional"] else "causal"
    rows = [
        ("Network", f"{shape}, {direction}, {config['norm']} norm, {evaluation.num_parameters:,} parameters"),
        ("Neuron", ", ".join(f"{name} {value}" for name, value in config["neuron"].items() if value is not None)),
        ("Data", source),
        ("Samples", f"{evaluation.num_samples:,}, {evaluation.mean_seqlen:,.1f} steps on average"),
        ("Loss", f"{evaluation.loss:.4f} nats, mean cross-entropy"),
        ("Silent neurons", share_text(evaluation.silent_share)),
        ("Time", f"{evaluation.wall_s:.2f} s for the whole pass, one run, data preparation included"),
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores, {machine['torch_threads']} threads"),
        ("Device", f"{machine['device']}, {machine['system']}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in evaluation.versions.items())),
    ]
    return [(name, value) for name, value in rows if value]


def render_report(
    evaluation: Evaluation,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: Path | None = None,
) -> str:
    """The page as text.

    Args:
        evaluation: what to show. title: headline. source: one sentence on the data.
        class_names: in the order of the classes; their numbers by default.
        run: a run folder, whose training curves (below run/logs) are drawn if there are any.
    Raises: ValueError if there is not one name per class; MissingExtraError without matplotlib or Jinja2.
    """
    num_classes = len(evaluation.confusion)
    names = tuple(str(k) for k in range(num_classes)) if class_names is None else tuple(class_names)
    if len(names) != num_classes:
        raise ValueError(
            f"render_report: `class_names` must have {num_classes} entries, one a class; got {len(names)}."
        )
    jinja2 = require("jinja2", extra="viz", purpose="The report")
    template = files("longspike.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    curves = {} if run is None else read_curves(run)
    energy, rates = evaluation.energy, evaluation.layer_rates
    samples = [
        {
            "index": sample.index,
            "label": names[sample.label],
            "prediction": names[sample.prediction],
            "is_right": sample.label == sample.prediction,
            "image": sample_figure(sample, names),
        }
        for sample in evaluation.samples
    ]
    neuron = evaluation.model["neuron"]["kind"]
    return environment.from_string(template).render(
        title=title,
        subtitle=f"SpikeSSM with {neuron} neurons, {evaluation.num_parameters:,} parameters, "
        f"longspike {evaluation.versions['longspike']}",
        cards=_cards(evaluation),
        curves_image=curves_figure(curves) if curves else "",
        anytime_image=anytime_figure(evaluation.anytime, num_classes) if evaluation.anytime else "",
        rates_image=rates_figure(rates, evaluation.layer_silent_shares) if rates else "",
        class_names=names,
        confusion=_confusion(evaluation, names),
        samples=samples,
        energy_rows=_energy_rows(energy),
        operation_names=tuple(OPERATIONS.values()),
        operation_rows=_operation_rows(energy),
        cost_name=f"Costs: {energy.costs.name}",
        mean_seqlen=f"{evaluation.mean_seqlen:,.1f}",
        assumptions=energy.assumptions,
        details=_details(evaluation, source),
    )


def write_report(
    evaluation: Evaluation,
    path: str | Path,
    *,
    title: str = "Evaluation",
    class_names: Sequence[str] | None = None,
    source: str = "",
    run: Path | None = None,
) -> Path:
    """Write the page of `render_report` to `path`, making its folder; the path."""
    text = render_report(evaluation, title=title, class_names=class_names, source=source, run=run)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path

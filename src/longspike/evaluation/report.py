"""The evaluation as one HTML page that needs nothing else: no network, no script, images inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longspike.energy import EnergyReport, OperationCounts
from longspike.energy.counts import PARTS
from longspike.evaluation.curves import read_curves
from longspike.evaluation.figures import anytime_figure, curves_figure, rates_figure, sample_figure
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


def _energy_cards(energy: EnergyReport | None) -> list[tuple[str, str, str]]:
    if energy is None:
        return [("Energy", "not counted", "no count of operations exists for this network yet")]
    mixing, full = saving_text(energy.mixing_only.saving), saving_text(energy.full.saving)
    per_sample = energy_text(energy.full.per_sample_pj)
    return [
        ("Saving, mixing only", mixing, "energy against the dense twin, as papers count"),
        ("Saving, full", full, "energy against the dense twin, all layers"),
        ("Energy per sample", per_sample, f"full, computed; {energy.costs.name}"),
    ]


def _energy(evaluation: Evaluation) -> dict[str, Any]:
    """What the section on energy shows."""
    energy = evaluation.energy
    if energy is None:
        return {"energy_rows": [], "energy_note": ENERGY_NOTE}
    return {
        "energy_rows": _energy_rows(energy),
        "energy_note": "",
        "operation_names": tuple(OPERATIONS.values()),
        "operation_rows": _operation_rows(energy),
        "cost_name": f"Costs: {energy.costs.name}",
        "mean_seqlen": f"{evaluation.mean_seqlen:,.1f}",
        "assumptions": energy.assumptions,
    }


def _network(config: dict[str, Any], num_parameters: int) -> list[tuple[str, str]]:
    """The network in words: a SpikeSSM, or FLAMES over sequences."""
    if "memory" in config:
        memory = config["memory"]
        shape = f"{memory['num_layers']} memory blocks, d_model {memory['d_model']}, d_state {memory['d_state']}"
        return [
            (
                "Network",
                f"dendritic layer with {config['num_branches']} branches, {shape}, {num_parameters:,} parameters",
            )
        ]
    shape = f"{config['num_layers']} blocks, d_model {config['d_model']}, d_state {config['d_state']}"
    direction = "bidirectional" if config["is_bidirectional"] else "causal"
    neuron = ", ".join(f"{name} {value}" for name, value in config["neuron"].items() if value is not None)
    return [
        ("Network", f"{shape}, {direction}, {config['norm']} norm, {num_parameters:,} parameters"),
        ("Neuron", neuron),
    ]


def _cards(evaluation: Evaluation) -> list[dict[str, str]]:
    right = round(evaluation.accuracy * evaluation.num_samples)
    firing = (share_text(evaluation.firing_rate), "spikes per neuron and step")
    if evaluation.firing_rate is None:
        firing = ("dense", "real-valued activations, no spikes")
    cards = [
        ("Accuracy", share_text(evaluation.accuracy, digits=2), f"{right:,} of {evaluation.num_samples:,} samples"),
        ("Firing rate", *firing),
        *_energy_cards(evaluation.energy),
        ("Throughput", f"{evaluation.samples_per_s:,.0f}/s", f"samples; {evaluation.steps_per_s:,.0f} steps/s here"),
    ]
    return [{"label": label, "value": value, "note": note} for label, value, note in cards]


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
    rows = [
        *_network(evaluation.model, evaluation.num_parameters),
        ("Data", source),
        ("Samples", f"{evaluation.num_samples:,}, {evaluation.mean_seqlen:,.1f} steps on average"),
        ("Loss", f"{evaluation.loss:.4f} nats, mean cross-entropy"),
        ("Silent neurons", share_text(evaluation.silent_share)),
        ("Time", f"{evaluation.wall_s:.2f} s for the whole pass, one run, data preparation included"),
        *machine_rows(evaluation.machine, evaluation.versions),
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
    names = checked_names("render_report", evaluation.confusion, class_names)
    require_templates()
    curves = {} if run is None else read_curves(run)
    rates, layers = evaluation.layer_rates, evaluation.layer_names
    kind = f"SpikeSSM with {evaluation.model['neuron']['kind']} neurons" if "neuron" in evaluation.model else "FLAMES"
    return render(
        "report.html.j2",
        title=title,
        subtitle=f"{kind}, {evaluation.num_parameters:,} parameters, longspike {evaluation.versions['longspike']}",
        cards=_cards(evaluation),
        curves_image=curves_figure(curves) if curves else "",
        anytime_image=anytime_figure(evaluation.anytime, len(names)) if evaluation.anytime else "",
        rates_image=rates_figure(rates, evaluation.layer_silent_shares, layers) if rates else "",
        class_names=names,
        confusion=confusion_rows(evaluation.confusion, evaluation.class_accuracy, names),
        samples=[sample_row(sample, names, sample_figure(sample, names, layers)) for sample in evaluation.samples],
        details=_details(evaluation, source),
        **_energy(evaluation),
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
    return write(path, render_report(evaluation, title=title, class_names=class_names, source=source, run=run))

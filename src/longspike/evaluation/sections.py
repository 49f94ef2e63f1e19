"""The rows of the page's tables: confusion, energy, operations, and how it was measured."""

from collections.abc import Sequence
from typing import Any

from longspike.energy import EnergyReport, OperationCounts
from longspike.energy.counts import PARTS
from longspike.evaluation.result import Evaluation
from longspike.evaluation.text import count_text, energy_text, saving_text, share_text
from longspike.tasks.definition import Table
from longspike.tasks.table import task
from longspike.tasks.values import MOST_ROWS

OPERATIONS = {
    "mac": "MAC",
    "ac": "AC",
    "mul": "MUL",
    "add": "ADD",
    "compare": "compare",
    "special": "special",
}


def confusion_rows(evaluation: Evaluation, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with counts and a shade in [0, 1]: a count's share of its class."""
    return [
        {
            "name": class_names[k],
            "accuracy": share_text(evaluation.class_accuracy[k]),
            "cells": [
                {"count": n, "is_hit": k == j, "shade": round(0.85 * (n / sum(row)) ** 0.6, 3) if n else 0}
                for j, n in enumerate(row)
            ],
        }
        for k, row in enumerate(evaluation.confusion)
    ]


def energy_rows(energy: EnergyReport) -> list[dict[str, str]]:
    """Both figures, a row each."""
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


def operation_rows(energy: EnergyReport) -> list[dict[str, Any]]:
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


def detail_rows(evaluation: Evaluation, source: str) -> list[tuple[str, str]]:
    """What was measured, on what and with what, as headings and texts."""
    machine, versions, events = evaluation.machine, evaluation.versions, evaluation.events
    judge = task(evaluation.task)
    size = f"{evaluation.mean_seqlen:,.1f} steps on average" if events is None else f"{events.num_events:,} events"
    rows = [
        *evaluation.summary.rows.items(),
        ("Parameters", f"{evaluation.num_parameters:,}"),
        ("Data", source),
        ("Samples", f"{evaluation.num_samples:,}, {size}"),
        *((metric.title, metric.text(evaluation.metrics[metric.name])) for metric in evaluation.shown_metrics[1:]),
        ("Loss", f"{evaluation.loss:.4f}, {evaluation.in_unit(judge.loss_remark)}"),
        ("Silent neurons", "" if evaluation.silent_share is None else share_text(evaluation.silent_share)),
        ("Time", f"{evaluation.wall_s:.2f} s for the whole pass, one run, data preparation and samples above included"),
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores, {machine['torch_threads']} threads"),
        ("Device", f"{machine['device']}, {machine['system']}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]
    return [(name, value) for name, value in rows if value]


def cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The figures at the head of the page: a label, a value, a note."""
    n, events, headline = evaluation.num_samples, evaluation.events, evaluation.shown_metrics[0]
    firing = (share_text(evaluation.firing_rate), evaluation.summary.rate)
    if evaluation.firing_rate is None:
        firing = ("dense", "real-valued activations, no spikes")
    found = [
        (headline.title, headline.text(evaluation.metrics[headline.name]), f"{headline.remark}; {n:,} samples"),
        ("Firing rate", *firing),
        *_energy_cards(evaluation.energy),
    ]
    if events is None:
        note = f"samples; {evaluation.steps_per_s:,.0f} steps/s here"
        return [*found, ("Throughput", f"{evaluation.samples_per_s:,.0f}/s", note)]
    steps = f"{evaluation.mean_seqlen:,.0f} steps, {events.num_ticks / n:,.0f} ticks of the memory"
    note = f"events; {evaluation.samples_per_s:,.1f} samples/s here"
    found.append(("Events per sample", f"{events.num_events / n:,.0f}", steps))
    return [*found, ("Throughput", f"{evaluation.events_per_s:,.0f}/s", note)]


def state_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """A text with the state carried and reset; none without such figures."""
    if not evaluation.by_state:
        return ()
    metrics = evaluation.shown_metrics
    rows = tuple(
        (each.state, *(metric.text(each.metrics[metric.name]) for metric in metrics), f"{each.loss:.4f}", each.remark)
        for each in evaluation.by_state
    )
    header = ("state", *(metric.label for metric in metrics), "nats", "how")
    return (Table("State carried and reset", "Say which of the two a figure is.", header, rows),)


def column_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Errors of values in the unit of the data; none without such figures."""
    if not evaluation.columns:
        return ()
    header: tuple[str, ...] = ("column", "MAE", "RMSE", "MAE of the last value", "RMSE of the last value")
    has_baseline = evaluation.columns[0].naive_mae is not None
    rows = [(each.name, *(f"{x:.4g}" for x in each[1:] if x is not None)) for each in evaluation.columns[:MOST_ROWS]]
    left_out = f" The first {MOST_ROWS} of {len(evaluation.columns)}." if len(evaluation.columns) > MOST_ROWS else ""
    note = f"Of each column, in its own unit.{left_out}"
    return (Table("Errors in the unit of the data", note, header if has_baseline else header[:3], tuple(rows)),)


def _energy_cards(energy: EnergyReport | None) -> list[tuple[str, str, str]]:
    if energy is None:  # said in its section; a figure that does not exist is no headline
        return []
    mixing, full = saving_text(energy.mixing_only.saving), saving_text(energy.full.saving)
    per_sample = energy_text(energy.full.per_sample_pj)
    return [
        ("Saving, mixing only", mixing, "energy against the dense twin, as papers count"),
        ("Saving, full", full, "energy against the dense twin, all layers"),
        ("Energy per sample", per_sample, f"full, computed; {energy.costs.name}"),
    ]

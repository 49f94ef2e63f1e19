"""`longspike evaluate`: a saved model on a data set; a table, a JSON file and a page."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike._core.errors import ConfigError, MissingExtraError
from longspike.cli.output import note

if TYPE_CHECKING:
    from rich.table import Table

    from longspike.data import DataBundle, Split
    from longspike.evaluation import Evaluation
    from longspike.models import SpikeSSM

SPLITS = ("train", "val", "test")


def _data_name(model: Path, data: str | None) -> str:
    """The name given, or else the one that the model was saved with."""
    from longspike.models import checkpoint

    if data is not None:
        return data
    name = checkpoint.read_description(model)["metadata"].get("data")
    if not isinstance(name, str):
        raise ConfigError(f"{model} does not say which data it was trained on. Name the data set with --data.")
    return name


def _check_fit(model: "SpikeSSM", bundle: "DataBundle") -> None:
    """Raise unless the model reads this data's features and knows its classes."""
    config = model.config
    if config.encoder != "linear" or config.d_input != bundle.d_input:
        unit = "features a step" if config.encoder == "linear" else "kinds of tokens"
        raise ConfigError(
            f"the model reads {config.d_input} {unit}; "
            f"the data set {bundle.name!r} has {bundle.d_input} features a step. Choose another with --data."
        )
    if config.num_outputs != bundle.num_classes:
        raise ConfigError(
            f"the model has {config.num_outputs} outputs; the data set {bundle.name!r} has {bundle.num_classes} "
            "classes. Choose another with --data."
        )


def _choose(bundle: "DataBundle", split: str, limit: int | None) -> "Split":
    import torch

    from longspike._core.checks import check_choice, check_positive_int

    check_choice("evaluate", "split", split, SPLITS)
    chosen: Split = getattr(bundle, split)
    if limit is None:
        return chosen
    check_positive_int("evaluate", "limit", limit)
    return chosen.select(torch.arange(min(limit, len(chosen))))


def _run(model: "SpikeSSM", split: "Split", batch_size: int) -> "Evaluation":
    """Evaluate with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from longspike.data import BatchLoader
    from longspike.evaluation import evaluate_model

    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=len(split))
        loader = BatchLoader(split, batch_size=batch_size, shuffle=False, seed=0)
        return evaluate_model(model, loader, on_progress=lambda done: progress.update(task, completed=done))


def build_table(evaluation: "Evaluation", title: str) -> "Table":
    """Accuracy, rates and both energy figures, for the terminal."""
    from rich.table import Table

    from longspike.evaluation.text import energy_text, saving_text, share_text

    table = Table(title=title, show_header=False, title_justify="left", title_style="bold not italic")
    table.caption = "dense: the same network with GELU; energy is computed, not measured"
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row(
        "accuracy", f"[bold]{share_text(evaluation.accuracy, digits=2)}[/]", f"{evaluation.num_samples} samples"
    )
    table.add_row("loss", f"{evaluation.loss:.4f}", "mean cross-entropy, nats")
    for k, rate in enumerate(evaluation.layer_rates):
        silent = share_text(evaluation.layer_silent_shares[k])
        table.add_row(f"firing rate, block {k + 1}", share_text(rate), f"{silent} of the neurons never fire")
    if evaluation.firing_rate is not None:
        table.add_row("firing rate", share_text(evaluation.firing_rate), "mean over the blocks")
    table.add_section()
    energy = evaluation.energy
    for name, figure in (("energy, mixing only", energy.mixing_only), ("energy, full", energy.full)):
        dense = energy_text(figure.dense_per_sample_pj)
        value = f"{energy_text(figure.per_sample_pj)} a sample"
        table.add_row(name, value, f"{saving_text(figure.saving)} below dense, {dense}")
    table.add_section()
    speed = f"{evaluation.samples_per_s:,.0f} samples/s"
    table.add_row("speed", speed, f"{evaluation.wall_s:.1f} s, {evaluation.machine['torch_threads']} threads")
    return table


def _write_page(evaluation: "Evaluation", path: Path, *, is_asked_for: bool, page: dict[str, Any]) -> Path | None:
    """Write the page; one that nobody asked for is left out, with a word on stderr, where its packages are missing."""
    from longspike.evaluation import write_report

    try:
        return write_report(evaluation, path, **page)
    except MissingExtraError as error:
        if is_asked_for:
            raise
        note(f"no report: {error}")
        return None


def evaluate(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    *,
    data: str | None = None,
    data_root: Path | None = None,
    split: str = "test",
    batch_size: int = 100,
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
        batch_size: samples per batch.
        report: the HTML page; by default report.html in the run folder, beside the model.
        output: the JSON file; by default evaluation.json in the run folder, beside the model.
        json: print the results as JSON instead of a table.
        limit: use only this many samples.
    """
    from rich.console import Console

    from longspike.data import load_sequences
    from longspike.models import load as load_model

    run = model.resolve().parent
    network = load_model(model)
    bundle = load_sequences(_data_name(model, data), root=data_root)
    _check_fit(network, bundle)
    evaluation = _run(network, _choose(bundle, split, limit), batch_size)

    content = {"data": bundle.name, "split": split, "limit": limit, **evaluation.to_json()}
    text = json_module.dumps(content, indent=2, allow_nan=False)
    output = output or run / "evaluation.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
    title = f"{bundle.name}, {split} split"
    page = {"title": title, "class_names": bundle.class_names, "source": bundle.source, "run": run}
    written = _write_page(evaluation, report or run / "report.html", is_asked_for=report is not None, page=page)

    if json:
        print(text)
        return 0
    console = Console(soft_wrap=True)
    console.print(build_table(evaluation, title))
    for path in (output, written):
        if path is not None:
            console.print(f"wrote {path}", style="dim", highlight=False, markup=False)
    return 0

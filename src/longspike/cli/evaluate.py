"""`longspike evaluate`: a saved model on a data set; a table, a JSON file and a page."""

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import note
from longspike.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rich.table import Table

    from longspike.data import AnyEventSplit, DataBundle, EventBundle, Split
    from longspike.evaluation import Evaluation, EventEvaluation
    from longspike.models import Flames, FlamesSequence, SpikeSSM

SPLITS = ("train", "val", "test")
BATCH_SIZE, EVENT_BATCH_SIZE = 100, 16


def _data_name(model: Path, data: str | None) -> str:
    """The name given, or else the one that the model was saved with."""
    from longspike.models import checkpoint

    if data is not None:
        return data
    name = checkpoint.read_description(model)["metadata"].get("data")
    if not isinstance(name, str):
        raise ConfigError(f"{model} does not say which data it was trained on. Name the data set with --data.")
    return name


def _check_classes(num_outputs: int, bundle: "DataBundle | EventBundle") -> None:
    if num_outputs != bundle.num_classes:
        raise ConfigError(
            f"the model has {num_outputs} outputs; the data set {bundle.name!r} has {bundle.num_classes} "
            "classes. Choose another with --data."
        )


def _check_fit(model: "SpikeSSM | FlamesSequence", bundle: "DataBundle") -> None:
    """Raise unless the model reads this data's features and knows its classes."""
    config = model.config
    is_linear = getattr(config, "encoder", "linear") == "linear"
    if not is_linear or config.d_input != bundle.d_input:
        unit = "features a step" if is_linear else "kinds of tokens"
        raise ConfigError(
            f"the model reads {config.d_input} {unit}; "
            f"the data set {bundle.name!r} has {bundle.d_input} features a step. Choose another with --data."
        )
    _check_classes(config.num_outputs, bundle)


def _check_fit_events(model: "Flames", bundle: "EventBundle") -> None:
    """Raise unless the model reads this sensor's events and knows its classes."""
    sizes = [f"{width}x{height}" for width, height in (model.config.sensor_size, bundle.sensor_size)]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            f"the model reads events of {sizes[0]} pixels; the data set {bundle.name!r} has {sizes[1]}. "
            "Choose another with --data."
        )
    _check_classes(model.config.num_outputs, bundle)


def _choose(bundle: "DataBundle | EventBundle", split: str, limit: int | None) -> "Split | AnyEventSplit":
    import torch

    from longspike._core.checks import check_choice, check_positive_int

    check_choice("evaluate", "split", split, SPLITS)
    chosen: Split | AnyEventSplit = getattr(bundle, split)
    if limit is None:
        return chosen
    check_positive_int("evaluate", "limit", limit)
    return chosen.select(torch.arange(min(limit, len(chosen))))


def _run(measure: Callable[..., Any], model: Any, split: Any, batch_size: int) -> Any:
    """Evaluate with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from longspike.data import BatchLoader

    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=len(split))
        loader: Any = BatchLoader(split, batch_size=batch_size, shuffle=False, seed=0)
        return measure(model, loader, on_progress=lambda done: progress.update(task, completed=done))


def _empty_table(title: str, caption: str) -> "Table":
    from rich.table import Table

    table = Table(title=title, caption=caption, show_header=False, title_justify="left", title_style="bold not italic")
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    return table


def build_event_table(evaluation: "EventEvaluation", title: str) -> "Table":
    """Accuracy, rates and counts of an evaluation on events, for the terminal."""
    from longspike.evaluation.text import share_text

    n = evaluation.num_samples
    table = _empty_table(title, "firing rate: spikes per neuron update; energy is not counted yet for FLAMES")
    table.add_row("accuracy", f"[bold]{share_text(evaluation.accuracy, digits=2)}[/]", f"{n} samples")
    table.add_row("loss", f"{evaluation.loss:.4f}", "mean cross-entropy, nats")
    for name, rate in zip(evaluation.layer_names, evaluation.layer_rates, strict=True):
        where = "where events touch" if name.startswith("front") else "at every tick"
        table.add_row(f"firing rate, {name}", share_text(rate), where)
    table.add_row("firing rate", share_text(evaluation.firing_rate), "over all updates")
    table.add_section()
    table.add_row("events", f"{evaluation.num_events / n:,.0f} a sample", f"{evaluation.num_events:,} in all")
    steps = f"{evaluation.num_steps / n:,.0f} a sample"
    table.add_row("steps", steps, f"with events; {evaluation.num_ticks / n:,.0f} of them tick the memory")
    table.add_section()
    speed, threads = f"{evaluation.samples_per_s:,.1f} samples/s", evaluation.machine["torch_threads"]
    table.add_row("speed", speed, f"{evaluation.events_per_s:,.0f} events/s")
    table.add_row("time", f"{evaluation.wall_s:.1f} s", f"{threads} threads")
    return table


def build_table(evaluation: "Evaluation", title: str) -> "Table":
    """Accuracy, rates and both energy figures, for the terminal."""
    from longspike.evaluation.text import energy_text, saving_text, share_text

    energy = evaluation.energy
    caption = "dense: the same network with GELU; energy is computed, not measured"
    table = _empty_table(title, caption if energy is not None else "energy is not counted yet for FLAMES")
    table.add_row(
        "accuracy", f"[bold]{share_text(evaluation.accuracy, digits=2)}[/]", f"{evaluation.num_samples} samples"
    )
    table.add_row("loss", f"{evaluation.loss:.4f}", "mean cross-entropy, nats")
    for k, (name, rate) in enumerate(zip(evaluation.layer_names, evaluation.layer_rates, strict=True)):
        silent = share_text(evaluation.layer_silent_shares[k])
        table.add_row(f"firing rate, {name}", share_text(rate), f"{silent} of the neurons never fire")
    if evaluation.firing_rate is not None:
        table.add_row("firing rate", share_text(evaluation.firing_rate), "mean over the layers")
    table.add_section()
    if energy is not None:
        for name, figure in (("energy, mixing only", energy.mixing_only), ("energy, full", energy.full)):
            dense = energy_text(figure.dense_per_sample_pj)
            value = f"{energy_text(figure.per_sample_pj)} a sample"
            table.add_row(name, value, f"{saving_text(figure.saving)} below dense, {dense}")
        table.add_section()
    speed = f"{evaluation.samples_per_s:,.0f} samples/s"
    table.add_row("speed", speed, f"{evaluation.wall_s:.1f} s, {evaluation.machine['torch_threads']} threads")
    return table


def _write_page(
    write: Callable[..., Path], evaluation: Any, path: Path, *, is_asked_for: bool, page: dict[str, Any]
) -> Path | None:
    """Write the page; one that nobody asked for is left out, with a word on stderr, where its packages are missing."""
    try:
        return write(evaluation, path, **page)
    except MissingExtraError as error:
        if is_asked_for:
            raise
        note(f"no report: {error}")
        return None


def _kind(
    network: Any,
) -> tuple[Callable[..., Any], Callable[..., Path], Callable[..., "Table"], Callable[..., None], int]:
    """How to measure, show and check this kind of model, and its batch size."""
    from longspike import evaluation
    from longspike.models import Flames

    if isinstance(network, Flames):
        write = evaluation.write_event_report
        return evaluation.evaluate_events, write, build_event_table, _check_fit_events, EVENT_BATCH_SIZE
    return evaluation.evaluate_model, evaluation.write_report, build_table, _check_fit, BATCH_SIZE


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
    from rich.console import Console

    from longspike.data import load_events, load_sequences
    from longspike.models import Flames
    from longspike.models import load as load_model

    run = model.resolve().parent
    network = load_model(model)
    measure, write, build, check_fit, usual_size = _kind(network)
    load_data = load_events if isinstance(network, Flames) else load_sequences
    bundle = load_data(_data_name(model, data), root=data_root)
    check_fit(network, bundle)
    size = usual_size if batch_size is None else batch_size
    evaluation = _run(measure, network, _choose(bundle, split, limit), size)

    content = {"data": bundle.name, "split": split, "limit": limit, **evaluation.to_json()}
    text = json_module.dumps(content, indent=2, allow_nan=False)
    output = output or run / "evaluation.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
    title = f"{bundle.name}, {split} split"
    page = {"title": title, "class_names": bundle.class_names, "source": bundle.source, "run": run}
    written = _write_page(write, evaluation, report or run / "report.html", is_asked_for=report is not None, page=page)

    if json:
        print(text)
        return 0
    console = Console(soft_wrap=True)
    console.print(build(evaluation, title))
    for path in (output, written):
        if path is not None:
            console.print(f"wrote {path}", style="dim", highlight=False, markup=False)
    return 0

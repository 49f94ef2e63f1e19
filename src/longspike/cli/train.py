"""`longspike train`: carries out a recipe."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.column_rows import column_rows
from longspike.cli.output import console, note, print_facts, print_json

if TYPE_CHECKING:
    from longspike.recipes import Recipe, RunResult

OWN = {
    "classify": "classification",
    "events": "classification",
    "regress": "regression",
    "label": "step_labels",
    "forecast": "forecasting",
    "lm": "language",
}
"""In the place of a recipe: what is to be learnt from the data of one's own that follows, and its task."""
Fact = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What a run is told besides the fields of its recipe.

    Args:
        overrides: Change the recipe, e.g. --set training.epochs=5 model.neuron.rho=0.
        from_model: Begin with the weights of this model (a folder); a read-out of another size begins anew.
        run_dir: Where checkpoints, logs and the model go; runs/NAME if not given.
        resume: Continue the run in the folder, bit for bit as if it had not stopped.
        overwrite: Delete the run in the folder first.
        json: Print the result as JSON.
    """

    overrides: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE ...")
    ] = ()
    from_model: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    run_dir: Path | None = None
    resume: bool = False
    overwrite: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions(RunOptions):
    """What `longspike train RECIPE` is told besides the recipe's own fields.

    Args:
        recipe: A name from `longspike recipes`, a Python file of your own (my.py or my.py:NAME), or a run's recipe.json;
            or for data of your own classify, regress, label, forecast, lm or events and then DATA, a file or a folder
            (`longspike train classify --help`).
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
    """

    recipe: Annotated[str, tyro.conf.arg(metavar="RECIPE")]
    data_root: Path | None = None


def train(options: Annotated[TrainOptions, tyro.conf.arg(name="")]) -> int:
    """Train a network by a recipe; it can be stopped and resumed at any moment.

    Ctrl-C once, SIGTERM or SIGHUP finishes the batch, saves, and prints the command that goes on. Ctrl-C twice stops at
    once.
    `longspike train RECIPE --help` also lists every field of the recipe, with its value.
    """
    from longspike.recipes import load

    return carry_out(options, load(options.recipe), options.overrides, [options.recipe], data_root=options.data_root)


def for_words(words: Sequence[str]) -> Callable[..., int]:
    """`train`; if the first word names a recipe, with an option for every field of it."""
    if not words or words[0].startswith("-"):
        return train
    if words[0] in OWN:
        from longspike.cli.train_own import for_own_words

        return for_own_words(words)
    from longspike.cli.recipe_fields import changes, field_options
    from longspike.cli.waiting import Waiting

    text = f"{words[0]}: loading PyTorch"
    with Waiting(text) as waiting:
        if not waiting.is_on and "torch" not in sys.modules:
            note(text)
        from longspike.recipes import load

        recipe = load(words[0])
    fields = field_options(recipe)
    unchanged = fields()

    def train_with_fields(
        options: Annotated[TrainOptions, tyro.conf.arg(name="")],
        changed: Annotated[fields, tyro.conf.arg(name="")] = unchanged,  # type: ignore[valid-type]
    ) -> int:
        overrides = (*options.overrides, *changes(changed))
        return carry_out(options, recipe, overrides, [options.recipe], data_root=options.data_root)

    train_with_fields.__doc__ = train.__doc__
    return train_with_fields


def carry_out(
    options: RunOptions,
    recipe: "Recipe",
    overrides: tuple[str, ...],
    words: list[str],
    *,
    data_root: Path | None = None,
    told: Sequence[Fact] = (),
) -> int:
    """Train the recipe with these overrides and print the result.

    Args:
        words: after `longspike train`, by which the recipe was named; those that go on with the run.
        told: rows of a table that is shown first.
    """
    from longspike.cli.progress import TrainingProgress
    from longspike.errors import InterruptedRunError
    from longspike.recipes import run, with_overrides

    overrides += () if options.from_model is None else (f"from_model={options.from_model}",)
    chosen = with_overrides(recipe, overrides)
    folder = Path("runs") / chosen.name if options.run_dir is None else options.run_dir
    title = f"{chosen.name}: {chosen.description}\nexpected: {chosen.expected}\nrun folder: {folder}"
    if told:
        print_facts(told, title=chosen.data_name, out=console(is_error=True))
    try:
        waiting = f"{chosen.name}: reading {chosen.data_name}, building the network"
        with TrainingProgress(title, waiting=waiting) as progress:
            result = run(
                chosen,
                run_dir=folder,
                resume=options.resume,
                overwrite=options.overwrite,
                data_root=data_root,
                progress=progress.update,
            )
    except InterruptedRunError as interruption:
        command = resume_command(words, overrides, options.run_dir, data_root)
        note(f"\n{interruption}\nGo on with:\n  {command}")
        return 128 + interruption.signal_number
    if options.json:
        print_json(_as_dict(result))
    else:
        _print_result(result)
    return 0


def resume_command(named: list[str], overrides: tuple[str, ...], run_dir: Path | None, data_root: Path | None) -> str:
    """The command line that continues a run of the recipe that these words name."""
    words = ["longspike", "train", *named]
    words += ["--set", *overrides] if overrides else []
    words += ["--run-dir", str(run_dir)] if run_dir is not None else []
    words += ["--data-root", str(data_root)] if data_root is not None else []
    return shlex.join([*words, "--resume"])


def _as_dict(result: "RunResult") -> dict[str, Any]:
    fit = result.fit
    return {
        "recipe": result.recipe.name,
        "model": str(fit.model_path),
        "run_dir": str(fit.run_dir),
        "best_epoch": fit.best_epoch,
        "steps": fit.num_steps,
        "seconds": round(fit.seconds, 2),
        **fit.val.as_dict("val"),
        **result.test.as_dict("test"),
        **({"test/columns": [each.as_dict() for each in result.test.columns]} if result.test.columns else {}),
    }


def _print_result(result: "RunResult") -> None:
    from longspike.tasks import task

    fit, test = result.fit, result.test
    model = shlex.quote(str(fit.model_path))
    first, *others = task(test.task).metrics_in(result.unit)
    value = f"{first.text(test.metrics[first.name])} of {test.num_samples} samples (weights of epoch {fit.best_epoch})"
    facts: list[tuple[str, ...]] = [(f"test {first.label}", value)]
    facts += [(metric.label, metric.text(test.metrics[metric.name])) for metric in others]
    facts += column_rows(test.columns)
    if test.rate is not None:
        layers = ", ".join(f"{rate:.1%}" for rate in test.layer_rates)
        facts.append(("firing rate", f"{test.rate:.1%} spikes per neuron update (by layer: {layers})"))
    facts.append(("trained for", f"{fit.seconds:.0f} s, {fit.num_steps} steps in all"))
    facts.append(("model", str(fit.model_path)))
    facts.append(("next", f"longspike evaluate {model}"))
    example = _example(result.recipe)
    facts += [("", f"longspike stream {model} {shlex.quote(example)}")] if example else []
    print_facts(facts)


def _example(recipe: "Recipe") -> str:
    """What `longspike stream` can be fed with to begin; empty for a network that it does not feed, and for folders of
    recordings, whose files it takes one by one."""
    if not _is_streamed(recipe.model):
        return ""
    if isinstance(recipe.data, str):
        return f"{recipe.data}:0"
    if recipe.data.has_events:
        return ""
    return recipe.data.path if recipe.data.reading.kind == "text" else f"{recipe.data.path}:0"


def _is_streamed(config: Any) -> bool:
    """Whether `longspike stream` feeds such a network: not if it reads backwards or draws at random, nor a twin."""
    from longspike.models import FlamesConfig, SpikeSSMPairConfig
    from longspike.models.flames_config import FlamesSequenceConfig
    from longspike.models.lm_config import as_spike_ssm

    if isinstance(config, FlamesConfig | FlamesSequenceConfig):
        return isinstance(config, FlamesConfig)
    stack = config.tower if isinstance(config, SpikeSSMPairConfig) else as_spike_ssm(config)
    return stack.block == "spiking" and not stack.is_bidirectional and stack.neuron.kind != "bernoulli"

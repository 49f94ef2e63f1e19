"""`longspike train`: carries out a recipe."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import note, print_facts, print_json

if TYPE_CHECKING:
    from longspike.recipes import Recipe, RunResult


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """What `longspike train` is told besides the recipe's own fields.

    Args:
        recipe: A name from `longspike recipes`, a Python file of your own (my.py or my.py:NAME), or a run's recipe.json.
        overrides: Change the recipe, e.g. --set training.epochs=5 model.neuron.rho=0.
        run_dir: Where checkpoints, logs and the model go; runs/NAME if not given.
        resume: Continue the run in the folder, bit for bit as if it had not stopped.
        overwrite: Delete the run in the folder first.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print the result as JSON.
    """

    recipe: Annotated[str, tyro.conf.arg(metavar="RECIPE")]
    overrides: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE ...")
    ] = ()
    run_dir: Path | None = None
    resume: bool = False
    overwrite: bool = False
    data_root: Path | None = None
    json: bool = False


def train(options: Annotated[TrainOptions, tyro.conf.arg(name="")]) -> int:
    """Train a network by a recipe; it can be stopped and resumed at any moment.

    Ctrl-C once, SIGTERM or SIGHUP finishes the batch, saves, and prints the command that goes on. Ctrl-C twice stops at
    once.
    `longspike train RECIPE --help` also lists every field of the recipe, with its value.
    """
    from longspike.recipes import load

    return _train(options, load(options.recipe), options.overrides)


def for_words(words: Sequence[str]) -> Callable[..., int]:
    """`train`; if the first word names a recipe, with an option for every field of it."""
    if not words or words[0].startswith("-"):
        return train
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
        return _train(options, recipe, (*options.overrides, *changes(changed)))

    train_with_fields.__doc__ = train.__doc__
    return train_with_fields


def _train(options: TrainOptions, recipe: "Recipe", overrides: tuple[str, ...]) -> int:
    from longspike.cli.progress import TrainingProgress
    from longspike.errors import InterruptedRunError
    from longspike.recipes import run, with_overrides

    chosen = with_overrides(recipe, overrides)
    folder = Path("runs") / chosen.name if options.run_dir is None else options.run_dir
    title = f"{chosen.name}: {chosen.description}\nexpected: {chosen.expected}\nrun folder: {folder}"
    try:
        waiting = f"{chosen.name}: reading {chosen.data}, building the network"
        with TrainingProgress(title, waiting=waiting) as progress:
            result = run(
                chosen,
                run_dir=folder,
                resume=options.resume,
                overwrite=options.overwrite,
                data_root=options.data_root,
                progress=progress.update,
            )
    except InterruptedRunError as interruption:
        command = resume_command(options.recipe, overrides, options.run_dir, options.data_root)
        note(f"\n{interruption}\nGo on with:\n  {command}")
        return 128 + interruption.signal_number
    if options.json:
        print_json(_as_dict(result))
    else:
        _print_result(result)
    return 0


def resume_command(recipe: str, overrides: tuple[str, ...], run_dir: Path | None, data_root: Path | None) -> str:
    """The command line that continues a run."""
    words = ["longspike", "train", recipe]
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
    }


def _print_result(result: "RunResult") -> None:
    from longspike.tasks import task

    fit, test = result.fit, result.test
    model = shlex.quote(str(fit.model_path))
    first, *others = task(test.task).metrics
    value = f"{first.text(test.metrics[first.name])} of {test.num_samples} samples (weights of epoch {fit.best_epoch})"
    facts = [(f"test {first.label}", value)]
    facts += [(metric.label, metric.text(test.metrics[metric.name])) for metric in others]
    if test.rate is not None:
        layers = ", ".join(f"{rate:.1%}" for rate in test.layer_rates)
        facts.append(("firing rate", f"{test.rate:.1%} spikes per neuron update (by layer: {layers})"))
    facts.append(("trained for", f"{fit.seconds:.0f} s, {fit.num_steps} steps in all"))
    facts.append(("model", str(fit.model_path)))
    facts.append(("next", f"longspike evaluate {model}"))
    facts.append(("", f"longspike stream {model} {result.recipe.data}:0"))
    print_facts(facts)

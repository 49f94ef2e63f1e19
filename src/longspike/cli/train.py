"""`longspike train`: carries out a recipe."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import note, print_json, print_line

if TYPE_CHECKING:
    from longspike.recipes import RunResult


def train(
    recipe: Annotated[str, tyro.conf.arg(metavar="RECIPE")],
    *,
    overrides: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE ...")
    ] = (),
    run_dir: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    data_root: Path | None = None,
    json: bool = False,
) -> int:
    """Train a network by a recipe; it can be stopped and resumed at any moment.

    Ctrl-C once finishes the batch, saves, and prints the command that goes on. Twice stops at once.

    Args:
        recipe: A name from `longspike recipes`.
        overrides: Change the recipe, e.g. --set training.epochs=5 model.neuron.rho=0.
        run_dir: Where checkpoints, logs and the model go; runs/RECIPE if not given.
        resume: Continue the run in the folder, bit for bit as if it had not stopped.
        overwrite: Delete the run in the folder first.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print the result as JSON.
    """
    from longspike.cli.progress import TrainingProgress
    from longspike.recipes import recipe as recipe_named
    from longspike.recipes import run, with_overrides
    from longspike.training import InterruptedRunError

    chosen = with_overrides(recipe_named(recipe), overrides)
    folder = Path("runs") / recipe if run_dir is None else run_dir
    title = f"{chosen.name}: {chosen.description}\nexpected: {chosen.expected}\nrun folder: {folder}"
    try:
        with TrainingProgress(title) as progress:
            result = run(
                chosen,
                run_dir=folder,
                resume=resume,
                overwrite=overwrite,
                data_root=data_root,
                progress=progress.update,
            )
    except InterruptedRunError as interruption:
        note(f"\n{interruption}\nGo on with:\n  {resume_command(recipe, overrides, run_dir, data_root)}")
        return 130
    if json:
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
    fit, test = result.fit, result.test
    print_line(f"test accuracy   {test.accuracy:.2%} of {test.num_samples} samples (weights of epoch {fit.best_epoch})")
    if test.rate is not None:
        layers = ", ".join(f"{rate:.1%}" for rate in test.layer_rates)
        print_line(f"firing rate     {test.rate:.1%} spikes per neuron update (by layer: {layers})")
    print_line(f"trained for     {fit.seconds:.0f} s, {fit.num_steps} steps in all")
    print_line(f"model           {fit.model_path}")
    print_line(f"next            longspike evaluate {shlex.quote(str(fit.model_path))}")
    print_line(f"                longspike stream {shlex.quote(str(fit.model_path))} {result.recipe.data}:0")

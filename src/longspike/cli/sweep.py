"""`longspike sweep`: variants of a recipe, trained and compared."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import note, print_json, print_table
from longspike.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from longspike.recipes import Recipe, SweepRow
    from longspike.training import Progress

SUMMARY = "sweep.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """What `longspike sweep` is told.

    Args:
        recipe: As for `longspike train`.
        grid: Values to combine, of the keys of --set, e.g. --grid model.d_model=64,128 training.lr=0.003,0.01. What a value
            needs besides is added to it: model.neuron.kind=refractory,gelu+training.rate_target=none.
        seeds: 0:3 for the seeds 0, 1 and 2, or 0,5,7.
        seconds: CPU seconds of training steps for every run: each variant then gets as many steps as fit into them.
        overrides: Change the recipe of all of them, e.g. --set training.epochs=5.
        run_dir: Gets a folder a run, and sweep.json; runs/sweep-NAME if not given. What is in it is not trained again.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print JSON instead of the table.
    """

    recipe: Annotated[str, tyro.conf.arg(metavar="RECIPE")]
    grid: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE,VALUE ...")] = ()
    seeds: Annotated[str, tyro.conf.arg(metavar="FROM:TO")] = "0:1"
    seconds: float | None = None
    overrides: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE ...")
    ] = ()
    run_dir: Path | None = None
    data_root: Path | None = None
    json: bool = False


def sweep(options: Annotated[SweepOptions, tyro.conf.arg(name="")]) -> int:
    """Train variants of a recipe, over values and seeds, and compare them in a table.

    What was stopped goes on where it was when the command is given again. With --seconds all variants train for the same
    CPU time: a step of each is timed first.
    """
    from longspike._core.files import replace_text
    from longspike.cli.waiting import Stages
    from longspike.recipes import load, with_overrides
    from longspike.recipes import sweep as carry_out

    if options.seconds is not None and not 0 < options.seconds < 1e9:
        raise ConfigError(f"--seconds must be above 0; got {options.seconds:g}.")
    recipe = with_overrides(load(options.recipe), options.overrides)
    folder = Path("runs") / f"sweep-{recipe.name}" if options.run_dir is None else options.run_dir
    rows: list[SweepRow] = []
    try:
        with Stages() as stages:
            told = {"seeds": _seeds(options.seeds), "seconds": options.seconds, "data_root": options.data_root}
            for row in carry_out(
                recipe,
                options.grid,
                folder=folder,
                progress=lambda variant, seed, state: stages.show(f"{variant.name}, seed {seed}", _place(state)),
                **told,  # type: ignore[arg-type]
            ):
                rows.append(row)
    except InterruptedRunError as interruption:
        note(f"\n{interruption}\nGive the same command again to go on.")
        return 128 + interruption.signal_number
    summary = _summary(recipe, options, rows)
    replace_text(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
    if options.json:
        print_json(summary)
    else:
        header, *cells = _table(recipe, rows)
        print_table(cells, header=header)
    note(f"wrote {folder / SUMMARY}")
    return 0


def _place(state: "Progress") -> str:
    return f"step {state.step} of {state.num_steps}"


def _seeds(text: str) -> Sequence[int]:
    """0:3 or 0,1,2 as numbers."""
    if span := re.fullmatch(r"(\d{1,18}):(\d{1,18})", text):
        first, end = int(span[1]), int(span[2])
        if end <= first:
            raise ConfigError(f"--seeds {text} holds no seed: it is FROM up to TO - 1. Make TO larger, such as 0:3.")
        return range(first, end)
    if not re.fullmatch(r"\d{1,18}(,\d{1,18})*", text):
        raise ConfigError(f"--seeds must be FROM:TO or numbers with commas between them, such as 0:3; got {text!r}.")
    return tuple(int(number) for number in text.split(","))


def _summary(recipe: "Recipe", options: SweepOptions, rows: "list[SweepRow]") -> dict[str, Any]:
    """Everything that the table was made of, and the command."""
    from longspike.recipes.run_folder import versions

    words = ["longspike", "sweep", options.recipe, "--grid", *options.grid, "--seeds", options.seeds]
    words += [] if options.seconds is None else ["--seconds", f"{options.seconds:g}"]
    words += ["--set", *options.overrides] if options.overrides else []
    return {
        "command": shlex.join(words),
        "recipe": recipe.as_dict(),
        "versions": versions(),
        "rows": [{"changes": row.variant.changes, **_plain(row)} for row in rows],
    }


def _plain(row: "SweepRow") -> dict[str, Any]:
    fields = asdict(row)
    del fields["variant"]
    return fields


def _table(recipe: "Recipe", rows: "list[SweepRow]") -> "list[tuple[str, ...]]":
    """A row a variant: the first metric of the task on the test set, its spread over seeds, firing and cost."""
    first = recipe.task.metrics[0]
    table: list[tuple[str, ...]] = [("variant", "parameters", "steps", f"test {first.label}", "firing", "CPU s")]
    for row in rows:
        found = row.mean_and_spread(f"test/{first.name}")
        rate, seconds = row.mean_and_spread("test/rate"), row.mean_and_spread("cpu_seconds")
        spread = "" if found is None or len(row.results) == 1 else f" +- {first.text(found[1])}"
        table.append(
            (
                row.variant.name.replace(",", " "),
                f"{row.num_parameters:,}",
                f"{row.results[0]['steps']:,}",
                "-" if found is None else f"{first.text(found[0])}{spread}",
                "-" if rate is None else f"{rate[0]:.1%}",
                "-" if seconds is None else f"{seconds[0]:.0f}",
            )
        )
    return table

"""Variants of a recipe, trained one after the other, and compared: over a grid of values, seeds, and at equal time."""

import itertools
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from longspike._core.files import replace_text
from longspike.data import DataBundle, EventBundle, OwnData, load
from longspike.errors import ConfigError
from longspike.models import build
from longspike.recipes.definition import Recipe
from longspike.recipes.overrides import with_overrides
from longspike.recipes.run import run, training_batches
from longspike.recipes.run_folder import check
from longspike.training import Progress
from longspike.training.step_cost import step_seconds

RESULT = "result.json"
"""In the folder of a run that has ended: what the table says of it."""
MOST_RUNS = 10_000
FEWEST_STEPS = 10
"""Of an epoch, where there are so many at all."""
NEVER = re.compile(r"[^A-Za-z0-9_.=+-]+")
"""What the name of a folder does not hold."""
BESIDES = re.compile(r"\+(?=[a-z_.]+=)")
"""Between a value and what it needs besides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One combination of values. changes: key=value texts of the grid, each with what its value needs besides."""

    changes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its folder and its row: the last part of each key, and the value; without what that needs besides."""
        first = (BESIDES.split(change)[0].partition("=") for change in self.changes)
        return ",".join(NEVER.sub("-", f"{key.rpartition('.')[2]}={value}") for key, _, value in first) or "as-it-is"

    @property
    def overrides(self) -> list[str]:
        """The changes apart, as `with_overrides` takes them."""
        return [text for change in self.changes for text in BESIDES.split(change)]


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRow:
    """What a variant came to, over its seeds.

    Attributes:
        variant: which. num_parameters: that are trained.
        epochs, epoch_steps: of each run. step_seconds: CPU seconds of a step, measured before; None if time is not equal.
        results: of each seed, in their order: test metrics, loss and firing rate, see `Score.as_dict`, and the seconds.
    """

    variant: Variant
    num_parameters: int
    epochs: int
    epoch_steps: int | None
    step_seconds: float | None
    results: tuple[dict[str, Any], ...]

    def mean_and_spread(self, key: str) -> tuple[float, float] | None:
        """Mean and sample standard deviation over the seeds (0 of a single one) of a figure; None where there is none."""
        values = [result[key] for result in self.results if key in result]
        if not values:
            return None
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def variants(grid: Sequence[str]) -> tuple[Variant, ...]:
    """Every combination of the values of the grid's texts, key=value,value: the last key changes fastest.

    A value may bring other changes with it, value+key=value, where it would not be valid without them.

    Raises: ConfigError if a text is no such, a key comes twice, or there are more than 10,000 combinations.

    Example:
        >>> [variant.name for variant in variants(["model.d_model=8,16", "training.lr=0.01"])]
        ['d_model=8,lr=0.01', 'd_model=16,lr=0.01']
    """
    axes: dict[str, list[str]] = {}
    for text in grid:
        key, sign, values = text.partition("=")
        if not sign or not key or not all(values.split(",")):
            raise ConfigError(f"--grid {text}: expected key=value,value, for example training.lr=0.003,0.01.")
        if key in axes:
            raise ConfigError(f"--grid {text}: {key!r} is there twice. Give all its values at once.")
        axes[key] = [f"{key}={value}" for value in dict.fromkeys(values.split(","))]
    count = 1
    for values_of in axes.values():
        count *= len(values_of)
    if count > MOST_RUNS:
        raise ConfigError(f"--grid: {count:,} combinations are more than {MOST_RUNS:,}. Give fewer values.")
    found = tuple(Variant(changes=changes) for changes in itertools.product(*axes.values()))
    if len({variant.name for variant in found}) < len(found):
        raise ConfigError(
            "--grid: two variants have the same name. Give keys whose last parts differ, and each value once."
        )
    return found


def sweep(
    recipe: Recipe,
    grid: Sequence[str],
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0,),
    seconds: float | None = None,
    data_root: str | Path | None = None,
    progress: Callable[[Variant, int, Progress], None] | None = None,
) -> Iterator[SweepRow]:
    """Train every variant of `recipe` with every seed, and yield a row a variant; what has ended is not trained again.

    Args:
        grid: key=value,value texts, see `variants`. seeds: of training.seed.
        folder: gets a folder a run, VARIANT/seed-K. A run that was stopped goes on where it was.
        seconds: CPU seconds of training steps that every run gets: a step of each variant is timed on this machine, and
            its epochs are made so many or so short that their steps take this long. The numbers found are kept in the
            runs' recipes, so a run can be repeated on any machine. None trains as the recipe says.
        progress: told about every run.
    The data are loaded once for neighbouring runs on the same ones, and not at all where everything has ended.

    Raises: what `run` raises; ConfigError for a grid or a variant that is not valid, or more than 10,000 runs, before
    anything is trained.
    """
    folder, asked = Path(folder), variants(grid)
    if len(asked) * len(seeds) > MOST_RUNS:
        raise ConfigError(
            f"--seeds: {len(seeds):,} seeds of {len(asked):,} variant(s) are more than {MOST_RUNS:,} runs. Give fewer."
        )
    chosen = [(variant, with_overrides(recipe, variant.overrides)) for variant in asked]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds: expected one or more different seeds; got {tuple(seeds)}.")
    data = _LastData(data_root)
    for variant, each in chosen:
        cost = None
        if seconds is not None:
            each, cost = _at_equal_time(each, folder / variant.name, seconds, data)
        results = []
        for seed in seeds:
            told = None if progress is None else lambda p, v=variant, s=seed: progress(v, s, p)
            results.append(_result(_seeded(each, seed), folder / variant.name / f"seed-{seed}", data, told))
        yield SweepRow(
            variant=variant,
            num_parameters=_num_parameters(build(each.model)),
            epochs=each.training.epochs,
            epoch_steps=each.training.epoch_steps,
            step_seconds=cost,
            results=tuple(results),
        )


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    return replace(recipe, training=replace(recipe.training, seed=seed))


def _num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class _LastData:
    """The data that were asked for last, which the next run mostly asks for again; never two sets at once."""

    def __init__(self, root: str | Path | None) -> None:
        self._root = root
        self._source: str | OwnData | None = None
        self._bundle: DataBundle | EventBundle | None = None

    def of(self, recipe: Recipe) -> DataBundle | EventBundle:
        """The data of a recipe."""
        if self._bundle is None or self._source != recipe.data:
            self._bundle = None
            self._bundle, self._source = load(recipe.data, root=self._root), recipe.data
        return self._bundle


def _result(
    recipe: Recipe, run_dir: Path, data: _LastData, progress: Callable[[Progress], None] | None
) -> dict[str, Any]:
    """What a run came to, read from its folder if it has ended."""
    file = run_dir / RESULT
    check(run_dir, recipe, resume=True, overwrite=False)
    if file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return result
    bundle, start = data.of(recipe), time.process_time()
    found = run(recipe, run_dir=run_dir, resume=True, bundle=bundle, progress=progress)
    result = {**found.test.as_dict("test"), **found.fit.val.as_dict("val"), "best_epoch": found.fit.best_epoch}
    result |= {"steps": found.fit.num_steps, "cpu_seconds": round(time.process_time() - start, 1)}
    replace_text(file, json.dumps(result, indent=1) + "\n")
    return result


def _at_equal_time(recipe: Recipe, folder: Path, seconds: float, data: _LastData) -> tuple[Recipe, float]:
    """The recipe with as many steps as fit into `seconds`, and the seconds of a step; as found before, if it was."""
    file = folder / "steps.json"
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["seconds"] != seconds:
            raise ConfigError(
                f"{folder} was trained for {found['seconds']:g} s a run, now {seconds:g}. Use another folder."
            )
    else:
        batches = training_batches(recipe, data.of(recipe).train)
        cost = step_seconds(build(recipe.model), batches, recipe.training)
        epochs, steps = spread(max(1, round(seconds / cost)), recipe.training.epochs, len(batches))
        found = {"epochs": epochs, "epoch_steps": steps, "step_seconds": cost, "seconds": seconds}
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(found) + "\n")
    timed = replace(recipe.training, epochs=found["epochs"], epoch_steps=found["epoch_steps"])
    return replace(recipe, training=timed), found["step_seconds"]


def spread(num_steps: int, epochs: int, epoch_steps: int) -> tuple[int, int | None]:
    """Epochs, and batches of each or None for whole ones, that make about `num_steps` steps.

    Whole epochs where at least as many fit as the recipe has; else its number of epochs, each shorter, but of ten steps.

    Example:
        >>> spread(1000, 4, 100), spread(1000, 4, 500), spread(20, 4, 500)
        ((10, None), (4, 250), (2, 10))
    """
    if num_steps >= epochs * epoch_steps:
        return round(num_steps / epoch_steps), None
    epochs = min(epochs, max(1, num_steps // FEWEST_STEPS))
    return epochs, round(num_steps / epochs)

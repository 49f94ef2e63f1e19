"""Carries a recipe out: data, network, training, and the test set once at the end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from longspike.data import BatchLoader, DataBundle, EventBundle, OwnData, RaggedSplit, Split, load
from longspike.data.ragged import AbstractRaggedSplit
from longspike.models import InputSpec, build
from longspike.models.matching import check_data
from longspike.recipes.definition import Recipe
from longspike.recipes.run_folder import check, clear, versions, write_record
from longspike.training import FitResult, Progress, Score, score
from longspike.training.exclusive import RunLock, check_alone
from longspike.training.fit import fit_in_locked_folder

LENGTH_WINDOW = 50
"""Batches of the epoch's order among which samples of similar lengths are put together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """A finished run: how it went, and the score of its best weights on the test set."""

    recipe: Recipe
    fit: FitResult
    test: Score


def _record(recipe: Recipe, bundle: DataBundle | EventBundle) -> dict[str, Any]:
    """What is kept beside the weights: the recipe, the versions, and the data with its normalisation."""
    record: dict[str, Any] = {
        "recipe": recipe.as_dict(),
        "versions": versions(),
        "data": bundle.name,
        "source": bundle.source,
        "class_names": list(bundle.class_names),
    }
    if isinstance(bundle.train, Split | RaggedSplit):
        record["normalisation"] = {"scale": bundle.train.scale, "shift": bundle.train.shift}
    return record


def run(
    recipe: Recipe,
    *,
    run_dir: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    data_root: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Train the recipe's network in `run_dir` and score it on the test set.

    Args:
        resume: continue a run of the same recipe. overwrite: delete a run that is there.
        data_root: the data folder, see `longspike.data.load_sequences`. progress: see `longspike.training.fit`.
    Raises: what `longspike.training.fit` and `longspike.data.load_sequences` raise; ConfigError if the recipe does not fit.
    """
    run_dir = Path(run_dir)
    bundle = load(recipe.data, root=data_root)
    remedy = "Change these fields of `model`, or choose other data."
    check_data(recipe.model, bundle, reader=f"the recipe {recipe.name!r}", remedy=remedy)
    check_alone()
    check(run_dir, recipe, resume=resume, overwrite=overwrite)
    with RunLock(run_dir):
        check(run_dir, recipe, resume=resume, overwrite=overwrite)  # again: another run may just have ended here
        if overwrite:
            clear(run_dir)
        record = _record(recipe, bundle)
        write_record(run_dir, record)
        return _train(recipe, bundle, run_dir, record, resume=resume, progress=progress)


def _train(
    recipe: Recipe,
    bundle: DataBundle | EventBundle,
    run_dir: Path,
    record: dict[str, Any],
    *,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> RunResult:
    """Train and score in a folder whose lock is held."""
    config = recipe.training
    torch.manual_seed(config.seed)
    model = build(recipe.model)
    pace = recipe.data.steps_per_second if isinstance(recipe.data, OwnData) else None
    model.input_spec = InputSpec(class_names=bundle.class_names, steps_per_second=pace)
    if isinstance(bundle, DataBundle):
        model.input_spec = replace(model.input_spec, vocabulary=bundle.vocabulary, permutation=bundle.permutation)
    options: dict[str, Any] = {"batch_size": config.batch_size}
    if isinstance(bundle.train, AbstractRaggedSplit):
        options["length_window"] = LENGTH_WINDOW
    train = BatchLoader[Any, Any](bundle.train, shuffle=True, seed=config.seed, augment=recipe.augmentation, **options)
    result = fit_in_locked_folder(
        model,
        train,
        BatchLoader(bundle.val, shuffle=False, seed=0, **options),
        config,
        run_dir,
        resume=resume,
        metadata=record,
        progress=progress,
    )
    test = score(model, BatchLoader(bundle.test, shuffle=False, seed=0, **options))
    return RunResult(recipe=recipe, fit=result, test=test)

"""Carries a recipe out: data, network, training, and the test set once at the end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from longspike.data import (
    BatchLoader,
    DataBundle,
    EventBundle,
    OwnData,
    PairSplit,
    RaggedSplit,
    RowLoader,
    Split,
    TokenRow,
    load,
)
from longspike.data.ragged import AbstractRaggedSplit
from longspike.errors import ConfigError
from longspike.models import InputSpec, build
from longspike.models.matching import check_data
from longspike.models.transfer import start_from
from longspike.recipes.definition import Recipe
from longspike.recipes.run_folder import check, clear, fingerprint_of_start, versions, write_record
from longspike.training import FitResult, Progress, Score, TrainingConfig, score
from longspike.training.exclusive import RunLock, check_alone
from longspike.training.fit import fit_in_locked_folder

CARRIED_SEQLEN = 4096
"""Tokens at a time of a text that is gone through with one state."""
LENGTH_WINDOW = 50
"""Batches of the epoch's order among which samples of similar lengths are put together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """A finished run: how it went, and the score of its best weights on the test set.

    unit: of a language model what a token is, "byte", "character" or "word"; None where that is not known.
    """

    recipe: Recipe
    fit: FitResult
    test: Score
    unit: str | None = None


def _record(recipe: Recipe, bundle: DataBundle | EventBundle) -> dict[str, Any]:
    """What is kept beside the weights: the recipe, the versions, and the data with its normalisation."""
    record: dict[str, Any] = {
        "recipe": recipe.as_dict(),
        "versions": versions(),
        "data": bundle.name,
        "source": bundle.source,
    }
    if _given_names(bundle) is not None:
        record["class_names"] = list(bundle.class_names)
    if isinstance(bundle.train, Split | RaggedSplit):
        record["normalisation"] = {"scale": bundle.train.scale, "shift": bundle.train.shift}
    return record


def _given_names(bundle: DataBundle | EventBundle) -> tuple[str, ...] | None:
    """The names of the classes; None where they are the tokens of the vocabulary, which the model has anyway."""
    vocabulary = bundle.vocabulary if isinstance(bundle, DataBundle) else None
    return None if vocabulary is not None and vocabulary.names == bundle.class_names else bundle.class_names


def run(
    recipe: Recipe,
    *,
    run_dir: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    data_root: str | Path | None = None,
    bundle: DataBundle | EventBundle | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Train the recipe's network in `run_dir` and score it on the test set.

    Args:
        resume: continue a run of the same recipe. overwrite: delete a run that is there.
        data_root: the data folder, see `longspike.data.load_sequences`. progress: see `longspike.training.fit`.
        bundle: the recipe's data, if they are loaded already.
    Raises: what `longspike.training.fit` and `longspike.data.load_sequences` raise; ConfigError if the recipe does not fit.
    """
    run_dir = Path(run_dir)
    bundle = load(recipe.data, root=data_root) if bundle is None else bundle
    remedy = "Change these fields of `model`, or choose other data."
    check_data(recipe.model, bundle, reader=f"the recipe {recipe.name!r}", remedy=remedy)
    _check_rows(recipe, bundle)
    check_alone()
    check(run_dir, recipe, resume=resume, overwrite=overwrite)
    goes_on = resume and (run_dir / "last.ckpt").exists()
    model = _network(recipe, bundle, starts=not goes_on)
    with RunLock(run_dir):
        check(run_dir, recipe, resume=resume, overwrite=overwrite)  # again: another run may just have ended here
        if overwrite:
            clear(run_dir)
        record = _record(recipe, bundle) | fingerprint_of_start(run_dir, recipe, goes_on=goes_on)
        write_record(run_dir, record)
        return _train(recipe, bundle, model, run_dir, record, resume=resume, progress=progress)


def _cut(split: Any, config: TrainingConfig) -> Any:
    """The split; a row of tokens in segments as long as the training wants them."""
    return replace(split, seqlen=config.seqlen) if isinstance(split, TokenRow) and config.seqlen else split


def training_batches(recipe: Recipe, split: Any) -> Any:
    """The batches of training: rolled rows if the state is carried or it says so, else samples in an order of the epoch."""
    config, split = recipe.training, _cut(split, recipe.training)
    if config.carry_state or config.roll_rows:
        return RowLoader(split, batch_size=config.batch_size, rolls=True, seed=config.seed)
    options = _options(split, config)
    return BatchLoader[Any, Any](split, shuffle=True, seed=config.seed, augment=recipe.augmentation, **options)


def _loader(recipe: Recipe, split: Any) -> Any:
    """The batches that a score is made of, in the order of the split; a carried state goes through all of it."""
    config, split = recipe.training, _cut(split, recipe.training)
    if config.carry_state:
        return RowLoader(replace(split, seqlen=CARRIED_SEQLEN), batch_size=1)
    return BatchLoader[Any, Any](split, shuffle=False, seed=0, **_options(split, config))


def _options(split: Any, config: TrainingConfig) -> dict[str, Any]:
    window = {"length_window": LENGTH_WINDOW} if isinstance(split, AbstractRaggedSplit | PairSplit) else {}
    return {"batch_size": config.batch_size, **window}


def _check_rows(recipe: Recipe, bundle: DataBundle | EventBundle) -> None:
    """Raise unless what the training says of rows is about a data set that is one."""
    config, is_row = recipe.training, isinstance(bundle.train, TokenRow)
    if not is_row and (config.carry_state or config.roll_rows or config.seqlen is not None):
        raise ConfigError(
            f"the recipe {recipe.name!r}: `training.carry_state`, `training.roll_rows` and `training.seqlen` are about a "
            f"corpus that is one row; {bundle.name!r} has samples. Leave them at false, false and none."
        )


def _input_spec(recipe: Recipe, bundle: DataBundle | EventBundle) -> InputSpec:
    """What the data set says of its input; its normalisation comes from the loader."""
    if not isinstance(bundle, DataBundle):
        return InputSpec(class_names=bundle.class_names)
    own = recipe.data if isinstance(recipe.data, OwnData) else None
    return InputSpec(
        output_scale=1.0 if own is None else own.target_scale,
        output_shift=0.0 if own is None else own.target_shift,
        class_names=_given_names(bundle),
        steps_per_second=bundle.steps_per_second if own is None else own.steps_per_second,
        samples_per_step=bundle.samples_per_step if own is None else own.reading.frame,
        vocabulary=bundle.vocabulary,
        permutation=bundle.permutation,
    )


def _network(recipe: Recipe, bundle: DataBundle | EventBundle, *, starts: bool) -> Any:
    """The network with the weights of the seed, or of the model that it begins with if it `starts`."""
    torch.manual_seed(recipe.training.seed)
    model = build(recipe.model)
    model.input_spec = _input_spec(recipe, bundle)
    if recipe.from_model is not None and starts:
        start_from(model, recipe.from_model)
    return model


def _train(
    recipe: Recipe,
    bundle: DataBundle | EventBundle,
    model: Any,
    run_dir: Path,
    record: dict[str, Any],
    *,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> RunResult:
    """Train and score in a folder whose lock is held."""
    config = recipe.training
    result = fit_in_locked_folder(
        model,
        training_batches(recipe, bundle.train),
        _loader(recipe, bundle.val),
        config,
        run_dir,
        resume=resume,
        metadata=record,
        progress=progress,
    )
    test = score(model, _loader(recipe, bundle.test), carries_state=config.carry_state)
    return RunResult(recipe=recipe, fit=result, test=test, unit=model.token_unit)

"""A saved model on the data set that it was trained on, or on another: the numbers, the JSON file and the page."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from longspike._core.checks import check_choice, check_positive_int
from longspike._core.files import replace_text
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
    available,
)
from longspike.data import load as load_data
from longspike.data.event_splits import AbstractEventSplit
from longspike.data.own import load_others, own_data_of
from longspike.data.ragged import AbstractRaggedSplit
from longspike.errors import ConfigError
from longspike.evaluation.evaluate import evaluate
from longspike.evaluation.report import write_report
from longspike.evaluation.result import Evaluation, StateFigure
from longspike.models import InputSpec, checkpoint
from longspike.models import load as load_model
from longspike.models.matching import check_data, check_order
from longspike.training import Score, score

SPLITS, ALL = ("train", "val", "test"), "all"
BATCH_SIZE, EVENT_BATCH_SIZE = 100, 16
RESET_SEQLEN = 8192
"""Tokens of a segment where the state is reset: those of the published evaluations of WikiText-103."""
MOST_STEPS = 1 << 17
"""Of a batch of sequences, whose layers' outputs are held at once: batches of long sequences are smaller."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SavedEvaluation:
    """A saved model's evaluation, and what of.

    Attributes:
        evaluation: the numbers. data, split: names. limit: of the number of samples, None for all.
        class_names, source: of the data set, for the page. run: the run folder, in which the model lies.
    """

    evaluation: Evaluation
    data: str
    split: str
    limit: int | None
    class_names: tuple[str, ...]
    source: str
    run: Path

    @property
    def title(self) -> str:
        """The data set and its split."""
        return f"{self.data}, all samples" if self.split == ALL else f"{self.data}, {self.split} split"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`: what was measured, then `Evaluation.to_json`."""
        return {"data": self.data, "split": self.split, "limit": self.limit, **self.evaluation.to_json()}

    def write_json(self, path: str | Path | None = None) -> Path:
        """Write `to_json` to a file, evaluation.json in the run folder by default, making its folder; the path.

        Raises: FileWriteError.
        """
        path = self.run / "evaluation.json" if path is None else Path(path)
        replace_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")
        return path

    def write_report(self, path: str | Path | None = None) -> Path:
        """Write the page with the run's training curves, report.html in the run folder by default; the path.

        Raises: MissingExtraError without matplotlib or Jinja2; FileWriteError.
        """
        path = self.run / "report.html" if path is None else Path(path)
        words = {"title": self.title, "source": self.source}
        return write_report(self.evaluation, path, class_names=self.class_names, run=self.run, **words)


class _Chosen(NamedTuple):
    """Samples to evaluate on, and what they are called."""

    samples: Any
    data: str
    split: str
    class_names: tuple[str, ...]
    source: str


def _chosen(
    model: Path,
    network: Any,
    data: str | None,
    data_root: str | Path | None,
    split: str,
    limit: int | None,
    seqlen: int | None,
) -> _Chosen:
    """The samples of a data set by its name, of own data by its path, or of what the model was trained on."""
    metadata = checkpoint.read_description(model)["metadata"]
    own = own_data_of(metadata)
    if data is not None and data not in available() and Path(data).expanduser().exists():
        if own is None:
            raise ConfigError(
                f"{model} was not trained on own data, so it is not known how to read {data}. Name a data set, or train on "
                "a file with `longspike train classify`."
            )
        samples, name = load_others(own, Path(data), split=split, vocabulary=network.input_spec.vocabulary)
        source = own.source if name != "all" else f"Own data, {Path(data).name!r}, all of its samples."
        names = own.class_names or network.class_names
        return _Chosen(_first(_cut(samples, seqlen), limit), Path(data).name, name, names, source)
    known: Any = data or own or metadata.get("data")
    if not isinstance(known, str | OwnData):
        raise ConfigError(f"{model} does not say which data it was trained on. Name the data set with --data.")
    bundle = load_data(known, root=data_root)
    check_data(network.config, bundle, remedy="Choose another with --data.")
    _check_classes(network.input_spec, bundle)
    check_order(network.input_spec, bundle)
    return _Chosen(
        _first(_cut(getattr(bundle, split), seqlen), limit), bundle.name, split, bundle.class_names, bundle.source
    )


def _first(samples: Any, limit: int | None) -> Any:
    """A split, or its first `limit` samples."""
    return samples if limit is None else samples.select(torch.arange(min(limit, len(samples))))


def _cut(samples: Any, seqlen: int | None) -> Any:
    """A corpus in segments of another length; without one nothing is done."""
    if seqlen is None:
        return samples
    check_positive_int("evaluate_saved", "seqlen", seqlen)
    if not isinstance(samples, TokenRow):
        raise ConfigError(
            "seqlen (--seqlen) is about a corpus that is one row; this data set has samples. Leave it out."
        )
    return replace(samples, seqlen=seqlen)


def _figure(evaluation: Evaluation | Score, seqlen: int | None) -> StateFigure:
    state = "carried" if seqlen is None else "reset"
    return StateFigure(state=state, seqlen=seqlen, metrics=evaluation.metrics, loss=evaluation.loss)


def _by_state(
    network: Any, samples: TokenRow, found: Evaluation, told: Callable[[int], None] | None, *, carries_state: bool
) -> tuple[StateFigure, ...]:
    """What was found with the state as it was, and what is found with it otherwise, carried first."""
    if carries_state:
        reset = replace(samples, seqlen=RESET_SEQLEN)
        batches = BatchLoader(reset, batch_size=_sequences_at_once(reset), shuffle=False, seed=0)
        return _figure(found, None), _figure(score(network, _Telling(batches, told)), RESET_SEQLEN)
    carried = score(network, _Telling(RowLoader(samples, batch_size=1), told), carries_state=True)
    return _figure(carried, None), _figure(found, samples.seqlen)


class _Telling:
    """Batches, told about as they go."""

    def __init__(self, batches: Any, told: Callable[[int], None] | None) -> None:
        self.batches, self.told = batches, told

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for done, batch in enumerate(self.batches):
            if self.told is not None:
                self.told(done)
            yield batch


def _can_carry(network: Any) -> bool:
    """Whether the network hands on a state that does not grow."""
    return bool(network.is_causal and network.config.block != "attention")


def _as_trained(samples: Any, spec: InputSpec) -> Any:
    """Samples with the normalisation that the model was trained with, where it is known; events have none."""
    if not isinstance(samples, Split | RaggedSplit) or spec.scale is None or spec.shift is None:
        return samples
    return replace(samples, scale=spec.scale, shift=spec.shift)


def _sequences_at_once(samples: Any) -> int:
    return max(1, min(BATCH_SIZE, MOST_STEPS // max(samples.max_seqlen, 1)))


def _carries_state(description: dict[str, Any], samples: Any, carry: bool | None) -> bool:
    """Whether one state goes through all segments of a corpus: as was asked for, or else as the model was trained."""
    if not isinstance(samples, TokenRow):
        if carry is not None:
            raise ConfigError(
                "carrying the state (--state) is about a corpus that is one row; this data set has samples. Leave it out."
            )
        return False
    recipe = description["metadata"].get("recipe")
    training = recipe.get("training") if isinstance(recipe, dict) else None
    return bool(training.get("carry_state")) if carry is None and isinstance(training, dict) else bool(carry)


def _evaluated(
    network: Any, samples: Any, batch_size: int, told: Callable[[int], None] | None, *, carries_state: bool
) -> Evaluation:
    """`evaluate`; ragged samples go in by their length, so that little is padded, and are named by their places."""
    if carries_state:
        return evaluate(network, RowLoader(samples, batch_size=1), carries_state=True, on_progress=told)
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": False, "seed": 0}
    if not isinstance(samples, AbstractRaggedSplit | PairSplit):
        return evaluate(network, BatchLoader(samples, **options), on_progress=told)
    order = samples.lengths.argsort(stable=True)
    found = evaluate(network, BatchLoader(samples.select(order), **options), on_progress=told)
    return replace(found, samples=tuple(replace(each, index=int(order[each.index])) for each in found.samples))


def _check_classes(spec: InputSpec, bundle: DataBundle | EventBundle) -> None:
    """Raise if model and data have the same classes in another order, which would look like a model that errs."""
    mine, theirs = spec.vocabulary, bundle.vocabulary if isinstance(bundle, DataBundle) else None
    if mine is not None and theirs is not None and mine.names != theirs.names:
        raise ConfigError(
            f"the model reads another vocabulary than that of {bundle.name!r}, of which the training text may have changed. "
            "Give the data that the model was trained on, or train it again."
        )
    trained, given = spec.class_names, tuple(bundle.class_names)
    if trained is not None and trained != given and sorted(trained) == sorted(given):
        k = next(k for k, (a, b) in enumerate(zip(trained, given, strict=True)) if a != b)
        raise ConfigError(
            f"the model's classes are those of {bundle.name!r} in another order: class {k} is {trained[k]!r} to the model, "
            f"{given[k]!r} in the data. Load the data with the classes in the order of model.class_names."
        )


def evaluate_saved(
    model: str | Path,
    *,
    data: str | None = None,
    data_root: str | Path | None = None,
    split: str = "test",
    batch_size: int | None = None,
    limit: int | None = None,
    carry_state: bool | None = None,
    seqlen: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SavedEvaluation:
    """`evaluate` for the model saved at `model`, its folder or that of its run; nothing is written.

    Sequences are normalised as the model's training data was, where the model says how; otherwise as the data set does it.

    Args:
        data: name of the data set, or the path of own data, read as the model's was: the split of what it was trained on,
            all samples of anything else. By default what the model was trained on.
        data_root: the data folder, see `longspike.data.load`.
        split: "train", "val" or "test". limit: use only this many samples, the first ones.
        batch_size: by default 100 sequences, fewer if they are longer than 1,310 steps, or 16 event samples.
        carry_state: of a corpus, whether one state goes through all of it, segment by segment, or each segment begins in
            silence; by default as the model was trained, and the other of the two is measured too (`by_state`).
        seqlen: tokens of a segment. By default 8,192 where the state is reset, as published figures have it.
        on_progress: called after each batch with the number of samples so far and in all.
    Raises: CheckpointError if the folder is not a model; ConfigError if it does not name its data or does not fit it;
        ValueError for an unknown split or data set; what `longspike.data.load` raises.
    """
    model = checkpoint.model_folder(model)
    check_choice("evaluate_saved", "split", split, SPLITS)
    if limit is not None:
        check_positive_int("evaluate_saved", "limit", limit)
    network = load_model(model)
    chosen = _chosen(model, network, data, data_root, split, limit, seqlen)
    samples = _as_trained(chosen.samples, network.input_spec)
    carries_state = _carries_state(checkpoint.read_description(model), samples, carry_state)
    if isinstance(samples, TokenRow) and not carries_state and seqlen is None:
        samples = replace(samples, seqlen=RESET_SEQLEN)
    if batch_size is None:
        has_events = isinstance(samples, AbstractEventSplit)
        batch_size = EVENT_BATCH_SIZE if has_events else _sequences_at_once(samples)
    told = None if on_progress is None else lambda done: on_progress(done, len(samples))
    evaluation = _evaluated(network, samples, batch_size, told, carries_state=carries_state)
    if isinstance(samples, TokenRow) and carry_state is None and _can_carry(network):
        by_state = _by_state(network, samples, evaluation, told, carries_state=carries_state)
        evaluation = replace(evaluation, by_state=by_state)
    return SavedEvaluation(
        evaluation=evaluation,
        data=chosen.data,
        split=chosen.split,
        limit=limit,
        class_names=chosen.class_names,
        source=chosen.source,
        run=model.resolve().parent,
    )

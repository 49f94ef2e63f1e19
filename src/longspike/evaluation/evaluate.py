"""One pass of a network over labelled batches."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from torch import Tensor

from longspike.energy import energy, is_counted
from longspike.evaluation.details import Details
from longspike.evaluation.machine import machine, versions
from longspike.evaluation.result import Evaluation
from longspike.models.classifier import AbstractClassifier
from longspike.tasks.confusion import class_accuracy
from longspike.training import Score
from longspike.training.carrying import Carried
from longspike.training.loaders import LabelledBatch, labelled
from longspike.training.score import evaluating
from longspike.training.tally import Tally, score_batch

FRACTIONS = (1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8)
"""Of a sample's steps, after which early answers are judged."""


def _moved(batch: Any, like: Tensor) -> Any:
    """A batch, a named tuple of tensors or of such tuples, on the device of `like`; real numbers in its dtype."""
    if isinstance(batch, Tensor):
        return batch.to(like.device, like.dtype if batch.is_floating_point() else batch.dtype)
    return type(batch)(*(_moved(part, like) for part in batch))


def _result(model: AbstractClassifier, score: Score, details: Details, wall_s: float) -> Evaluation:
    config, silent = model.config, details.silent_shares
    mean_seqlen = details.num_steps / details.num_samples
    confusion = details.sums.get("confusion")
    return Evaluation(
        task=score.task,
        num_samples=details.num_samples,
        num_steps=details.num_steps,
        metrics=score.metrics,
        loss=score.loss,
        confusion=() if confusion is None else tuple(tuple(row) for row in confusion.tolist()),
        class_accuracy=() if confusion is None else class_accuracy(confusion),
        sums=details.sums,
        firing_rate=score.rate,
        layer_rates=score.layer_rates,
        layer_names=model.layer_names,
        silent_share=sum(silent) / len(silent) if silent else None,
        layer_silent_shares=silent,
        anytime=details.anytime(score),
        samples=tuple(details.samples),
        energy=energy(model, score.layer_rates, seqlen=mean_seqlen) if is_counted(config) else None,
        events=details.events,
        wall_s=wall_s,
        summary=model.summary(),
        model=asdict(config),
        num_outputs=config.num_outputs,
        num_parameters=sum(p.numel() for p in model.parameters()),
        versions=versions(),
        machine=machine(next(model.parameters()).device),
        unit=model.token_unit,
        columns=score.columns,
    )


def evaluate(
    model: AbstractClassifier,
    batches: Iterable[LabelledBatch],
    *,
    num_samples_kept: int = 4,
    carries_state: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """The metrics of its task, spikes, energy and speed of a network on labelled batches.

    Runs in evaluation mode without gradients; the model's modes are as before afterwards. Padding changes nothing:
    steps at or after a sample's length enter no measure. The time includes data preparation and traces. What a model
    says of itself decides what is measured: see `longspike.models.classifier.AbstractClassifier`.

    Args:
        model: a `SpikeSSM`, a `FlamesSequence` or a `Flames`.
        batches: what `model.classify` reads, with labels, as `longspike.data.BatchLoader` draws them: padded sequences
            or tokens with their lengths, or events.
        num_samples_kept: traces to keep; where labels are classes, the first sample of each class met.
        carries_state: each batch goes on where the one before stopped (`longspike.data.RowLoader`), and so does the state.
        on_progress: called after each batch with the number of samples so far.
    Raises: ValueError if there is no sample or no step with input; ValueError or TypeError if the labels, or the read-out
        of the model, do not fit its task.

    Example:
        >>> import torch
        >>> from longspike.data import BatchLoader, Split
        >>> from longspike.models import SpikeSSM, SpikeSSMConfig
        >>> split = Split(values=torch.zeros(4, 5, 1), lengths=torch.full((4,), 5), labels=torch.arange(4))
        >>> model = SpikeSSM(SpikeSSMConfig(d_model=8, num_layers=1, d_state=4))
        >>> evaluate(model, BatchLoader(split, batch_size=2, shuffle=False, seed=0)).num_steps
        20
    """
    tally, carried = Tally(model.task), Carried(is_on=carries_state)
    details = Details(model.task, fractions=FRACTIONS, num_samples_kept=num_samples_kept)
    like = next(model.parameters())
    start = time.perf_counter()
    with evaluating(model):
        for batch in batches:
            batch = _moved(labelled(batch), like)
            seen = carried.observed(model, batch, FRACTIONS)
            tally.add(score_batch(model.task, seen.answer, batch))
            details.add(seen, batch)
            if on_progress is not None:
                on_progress(tally.num_samples)
    wall_s = time.perf_counter() - start
    if details.num_steps == 0:
        raise ValueError(
            f"evaluate: `batches` must hold at least one valid step; got {details.num_samples} samples without any."
        )
    return _result(model, tally.score(), details, wall_s)

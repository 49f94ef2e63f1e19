"""One pass of a network over labelled sequences."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from longspike.data import Batch, mask
from longspike.energy import energy
from longspike.evaluation.machine import machine, versions
from longspike.evaluation.metrics import accuracy, class_accuracy, confusion_matrix, running_means, spike_counts
from longspike.evaluation.result import AnytimePoint, Evaluation, SampleTrace
from longspike.models import FlamesSequence, SpikeSSM

FRACTIONS = (1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 1.0)


@dataclass(slots=True)
class _Tally:
    """Sums over the batches seen so far."""

    confusion: Tensor
    spikes: list[Tensor]  # of each block, spikes of every channel
    hits: list[int] = field(default_factory=lambda: [0] * len(FRACTIONS))
    steps_seen: list[int] = field(default_factory=lambda: [0] * len(FRACTIONS))
    loss: float = 0.0
    num_samples: int = 0
    num_steps: int = 0
    samples: list[SampleTrace] = field(default_factory=list)


Network = SpikeSSM | FlamesSequence


def _is_spiking(model: Network) -> bool:
    return isinstance(model, FlamesSequence) or model.config.neuron.is_spiking


def _is_causal(model: Network) -> bool:
    return isinstance(model, FlamesSequence) or not model.config.is_bidirectional


def _layers(model: Network) -> tuple[tuple[str, ...], int]:
    """The spiking layers' names, and their width."""
    if isinstance(model, FlamesSequence):
        blocks = tuple(f"memory {k + 1}" for k in range(model.config.memory.num_layers))
        return ("dendrites", *blocks), model.config.memory.d_model
    config = model.config
    return tuple(f"block {k + 1}" for k in range(config.num_layers if _is_spiking(model) else 0)), config.d_model


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module's own mode comes back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, was_training in modes:
            module.training = was_training


@contextmanager
def _pool_inputs(model: Network) -> Iterator[list[Tensor]]:
    """A list that receives what enters the pool at every call."""
    seen: list[Tensor] = []
    hook = model.pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    try:
        yield seen
    finally:
        hook.remove()


def _forward(model: Network, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Logits, the spikes of every block, and the last block's output."""
    with _pool_inputs(model) as seen:
        logits, _, spikes = model.outputs(batch.x, lengths=batch.lengths)
    return logits, spikes, seen[0]


def _trace(model: Network, batch: Batch, row: int, index: int, prediction: int, parts: Any) -> SampleTrace:
    """What happened to one sample of a batch."""
    spikes, features = parts
    length = int(batch.lengths[row])
    x = batch.x[row, :length]
    probabilities = None
    if _is_causal(model):
        count = torch.arange(1, length + 1, device=features.device, dtype=features.dtype)[:, None]
        running = features[row, :length].cumsum(dim=0) / count
        probabilities = model.decoder(running).softmax(dim=-1).float().cpu().numpy()
    kept = [s[row, :length].bool().cpu().numpy() for s in spikes] if _is_spiking(model) else []
    return SampleTrace(
        index=index,
        label=int(batch.labels[row]),
        prediction=prediction,
        x=(x[:, None] if x.dim() == 1 else x).float().cpu().numpy(),
        spikes=tuple(kept),
        probabilities=probabilities,
    )


def _add(tally: _Tally, model: Network, batch: Batch, num_samples_kept: int) -> None:
    """Run one batch and add what it gives."""
    config = model.config
    logits, spikes, features = _forward(model, batch)
    predictions = logits.argmax(dim=-1)
    found = confusion_matrix(batch.labels.cpu(), predictions.cpu(), num_classes=config.num_outputs)
    tally.loss += float(torch.nn.functional.cross_entropy(logits.float(), batch.labels, reduction="sum"))
    tally.confusion += found
    if _is_spiking(model):
        valid = mask(batch.lengths, spikes[0].shape[1])
        for total, s in zip(tally.spikes, spikes, strict=True):
            total += spike_counts(s, valid).cpu()
    if _is_causal(model):
        means, steps = running_means(features, batch.lengths, FRACTIONS[:-1])
        early = model.decoder(means).argmax(dim=-1)
        guesses = torch.cat([early, predictions[:, None]], dim=1)  # the last point is the network's own answer
        steps = torch.cat([steps, batch.lengths[:, None]], dim=1)
        for k in range(len(FRACTIONS)):
            tally.hits[k] += int((guesses[:, k] == batch.labels).sum())
            tally.steps_seen[k] += int(steps[:, k].sum())
    for row, (label, length) in enumerate(zip(batch.labels.tolist(), batch.lengths.tolist(), strict=True)):
        is_new = label not in {sample.label for sample in tally.samples}
        if len(tally.samples) < num_samples_kept and is_new and length > 0:
            index, prediction = tally.num_samples + row, int(predictions[row])
            tally.samples.append(_trace(model, batch, row, index, prediction, (spikes, features)))
    tally.num_samples += len(batch.labels)
    tally.num_steps += int(batch.lengths.sum())


def _result(tally: _Tally, model: Network, wall_s: float) -> Evaluation:
    n, steps = tally.num_samples, tally.num_steps
    rates = tuple(float(total.sum()) / (steps * len(total)) for total in tally.spikes)
    silent = tuple(float((total == 0).double().mean()) for total in tally.spikes)
    anytime = tuple(
        AnytimePoint(fraction=fraction, steps=tally.steps_seen[k] / n, accuracy=tally.hits[k] / n)
        for k, fraction in enumerate(FRACTIONS)
    )
    return Evaluation(
        num_samples=n,
        num_steps=steps,
        accuracy=accuracy(tally.confusion),
        loss=tally.loss / n,
        confusion=tuple(tuple(row) for row in tally.confusion.tolist()),
        class_accuracy=class_accuracy(tally.confusion),
        firing_rate=sum(rates) / len(rates) if rates else None,
        layer_rates=rates,
        layer_names=_layers(model)[0],
        silent_share=sum(silent) / len(silent) if silent else None,
        layer_silent_shares=silent,
        anytime=anytime if _is_causal(model) else (),
        samples=tuple(tally.samples),
        energy=energy(model, rates, seqlen=steps / n) if isinstance(model, SpikeSSM) else None,
        wall_s=wall_s,
        samples_per_s=n / wall_s,
        steps_per_s=steps / wall_s,
        model=asdict(model.config),
        num_parameters=sum(p.numel() for p in model.parameters()),
        versions=versions(),
        machine=machine(model.decoder.weight.device),
    )


def evaluate_model(
    model: Network,
    batches: Iterable[Batch],
    *,
    num_samples_kept: int = 4,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Accuracy, spikes, energy and speed of a classifier on labelled sequences.

    Runs in evaluation mode without gradients; the model's modes are as before afterwards. Padding changes nothing:
    steps at or after a sample's length enter no measure.

    Args:
        model: a `SpikeSSM` that pools over time (config.pool = "mean"), or a `FlamesSequence`, without energy.
        batches: x (batch, seqlen, d_input), or integer tokens (batch, seqlen); lengths and labels (batch).
        num_samples_kept: traces to keep, the first sample of each class met.
        on_progress: called after each batch with the number of samples so far.
    Raises: ValueError if the model does not pool, there is no sample or no valid step, or a label is not one of the
        model's classes.
    """
    if model.pool is None:
        raise ValueError("evaluate_model: `model` must pool over time to classify; got one with pool='none'.")
    weight, classes = model.decoder.weight, model.config.num_outputs
    layers, width = _layers(model)
    tally = _Tally(
        confusion=torch.zeros(classes, classes, dtype=torch.int64),
        spikes=[torch.zeros(width, dtype=torch.float64) for _ in layers],
    )
    start = time.perf_counter()
    with evaluating(model):
        for x, lengths, labels in batches:
            dtype = weight.dtype if x.is_floating_point() else x.dtype
            batch = Batch(x.to(weight.device, dtype), lengths.to(weight.device), labels.to(weight.device))
            _add(tally, model, batch, num_samples_kept)
            if on_progress is not None:
                on_progress(tally.num_samples)
    wall_s = time.perf_counter() - start
    if tally.num_steps == 0:
        raise ValueError(
            f"evaluate_model: `batches` must hold at least one valid step; got {tally.num_samples} samples without any."
        )
    return _result(tally, model, wall_s)

"""One pass of FLAMES over labelled events."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike.data import EventBatch
from longspike.errors import BackendUnavailableError
from longspike.evaluation.evaluate import evaluating
from longspike.evaluation.event_result import EventEvaluation, EventTrace
from longspike.evaluation.machine import machine, versions
from longspike.evaluation.metrics import accuracy, class_accuracy, confusion_matrix
from longspike.events.ragged import RaggedEvents
from longspike.models import Flames
from longspike.streaming import EventStream

PIECE_EVENTS = 20_000
"""A trace is taken in pieces, since a recording stream keeps every spike until it is asked."""


@dataclass(slots=True)
class _Tally:
    """Sums over the batches seen so far."""

    confusion: Tensor
    spikes: list[int]
    updates: list[int]
    loss: float = 0.0
    num_samples: int = 0
    num_events: int = 0
    num_steps: int = 0
    num_ticks: int = 0
    samples: list[EventTrace] = field(default_factory=list)


def layer_names(model: Flames) -> tuple[str, ...]:
    """The spiking layers in the order of their activity: fronts, then memory blocks."""
    fronts = (f"front {k + 1}" for k in range(model.config.num_fronts))
    return (*fronts, *(f"memory {k + 1}" for k in range(model.config.memory.num_layers)))


def count_steps(events: RaggedEvents, step_us: int) -> int:
    """Steps that hold an event, summed over the samples."""
    step = torch.div(events.t, step_us, rounding_mode="floor")
    sample = torch.repeat_interleave(torch.arange(events.batch, device=step.device), events.lengths)
    if not len(step):
        return 0
    return 1 + int(((step[1:] != step[:-1]) | (sample[1:] != sample[:-1])).sum())


def _stream_of(model: Flames) -> EventStream | None:
    """A recording stream; None for a model that streams cannot run."""
    try:
        return EventStream(model, is_recording=True)
    except (ValueError, BackendUnavailableError):
        return None


def _whole_ticks(model: Flames, events: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], None]:
    """Steps of the ticks and spikes of every block, from the whole sample at once."""
    t = torch.from_numpy(events["t"].copy())
    x, y, p = (torch.from_numpy(events[name].astype(np.int32)) for name in "xyp")
    batch = RaggedEvents(x, y, t, p, torch.tensor([0, len(t)])).to(model.embedding.device)
    output = model.outputs(batch, keeps_state=False)
    return output.ticks.step.cpu().numpy(), [s.bool().cpu().numpy() for s in output.spikes], None


def _streamed_ticks(stream: EventStream, events: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """The same and the logits after every tick, from a stream."""
    steps, spikes, logits = [], [], []
    for first in range(0, len(events) + 1, PIECE_EVENTS):
        stream.push(events[first : first + PIECE_EVENTS])
        if first + PIECE_EVENTS > len(events):
            stream.flush()
        for tick in stream.take_ticks():
            steps.append(tick.step)
            spikes.append(tick.spikes.astype(bool))
            logits.append(tick.logits)
    blocks, width = stream.config.memory.num_layers, stream.config.memory.d_model
    fired = np.array(spikes, bool).reshape(len(steps), blocks, width)
    outputs = np.array(logits, np.float32).reshape(len(steps), stream.config.num_outputs)
    return np.array(steps, np.int64), [fired[:, k] for k in range(blocks)], outputs


def _trace(model: Flames, events: np.ndarray, *, index: int, label: int, prediction: int) -> EventTrace:
    """What happened to one sample."""
    width, height = model.config.sensor_size
    pixel = (events["p"].astype(np.int64) * height + events["y"]) * width + events["x"]
    stream = _stream_of(model)
    steps, spikes, logits = _whole_ticks(model, events) if stream is None else _streamed_ticks(stream, events)
    return EventTrace(
        index=index,
        label=label,
        prediction=prediction,
        image=np.bincount(pixel, minlength=2 * height * width).reshape(2, height, width),
        t_us=events["t"].copy(),
        tick_us=steps * model.config.step_us,
        spikes=tuple(spikes),
        probabilities=None if logits is None else torch.from_numpy(logits).softmax(dim=-1).numpy(),
    )


def _add(tally: _Tally, model: Flames, batch: EventBatch, num_samples_kept: int) -> None:
    """Run one batch and add what it gives."""
    output = model.outputs(batch.events, keeps_state=False)
    predictions = output.logits.argmax(dim=-1)
    tally.loss += float(torch.nn.functional.cross_entropy(output.logits.float(), batch.labels, reduction="sum"))
    classes = model.config.num_outputs
    tally.confusion += confusion_matrix(batch.labels.cpu(), predictions.cpu(), num_classes=classes)
    for k, layer in enumerate(output.activity):
        tally.spikes[k] += int(layer.num_spikes)
        tally.updates[k] += layer.num_updates
    for row, label in enumerate(batch.labels.tolist()):
        first, end = batch.events.offsets[row : row + 2].tolist()
        is_new = label not in {sample.label for sample in tally.samples}
        if len(tally.samples) < num_samples_kept and is_new and end > first:
            events = batch.events.split()[row]
            place = tally.num_samples + row
            tally.samples.append(_trace(model, events, index=place, label=label, prediction=int(predictions[row])))
    tally.num_samples += len(batch.labels)
    tally.num_events += len(batch.events.t)
    tally.num_steps += count_steps(batch.events, model.config.step_us)
    tally.num_ticks += len(output.ticks.step)


def _result(tally: _Tally, model: Flames, wall_s: float) -> EventEvaluation:
    n = tally.num_samples
    return EventEvaluation(
        num_samples=n,
        num_events=tally.num_events,
        num_steps=tally.num_steps,
        num_ticks=tally.num_ticks,
        accuracy=accuracy(tally.confusion),
        loss=tally.loss / n,
        confusion=tuple(tuple(row) for row in tally.confusion.tolist()),
        class_accuracy=class_accuracy(tally.confusion),
        firing_rate=sum(tally.spikes) / max(sum(tally.updates), 1),
        layer_rates=tuple(s / max(u, 1) for s, u in zip(tally.spikes, tally.updates, strict=True)),
        layer_names=layer_names(model),
        samples=tuple(tally.samples),
        wall_s=wall_s,
        samples_per_s=n / wall_s,
        events_per_s=tally.num_events / wall_s,
        model=asdict(model.config),
        num_parameters=sum(p.numel() for p in model.parameters()),
        versions=versions(),
        machine=machine(model.embedding.device),
    )


def evaluate_events(
    model: Flames,
    batches: Iterable[EventBatch],
    *,
    num_samples_kept: int = 4,
    on_progress: Callable[[int], None] | None = None,
) -> EventEvaluation:
    """Accuracy, spikes and speed of FLAMES on labelled events.

    Runs in evaluation mode without gradients; the model's modes are as before afterwards. The time includes the traces
    of the samples that are kept. Energy is not counted for FLAMES.

    Args:
        batches: events and labels (batch), as `longspike.data.BatchLoader` draws them from an event split.
        num_samples_kept: traces to keep, the first sample of each class met.
        on_progress: called after each batch with the number of samples so far.
    Raises: TypeError for another model; ValueError if there is no sample, or a label is not one of the model's classes.
    """
    if not isinstance(model, Flames):
        raise TypeError(f"evaluate_events: `model` must be Flames; got {describe(model)}. Use evaluate_model.")
    classes, num_layers = model.config.num_outputs, len(layer_names(model))
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    tally = _Tally(confusion=confusion, spikes=[0] * num_layers, updates=[0] * num_layers)
    device = model.embedding.device
    start = time.perf_counter()
    with evaluating(model):
        for events, labels in batches:
            _add(tally, model, EventBatch(events.to(device), labels.to(device)), num_samples_kept)
            if on_progress is not None:
                on_progress(tally.num_samples)
    wall_s = time.perf_counter() - start
    if not tally.num_samples:
        raise ValueError("evaluate_events: `batches` must hold at least one sample; got none.")
    return _result(tally, model, wall_s)

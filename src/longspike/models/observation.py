"""Answers of a network to a batch, and what led to them: activity, early answers, traces of single samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from longspike._core.lengths import length_mask


class LayerActivity(NamedTuple):
    """Spikes of a layer over a batch (a differentiable scalar), and how many neuron updates could have spiked."""

    num_spikes: Tensor
    num_updates: int

    @property
    def rate(self) -> Tensor:
        """Spikes per update."""
        return self.num_spikes / max(self.num_updates, 1)


class Classification(NamedTuple):
    """Logits (batch, classes) and the activity of every spiking layer (none without spikes)."""

    logits: Tensor
    activity: tuple[LayerActivity, ...]


class EventInput(NamedTuple):
    """A sample's events: how many a pixel, off then on, (2, height, width) int64; and when, (num_events), in us."""

    image: np.ndarray
    t_us: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """One sample from its input to the answer.

    Attributes:
        x: values (seqlen, d_input) float32, tokens (seqlen, 1), or events.
        times: (steps,) int64, when spikes and probabilities are: the step's number, or with events its start in us.
        spikes: for each layer (steps, neurons) bool; layer_names: of these layers. Empty for a dense network.
        probabilities: (steps, classes) float32, softmax of the read-out after every step; None for a network whose
            first step already knows the last.
    """

    x: np.ndarray | EventInput
    times: np.ndarray
    spikes: tuple[np.ndarray, ...]
    layer_names: tuple[str, ...]
    probabilities: np.ndarray | None


class EarlyAnswers(NamedTuple):
    """Logits (batch, points, classes) after the first `steps` (batch, points) of every sample."""

    logits: Tensor
    steps: Tensor


class EventCounts(NamedTuple):
    """How many events went in, and in how many steps the memory ticked."""

    num_events: int
    num_ticks: int


class Observation(NamedTuple):
    """The answer to a batch, and what led to it.

    num_steps: steps with input, over all samples. trace: of a sample by its row, None if it is empty.
    neuron_spikes: for each spiking layer (neurons), spikes of every neuron; empty where they are not told apart.
    early: None if early answers mean nothing or are not given. events: of a network that reads events.
    """

    answer: Classification
    num_steps: int
    trace: Callable[[int], Trace | None]
    neuron_spikes: tuple[Tensor, ...] = ()
    early: EarlyAnswers | None = None
    events: EventCounts | None = None


class SequenceBatch(Protocol):
    """Padded sequences x (batch, seqlen, d_input) or tokens (batch, seqlen), and their valid steps (batch)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...


def spike_counts(
    spikes: Float[Tensor, "batch seqlen channels"], valid: Bool[Tensor, "batch seqlen"]
) -> Float[Tensor, " channels"]:
    """Spikes of every channel over the valid steps of all samples, float64.

    rate = spike_counts(spikes, valid).sum() / (valid.sum() * channels)
    """
    return torch.einsum("blc,bl->c", spikes, valid.to(spikes.dtype)).double()


def running_means(
    x: Float[Tensor, "batch seqlen channels"], lengths: Int[Tensor, " batch"], fractions: Sequence[float]
) -> tuple[Float[Tensor, "batch points channels"], Int[Tensor, "batch points"]]:
    """Means over the first ceil(fraction * length) steps, at least one, of every sample; and those numbers of steps."""
    steps = torch.stack([torch.ceil(lengths * fraction).long() for fraction in fractions], dim=1).clamp(min=1)
    steps = torch.minimum(steps, lengths.clamp(min=1)[:, None])
    is_seen = torch.arange(x.shape[1], device=x.device) < torch.minimum(steps, lengths[:, None])[..., None]
    return torch.bmm(is_seen.to(x.dtype) / steps[..., None].to(x.dtype), x), steps


def observe_sequences(
    batch: SequenceBatch,
    *,
    logits: Tensor,
    spikes: Sequence[Tensor],
    layer_names: tuple[str, ...],
    features: Tensor | None,
    read_out: Callable[[Tensor], Tensor],
    fractions: Sequence[float],
) -> Observation:
    """What a network that averages over time did with padded sequences.

    Args:
        logits, spikes: its outputs; spikes (batch, seqlen, neurons) of each layer in `layer_names`.
        features: (batch, seqlen, channels), what is averaged; None for a network that is not causal.
        read_out: from averages to logits.
    """
    lengths, num_steps = batch.lengths, int(batch.lengths.sum())
    valid = length_mask(lengths, batch.x.shape[1])
    counts = tuple(spike_counts(s, valid) for s in spikes)
    activity = tuple(LayerActivity(count.sum(), num_steps * len(count)) for count in counts)

    def trace(row: int) -> Trace | None:
        length = int(lengths[row])
        if length == 0:
            return None
        x, probabilities = batch.x[row, :length], None
        if features is not None:
            seen = torch.arange(1, length + 1, device=features.device, dtype=features.dtype)[:, None]
            running = features[row, :length].cumsum(dim=0) / seen
            probabilities = read_out(running).softmax(dim=-1).float().cpu().numpy()
        return Trace(
            x=(x[:, None] if x.dim() == 1 else x).float().cpu().numpy(),
            times=np.arange(length),
            spikes=tuple(s[row, :length].bool().cpu().numpy() for s in spikes),
            layer_names=layer_names,
            probabilities=probabilities,
        )

    early = None
    if features is not None:
        means, steps = running_means(features, lengths, fractions)
        early = EarlyAnswers(read_out(means), steps)
    return Observation(Classification(logits, activity), num_steps, trace, counts, early)

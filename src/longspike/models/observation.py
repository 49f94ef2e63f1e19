"""Answers of a network to a batch, and what led to them: activity, early answers, traces of single samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

__all__ = ["Classification", "EarlyAnswers", "EventCounts", "EventInput", "LayerActivity", "Observation", "Trace"]


class LayerActivity(NamedTuple):
    """Spikes of a layer over a batch (a differentiable scalar), and how many neuron updates could have spiked."""

    num_spikes: Tensor
    num_updates: int

    @property
    def rate(self) -> Tensor:
        """Spikes per update."""
        return self.num_spikes / max(self.num_updates, 1)


class Classification(NamedTuple):
    """Logits (batch, outputs), or (batch, seqlen, outputs) where every step is read out, and the activity of every
    spiking layer (none without spikes).

    logits: a tensor; of a `SpikeLM` the `longspike.nn.TokenScores`, which make what its task asks for.
    state: after the last step, to go on from; None where samples end at different steps, or the network hands none on.
    """

    logits: Any
    activity: tuple[LayerActivity, ...]
    state: Any = None


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
        answers: (steps, outputs) float32, what the network says after every step, as its task shows it: probabilities of
            classes, or values. None for a network whose first step already knows the last, and for a task that shows none.
    """

    x: np.ndarray | EventInput
    times: np.ndarray
    spikes: tuple[np.ndarray, ...]
    layer_names: tuple[str, ...]
    answers: np.ndarray | None


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

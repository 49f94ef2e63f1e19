"""The memory-retention task: a cue, a delay with distractors at a controlled inter-spike interval, then a probe."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longspike._core.mistakes import Mistakes


class TickBatch(NamedTuple):
    """Labelled samples on ragged ticks.

    u: (ticks, channels + 1), spike counts; the last channel is the probe. delta: (ticks), steps since the sample's last
    tick, 1 at its first. offsets: (batch + 1,) int64. labels: (batch,) int64.
    """

    u: Tensor
    delta: Tensor
    offsets: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionTask:
    """Which cue was shown, asked after a delay.

        cue          `cue_steps` steps; class k has a fixed random pattern of spikes (step, channel), of which every
                     sample shows each with probability 1 - `dropped`, and `cue_noise` extra ones a step and channel
        delay        distractors: single spikes on random channels of the cue, geometric gaps of mean `isi` steps;
                     or silence (isi None)
        probe        a spike on a channel of its own, `delay` steps after the cue's last step; the answer is read there

    A sample ticks at the steps that hold a spike, and at no other. Distractors come on the cue's own channels, so a
    leaky sum mixes them up, and there is no tick near the probe that carries the cue.

    Attributes:
        num_classes, channels, cue_steps: sizes. cue_rate: spikes of a pattern a step and channel.
        dropped, cue_noise: see above. seed: of the patterns.
    """

    num_classes: int = 8
    channels: int = 16
    cue_steps: int = 10
    cue_rate: float = 0.15
    dropped: float = 0.2
    cue_noise: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        mistakes = Mistakes("RetentionTask", self)
        mistakes.integers("num_classes", "channels", "cue_steps")
        mistakes.integers("seed", low=0)
        mistakes.numbers("cue_rate", "dropped", "cue_noise", high=1, closed_low=True)
        mistakes.raise_any()

    def patterns(self) -> np.ndarray:
        """(num_classes, cue_steps, channels), bool, the cues without noise."""
        rng = np.random.default_rng(self.seed)
        return rng.random((self.num_classes, self.cue_steps, self.channels)) < self.cue_rate

    def draw(
        self, delays: np.ndarray, isis: np.ndarray, *, patterns: np.ndarray, rng: np.random.Generator
    ) -> TickBatch:
        """One sample for every delay (steps, at least 1) and mean interval (steps, at least 1; infinite for silence).

        Raises: ValueError if the two differ in length or leave their bounds.
        """
        _check_conditions(delays, isis)
        labels = rng.integers(self.num_classes, size=len(delays))
        samples = [
            self._sample(patterns[label], int(delay), float(isi), rng)
            for label, delay, isi in zip(labels, delays, isis, strict=True)
        ]
        counts = np.cumsum([0, *(len(steps) for steps, _ in samples)])
        delta = np.concatenate([np.diff(steps, prepend=steps[0] - 1) for steps, _ in samples])
        u = np.concatenate([spikes for _, spikes in samples])
        return TickBatch(
            torch.from_numpy(u), torch.from_numpy(delta).float(), torch.from_numpy(counts), torch.from_numpy(labels)
        )

    def _sample(
        self, pattern: np.ndarray, delay: int, isi: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The steps of the ticks (ticks,), and the spikes at them (ticks, channels + 1), float32."""
        cue = (pattern & (rng.random(pattern.shape) >= self.dropped)) | (rng.random(pattern.shape) < self.cue_noise)
        cue_steps = np.flatnonzero(cue.any(axis=1))
        end = self.cue_steps - 1
        distractors = end + distractor_steps(delay, isi, rng)
        steps = np.concatenate([cue_steps, distractors, [end + delay]])
        spikes = np.zeros((len(steps), self.channels + 1), np.float32)
        spikes[: len(cue_steps), :-1] = cue[cue_steps]
        where = np.arange(len(cue_steps), len(steps) - 1)
        spikes[where, rng.integers(self.channels, size=len(where))] = 1
        spikes[-1, -1] = 1
        return steps, spikes


def distractor_steps(delay: int, isi: float, rng: np.random.Generator) -> np.ndarray:
    """Steps 1 .. delay - 1 of distractors with geometric gaps of mean `isi`; none if it is infinite."""
    if not np.isfinite(isi):
        return np.empty(0, np.int64)
    count = int(delay / isi + 8 * np.sqrt(delay / isi) + 8)
    steps = np.cumsum(rng.geometric(1 / isi, size=count))
    while steps[-1] < delay:
        steps = np.concatenate([steps, steps[-1] + np.cumsum(rng.geometric(1 / isi, size=count))])
    return steps[steps < delay]


def _check_conditions(delays: np.ndarray, isis: np.ndarray) -> None:
    if len(delays) != len(isis) or not len(delays):
        raise ValueError(
            f"RetentionTask.draw: `delays` and `isis` must have one entry a sample; got {len(delays)} and {len(isis)}."
        )
    for name, values in (("delays", delays), ("isis", isis)):
        if not float(np.min(values)) >= 1:
            raise ValueError(
                f"RetentionTask.draw: `{name}` must be at least 1 step; got {np.min(values)}. Silence is isi=inf."
            )

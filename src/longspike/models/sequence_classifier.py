"""What networks over sequences have in common, whether they average over time before they answer or answer every step."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from longspike._core.lengths import Batch, length_mask
from longspike.layers.pooling import MeanPool, WindowPool, early_steps
from longspike.models.classifier import AbstractClassifier
from longspike.models.observation import Classification, EarlyAnswers, LayerActivity, Observation, Trace
from longspike.models.predicting import padded


class SequenceBatch(Protocol):
    """Padded sequences x (batch, seqlen, d_input) or tokens (batch, seqlen), and their valid steps (batch)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...


def spike_counts(
    spikes: Float[Tensor, "batch seqlen channels"], valid: Bool[Tensor, "batch seqlen"]
) -> Float[Tensor, " channels"]:
    """Spikes of every channel over the valid steps of all samples, float64; one of strength k counts |k|.

    rate = spike_counts(spikes, valid).sum() / (valid.sum() * channels)
    """
    return torch.einsum("blc,bl->c", spikes.abs(), valid.to(spikes.dtype)).double()


class AbstractSequenceClassifier(AbstractClassifier):
    """Sequences through layers, and a linear read-out of the mean over valid steps, or of every step without a pool."""

    pool: MeanPool | WindowPool | None
    decoder: nn.Module

    @property
    def reads_tokens(self) -> bool:
        """Whether the input is integer tokens (batch, seqlen) instead of values (batch, seqlen, d_input)."""
        return False

    @abstractmethod
    def features(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any, tuple[Tensor, ...]]:
        """What is read out, (batch, seqlen, d_model); the layers' states; their outputs (batch, seqlen, neurons)."""

    @abstractmethod
    def state_of(self, ends: Any, pool: Any) -> Any:
        """The network's state out of those of its layers and its pool."""

    def answered(self, features: Tensor) -> Any:
        """What `classify` and `observe` answer to features (..., d_model): logits (..., outputs)."""
        return self.decoder(features)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits after one more step, and the state; x_t (batch, d_input), or tokens (batch)."""
        return self(x_t[:, None], state)

    def raw_batch(self, samples: Sequence[Any]) -> Batch:
        """Raw sequences as a padded batch: values normalised by `input_spec`, or tokens."""
        options = {"d_input": self.config.d_input, "is_tokens": self.reads_tokens, "like": next(self.parameters())}
        return padded(samples, self.input_spec, **options)

    def lengths_of(self, batch: SequenceBatch) -> Tensor:
        """Valid steps (batch)."""
        return batch.lengths

    def _has_batch(self, raw: Any) -> bool:
        return len(raw.shape) == (2 if self.reads_tokens else 3)

    def observe(self, batch: SequenceBatch, *, fractions: Sequence[float], state: Any = None) -> Observation:
        """The answer to padded sequences and traces, with early answers if the network is causal and answers once."""
        lengths, num_steps = batch.lengths, int(batch.lengths.sum())
        is_padded = num_steps != batch.x.shape[0] * batch.x.shape[1]
        features, ends, spikes = self.features(batch.x, state, lengths)
        spikes = spikes if self.is_spiking else ()
        counts = tuple(spike_counts(s, length_mask(lengths, s.shape[1])) for s in spikes)
        activity = tuple(LayerActivity(count.sum(), num_steps * len(count)) for count in counts)
        pooled, pool_end = features, None
        if self.pool is not None:
            pooled, pool_end = self.pool(features, None if state is None else state.pool, lengths)
        early = None
        if self.is_causal and self.pool is not None:
            steps = early_steps(lengths, fractions)
            early = EarlyAnswers(self.decoder(self.pool.after(features, steps, lengths)), steps)

        def trace(row: int) -> Trace | None:
            own = slice(0, int(lengths[row]))
            return self._trace(batch.x[row, own], features[row, own], tuple(s[row, own] for s in spikes))

        end = None if is_padded else self.state_of(ends, pool_end)
        return Observation(Classification(self.answered(pooled), activity, end), num_steps, trace, counts, early)

    def _trace(self, x: Tensor, features: Tensor, spikes: tuple[Tensor, ...]) -> Trace | None:
        """What happened to one sample, without padding."""
        if len(x) == 0:
            return None
        answers = None
        if self.pool is None:
            answers = self.task.shown(self.answered(features))
        elif self.is_causal:
            answers = self.task.shown(self.decoder(self.pool.running(features)))
        return Trace(
            x=(x[:, None] if x.dim() == 1 else x).float().cpu().numpy(),
            times=np.arange(len(x)),
            spikes=tuple(s.bool().cpu().numpy() for s in spikes),
            layer_names=self.layer_names,
            answers=None if answers is None else answers.float().cpu().numpy(),
        )

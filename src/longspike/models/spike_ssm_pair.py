"""Two sequences read by one network and compared: which class is the pair?"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from longspike._core.dtypes import in_dtype
from longspike._core.lengths import Batch, PairBatch, length_mask
from longspike.models.classifier import AbstractClassifier, Summary
from longspike.models.observation import Classification, LayerActivity, Observation, Trace
from longspike.models.pair_config import SpikeSSMPairConfig
from longspike.models.predicting import padded
from longspike.models.sequence_classifier import spike_counts
from longspike.models.spike_ssm import SpikeSSM


class SequencePairs(Protocol):
    """Padded sequences x, other_x (batch, seqlen, d_input), or tokens (batch, seqlen), and their valid steps (batch)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...
    @property
    def other_x(self) -> Tensor: ...
    @property
    def other_lengths(self) -> Tensor: ...


def both_sides(batch: SequencePairs) -> Batch:
    """The first sequences of all pairs, then the second ones, padded to the longest: a batch of twice the size."""
    longest = max(batch.x.shape[1], batch.other_x.shape[1])
    sides = []
    for x in (batch.x, batch.other_x):
        missing = longest - x.shape[1]
        sides.append(nn.functional.pad(x, (0, 0, 0, missing) if x.dim() == 3 else (0, missing)) if missing else x)
    lengths = torch.cat([batch.lengths, batch.other_lengths])
    return Batch(torch.cat(sides), lengths, torch.zeros_like(lengths))


class SpikeSSMPair(AbstractClassifier):
    """Two towers of spiking state-space blocks that share their weights, and a head on what they have read.

        a, b = means over time of the last block's output, of the first and of the second sequence
        logits = W2 GELU(W1 [a, b, a - b, a * b] + b1) + b2

    Reference: the head is that of the S4 line for the task "Retrieval" of the Long Range Arena (Gu et al. 2022).

    Example:
        >>> from longspike.models import SpikeSSMConfig
        >>> tower = SpikeSSMConfig(d_input=5, encoder="embedding", d_model=8, num_layers=1, d_state=4)
        >>> model = SpikeSSMPair(SpikeSSMPairConfig(tower=tower))
        >>> tuple(model(torch.tensor([[1, 4]]), torch.tensor([[2, 2, 0]])).shape)
        (1, 2)
    """

    def __init__(self, config: SpikeSSMPairConfig) -> None:
        super().__init__()
        self.config = config
        width = config.tower.d_model
        self.tower = SpikeSSM(config.tower)
        self.tower.decoder = nn.Identity()  # type: ignore[assignment]
        self.head = nn.Sequential(nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, config.num_outputs))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The tower's blocks; none with a dense neuron."""
        return self.tower.layer_names

    @property
    def is_causal(self) -> bool:
        """As the tower is."""
        return self.tower.is_causal

    @property
    def reads_tokens(self) -> bool:
        """As the tower does."""
        return self.tower.reads_tokens

    def summary(self) -> Summary:
        """The network in words."""
        tower = self.tower.summary()
        return Summary("SpikeSSMPair, two towers that share weights", tower.rate, tower.rows)

    def compared(self, means: Tensor) -> Tensor:
        """Logits (batch, num_outputs) out of the towers' means (2 * batch, d_model), as `both_sides` puts them."""
        a, b = in_dtype(means, self.head[0].weight.dtype).chunk(2)  # type: ignore[arg-type]
        return self.head(torch.cat([a, b, a - b, a * b], dim=1))  # type: ignore[no-any-return]

    def forward(
        self, x: Tensor, other_x: Tensor, lengths: Tensor | None = None, other_lengths: Tensor | None = None
    ) -> Tensor:
        """Logits (batch, num_outputs).

        Args:
            x, other_x: (batch, seqlen, d_input), or integer tokens (batch, seqlen); their seqlen may differ.
            lengths, other_lengths: valid steps of right-padded sequences; all if not given.
        """
        full = [torch.full((len(side),), side.shape[1], device=side.device) for side in (x, other_x)]
        lengths = full[0] if lengths is None else lengths
        other_lengths = full[1] if other_lengths is None else other_lengths
        return self.classify(PairBatch(x, lengths, other_x, other_lengths, torch.zeros_like(lengths))).logits

    def classify(self, batch: SequencePairs, state: None = None) -> Classification:
        """Logits, and the activity of both towers together; no state is handed on."""
        means = self.tower.classify(both_sides(batch))
        return Classification(self.compared(means.logits), means.activity)

    def observe(self, batch: SequencePairs, *, fractions: Sequence[float], state: None = None) -> Observation:
        """The answer, and traces of the first sequences; no early answers, since there are two sequences to be early in."""
        both = both_sides(batch)
        lengths, num_steps = both.lengths, int(both.lengths.sum())
        output = self.tower.outputs(both.x, lengths=lengths)
        spikes = output.spikes if self.is_spiking else ()
        counts = tuple(spike_counts(s, length_mask(lengths, s.shape[1])) for s in spikes)
        activity = tuple(LayerActivity(count.sum(), num_steps * len(count)) for count in counts)

        def trace(row: int) -> Trace | None:
            own = slice(0, int(lengths[row]))
            return self._trace(both.x[row, own], tuple(s[row, own] for s in spikes))

        return Observation(Classification(self.compared(output.logits), activity), num_steps, trace, counts)

    def _trace(self, x: Tensor, spikes: tuple[Tensor, ...]) -> Trace | None:
        if len(x) == 0:
            return None
        return Trace(
            x=(x[:, None] if x.dim() == 1 else x).float().cpu().numpy(),
            times=torch.arange(len(x)).numpy(),
            spikes=tuple(s.bool().cpu().numpy() for s in spikes),
            layer_names=self.layer_names,
            answers=None,
        )

    def raw_batch(self, samples: Sequence[Any]) -> PairBatch:
        """Raw pairs as a padded batch: of each side what a `SpikeSSM` takes.

        Raises: TypeError for a sample that is not two sequences.
        """
        for sample in samples:
            if not isinstance(sample, tuple) or len(sample) != 2:
                raise TypeError(
                    f"predict: a sample must be a pair (first, second), a tuple; got a {type(sample).__name__}. "
                    "Pass several pairs as a list of tuples."
                )
        options = {"d_input": self.config.d_input, "is_tokens": self.reads_tokens, "like": self.head[0].weight}
        first, second = (padded(side, self.input_spec, **options) for side in zip(*samples, strict=True))  # type: ignore[arg-type]
        return PairBatch(first.x, first.lengths, second.x, second.lengths, first.labels)

    def _is_batch(self, raw: Any) -> bool:
        """A list is a batch of pairs, a tuple a pair."""
        return isinstance(raw, list)

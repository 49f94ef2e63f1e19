"""What describes a SpikeSSMPair completely."""

from dataclasses import dataclass, field

from longspike._core.mistakes import Mistakes, shown
from longspike.models.config import LARGEST_ENDS, SpikeSSMConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SpikeSSMPairConfig:
    """Two towers with shared weights, and a head that compares what they have read.

    Attributes:
        tower: the network that reads each sequence, averaged over time; its `num_outputs` has no effect, it has no read-out.
        num_outputs: classes of a pair.
    """

    tower: SpikeSSMConfig = field(default_factory=SpikeSSMConfig)
    num_outputs: int = 2

    def __post_init__(self) -> None:
        mistakes = Mistakes("SpikeSSMPairConfig", self)
        mistakes.integers("num_outputs", high=LARGEST_ENDS)
        if not isinstance(self.tower, SpikeSSMConfig):
            mistakes.add(f"`tower` must be a SpikeSSMConfig; got {shown(self.tower)}")
        elif self.tower.pool != "mean":
            mistakes.add(f'`tower.pool` must be "mean", towers are compared by their means; got {self.tower.pool!r}')
        mistakes.raise_any()

    @property
    def d_input(self) -> int:
        """Features of a step, or the size of the vocabulary, of both sequences."""
        return self.tower.d_input

    @property
    def encoder(self) -> str:
        """As of the tower."""
        return self.tower.encoder

    @property
    def has_pairs(self) -> bool:
        """Always: a sample is two sequences."""
        return True

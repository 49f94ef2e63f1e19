"""How many operations a network does that compares two sequences: its tower for the steps of both, and the head.

tower   as a SpikeSSM, at the steps of both sequences; the mean over time twice a pair, no decoder
head    [a, b, a - b, a * b]: H ADD, H MUL;  4H -> H: 4H*H MAC;  GELU: 3H MUL, H ADD, H special;  H -> K: H*K MAC
"""

from collections.abc import Sequence

from longspike.energy.counts import NetworkCounts, PartCount, count_operations
from longspike.energy.operations import OperationCounts
from longspike.models.pair_config import SpikeSSMPairConfig


def pair_counts(config: SpikeSSMPairConfig, rates: Sequence[float], *, word_bytes: int = 4) -> NetworkCounts:
    """Operations of a network of pairs; a sample is a pair, and its steps are those of both sequences.

    Args and Raises: as of `count_operations`; the rates are those of both towers together.

    Example:
        >>> from longspike.models import SpikeSSMConfig
        >>> config = SpikeSSMPairConfig(tower=SpikeSSMConfig(d_model=4, num_layers=1, d_state=2), num_outputs=3)
        >>> pair_counts(config, [0.25]).select(part="decoder").per_sample(20).mac
        76.0
    """
    tower = count_operations(config.tower, rates, word_bytes=word_bytes)
    parts = [_twice(part) if part.is_per_sample else part for part in tower.parts if part.part != "decoder"]
    return NetworkCounts(parts=(*parts, _head(config, word_bytes)))


def _twice(part: PartCount) -> PartCount:
    return PartCount(
        layer=part.layer,
        part=part.part,
        counts=part.counts.scaled(2),
        formula=f"{part.formula}, for both sequences",
        is_per_sample=True,
    )


def _head(config: SpikeSSMPairConfig, word_bytes: int) -> PartCount:
    h, k = config.tower.d_model, config.num_outputs
    macs = 4 * h * h + h * k
    counts = OperationCounts(
        mac=macs,
        add=2 * h,
        mul=4 * h,
        special=h,
        weight_bytes=(macs + h + k) * word_bytes,
        activation_bytes=(6 * h + k) * word_bytes,
    )
    formula = f"4H*H + H*K = {macs} MAC, GELU of H, a - b, a * b: once per sample"
    return PartCount(layer="decoder", part="decoder", counts=counts, formula=formula, is_per_sample=True)

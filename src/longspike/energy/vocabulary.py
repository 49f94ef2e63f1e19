"""How many operations a network does per step with a vocabulary in clusters: adaptive embedding and softmax, in full.

Cluster k has n_k tokens, w_k wide, w_0 = H; the head n = n_0 + clusters - 1 entries: the tokens of cluster 0, the others.

    embedding   sqrt(H) * P_k w: H*w_k MAC, H MUL; counted for cluster 0, the dearest one, which most of a text is of
    softmax     head: H*w_0 MAC for the projection, n*w_0 MAC for the logits; cluster k > 0: w_k*H MAC, n_k*w_k MAC
                log-probabilities of m entries: m special (exp), m ADD, 1 special (log), m ADD; within a cluster of a tail
                n_k ADD more, for the cluster's own
Every cluster is counted at every step, as a stream needs it that tells the probabilities of all tokens.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from longspike.energy.counts import NetworkCounts, PartCount, count_operations
from longspike.energy.operations import OperationCounts
from longspike.energy.pairs import pair_counts
from longspike.layers.adaptive import cluster_bounds, cluster_widths
from longspike.models.config import SpikeSSMConfig
from longspike.models.lm_config import SpikeLMConfig, as_spike_ssm
from longspike.models.pair_config import SpikeSSMPairConfig


def _encoder(config: SpikeLMConfig, word_bytes: int) -> PartCount:
    h = config.d_model
    counts = OperationCounts(
        mac=h * h, mul=h, weight_bytes=(h + h * h) * word_bytes, activation_bytes=(1 + h) * word_bytes
    )
    return PartCount(
        layer="encoder", part="encoder", counts=counts, formula=f"a frequent word: H*H = {h * h} MAC + H MUL"
    )


def _decoder(config: SpikeLMConfig, word_bytes: int) -> PartCount:
    h = config.d_model
    bounds = cluster_bounds("energy", config.num_tokens, config.cutoffs)
    widths = cluster_widths("energy", h, config.div, len(bounds) - 1)
    sizes = [high - low for low, high in itertools.pairwise(bounds)]
    entries = [sizes[0] + len(sizes) - 1, *sizes[1:]]
    macs = sum(h * w + n * w for n, w in zip(entries, widths, strict=True))
    total = sum(entries)
    counts = OperationCounts(
        mac=macs,
        add=2 * total + sum(sizes[1:]),
        special=total + len(entries),
        weight_bytes=(macs + total) * word_bytes,
        activation_bytes=(h + config.num_tokens) * word_bytes,
    )
    formula = (
        f"{len(sizes)} clusters, projections and words: {macs} MAC; log-probabilities: {total + len(entries)} exp, log"
    )
    return PartCount(layer="decoder", part="decoder", counts=counts, formula=formula)


def network_counts(
    config: SpikeSSMConfig | SpikeLMConfig | SpikeSSMPairConfig, rates: Sequence[float], *, word_bytes: int = 4
) -> NetworkCounts:
    """`count_operations` of a network, one of pairs or a language model included, with the clusters of its vocabulary.

    Args and Raises: as of `count_operations`.
    """
    if isinstance(config, SpikeSSMPairConfig):
        return pair_counts(config, rates, word_bytes=word_bytes)
    counts = count_operations(as_spike_ssm(config), rates, word_bytes=word_bytes)
    if not isinstance(config, SpikeLMConfig) or not config.cutoffs:
        return counts
    ends = {"encoder": _encoder(config, word_bytes), "decoder": _decoder(config, word_bytes)}
    return replace(counts, parts=tuple(ends.get(part.part, part) for part in counts.parts))

"""The two energy figures of a network, side by side, each against its dense twin."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from longspike._core.mistakes import shown
from longspike.energy.costs import HOROWITZ_45NM_FLOAT32, CostTable
from longspike.energy.counts import NetworkCounts, is_counted
from longspike.energy.vocabulary import network_counts
from longspike.models.classifier import AbstractClassifier
from longspike.models.config import SpikeSSMConfig
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.pair_config import SpikeSSMPairConfig

CONVENTIONS = (
    "Energy is computed from operation counts and a cost table; nothing was measured on a chip. Figures of other "
    "papers rest on other counts: do not compare joules across papers.",
    "Mixing only: E_AC * rate * N against E_MAC * N over the linear layers behind the neurons, N = H * 2H a step and "
    "block. This is the papers' convention (Shen et al. 2024, SpikingSSMs, arXiv 2408.14909); all else is left out on "
    "both sides.",
    "Full: encoder, norms, state update, read-out, D skip, neurons, mixing, gate, residual, pooling and decoder. Only "
    "the mixing layers follow the firing rate; the rest is dense.",
    "The dense twin is the same network with GELU for the neuron, whose mixing layers do MAC on real numbers.",
    "The discretised parameters are computed once and not counted; biases start the accumulators.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyFigure:
    """Energy per step and per sample, in picojoules, of the network and of its dense twin."""

    per_step_pj: float
    per_sample_pj: float
    dense_per_step_pj: float
    dense_per_sample_pj: float

    @property
    def saving(self) -> float | None:
        """How many times the dense twin's energy is the network's; None if the network's is zero."""
        return self.dense_per_sample_pj / self.per_sample_pj if self.per_sample_pj > 0 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyReport:
    """Operation counts and energy of a network at measured firing rates.

    Attributes:
        seqlen: mean number of steps of a sample. rates: firing rate of each block; empty for a dense network.
        mixing_only, full: the two figures. counts, dense_counts: of the network and of its dense twin.
        costs: the table. assumptions: everything that the figures rest on, a sentence each.
    """

    seqlen: float
    rates: tuple[float, ...]
    mixing_only: EnergyFigure
    full: EnergyFigure
    counts: NetworkCounts
    dense_counts: NetworkCounts
    costs: CostTable
    assumptions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, with the counts of every part."""

        def rows(counts: NetworkCounts) -> list[dict[str, Any]]:
            return [asdict(part) for part in counts.parts]

        figures = {
            name: {**asdict(figure), "saving": figure.saving}
            for name, figure in (("mixing_only", self.mixing_only), ("full", self.full))
        }
        totals = {
            name: {"per_step": asdict(counts.per_step(self.seqlen)), "parts": rows(counts)}
            for name, counts in (("counts", self.counts), ("dense_counts", self.dense_counts))
        }
        costs = {**asdict(self.costs), "assumptions": list(self.costs.assumptions)}
        return {
            "seqlen": self.seqlen,
            "rates": list(self.rates),
            **figures,
            **totals,
            "costs": costs,
            "assumptions": list(self.assumptions),
        }


AnyCounted = TypeVar("AnyCounted", SpikeSSMConfig, SpikeLMConfig, SpikeSSMPairConfig)


def dense_twin(config: AnyCounted) -> AnyCounted:
    """The same network with GELU for the neuron: S4D."""
    if isinstance(config, SpikeSSMPairConfig):
        return replace(config, tower=dense_twin(config.tower))
    return replace(config, neuron=replace(config.neuron, kind="gelu"))


def _figure(counts: NetworkCounts, dense: NetworkCounts, seqlen: float, costs: CostTable) -> EnergyFigure:
    mine, theirs = costs.energy_pj(counts.per_sample(seqlen)), costs.energy_pj(dense.per_sample(seqlen))
    return EnergyFigure(
        per_step_pj=mine / seqlen,
        per_sample_pj=mine,
        dense_per_step_pj=theirs / seqlen,
        dense_per_sample_pj=theirs,
    )


def _assumptions(costs: CostTable) -> tuple[str, ...]:
    if costs.byte_pj:
        memory = f"Memory: every byte moved costs {costs.byte_pj:g} pJ, in both figures."
    else:
        memory = "Memory traffic is reported in bytes and is not part of the joules."
    return (*CONVENTIONS, memory, f"Costs per operation: {costs.source}.", *costs.assumptions)


def energy(
    model: AbstractClassifier, rates: Sequence[float], costs: CostTable = HOROWITZ_45NM_FLOAT32, *, seqlen: float
) -> EnergyReport:
    """Operations and energy of `model` at the firing rates of its blocks, against the dense twin.

    Args:
        model: the network. rates: mean of the spikes of each block; empty for a dense network (kind="gelu").
        costs: energy per operation. seqlen: (mean) number of steps of a sample, of a pair those of both sequences;
            the read-out is spread over them.
    Raises: TypeError for a kind of network whose operations are not counted (`is_counted`); ValueError if `rates` does not
        fit the network or `seqlen` is not positive.

    Example:
        >>> from longspike.models import SpikeSSM
        >>> model = SpikeSSM(SpikeSSMConfig(d_model=256, num_layers=1, d_state=64))
        >>> report = energy(model, [0.1], seqlen=1000)
        >>> round(report.mixing_only.saving, 1), round(report.full.saving, 1)
        (51.1, 3.4)
    """
    if not is_counted(model.config):
        raise TypeError(f"energy: the operations of a {type(model).__name__} are not counted yet. Pass a SpikeSSM.")
    if not (math.isfinite(seqlen) and seqlen > 0):
        raise ValueError(f"energy: `seqlen` must be a positive number of steps; got {shown(seqlen)}.")
    counts = network_counts(model.config, rates, word_bytes=costs.word_bytes)
    dense = network_counts(dense_twin(model.config), (), word_bytes=costs.word_bytes)
    return EnergyReport(
        seqlen=float(seqlen),
        rates=tuple(float(rate) for rate in rates),
        mixing_only=_figure(counts.select(part="mixing"), dense.select(part="mixing"), seqlen, costs),
        full=_figure(counts, dense, seqlen, costs),
        counts=counts,
        dense_counts=dense,
        costs=costs,
        assumptions=_assumptions(costs),
    )

"""How many operations a SpikeSSM does per step, part by part, at given firing rates.

With D = d_input, H = d_model, N = d_state, K = num_outputs, per step:

    encoder       linear: D*H MAC, (D + 1)*H weights.   embedding: no operation, H weights
    norm          LayerNorm: mean H ADD 1 MUL;  centre H ADD;  variance H MAC 1 MUL;  1/sqrt(. + eps) 1 ADD
                  1 special;  scale H MUL;  weight and bias H MAC.  Batch norm: x*a + b, H MAC.  "none": nothing.
                  A final norm: once more
    state update  x = lambda*x + u for H*N/2 complex modes: 4 MUL 3 ADD each (B_bar is folded into C, and u is real,
                  so it enters the real part only); lambda 2 words, state 2 words read and 2 written
    read-out      y = sum Re(c x): 2 MAC a mode, c 2 words
    D skip        y += D*u: H MAC
    neuron        `neuron_counts`
    mixing        `mixing_counts`: AC = rate*H*2H, or MAC = H*2H
    gate          a*sigmoid(b): H MUL, H special
    residual      H ADD
    pooling       running sum: H ADD a step, 2H words of state; H MUL once per sample
    decoder       H*K MAC: once per sample behind a pool, each step without; (H + D)*K with an input skip

A bidirectional block does the state update, read-out and D skip twice, and H ADD more to join the two.

Only the mixing layer follows the rate; all else is dense. Biases start the accumulators and cost no operation. The
discretisation (lambda, c) is done once per model and not counted; dropout is off.
Bytes: each part reads its inputs and its parameters once and writes its outputs once, nothing stays cached between
parts or steps, except that read-out and D skip have the state and the input at hand from the state update.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from longspike._core.mistakes import shown
from longspike.energy.operations import OperationCounts
from longspike.layers.neuron import NeuronConfig
from longspike.models.config import SpikeSSMConfig
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.pair_config import SpikeSSMPairConfig

__all__ = ["NetworkCounts", "PartCount", "count_operations", "is_counted", "mixing_counts", "neuron_counts"]

PARTS = (
    "encoder",
    "norm",
    "state update",
    "read-out",
    "D skip",
    "neuron",
    "mixing",
    "gate",
    "residual",
    "pooling",
    "decoder",
)
SDN_PARAMETERS = 153
SPIKES_PER_BYTE = 8
"""A spike is one bit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartCount:
    """The operations of one part of one layer.

    Attributes:
        layer: "encoder", "block 1" .. "block num_layers" or "decoder". part: one of PARTS.
        counts: per step, or once per sample where `is_per_sample`.
        formula: the count in words.
    """

    layer: str
    part: str
    counts: OperationCounts
    formula: str
    is_per_sample: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCounts:
    """The operations of a whole network, as a list of its parts."""

    parts: tuple[PartCount, ...]

    def select(self, *, layer: str | None = None, part: str | None = None) -> "NetworkCounts":
        """The parts of one layer, of one kind, or both."""
        chosen = (p for p in self.parts if layer in (None, p.layer) and part in (None, p.part))
        return NetworkCounts(parts=tuple(chosen))

    def per_sample(self, seqlen: float) -> OperationCounts:
        """The operations of a sample of `seqlen` steps."""
        total = OperationCounts()
        for p in self.parts:
            total = total + (p.counts if p.is_per_sample else p.counts.scaled(seqlen))
        return total

    def per_step(self, seqlen: float) -> OperationCounts:
        """Those of a sample divided by its steps."""
        return self.per_sample(seqlen).scaled(1 / seqlen)


def _counts(word_bytes: int, *, weights: float = 0, state: float = 0, activations: float = 0, **ops: float) -> Any:
    """Operations, with words turned into bytes."""
    moved = {"weight_bytes": weights, "state_bytes": state, "activation_bytes": activations}
    return OperationCounts(**ops, **{name: words * word_bytes for name, words in moved.items()})


def neuron_counts(channels: int, config: NeuronConfig, *, word_bytes: int = 4) -> tuple[OperationCounts, str]:
    """Operations per step of `channels` neurons, and the same in words.

    Per channel, from the equations in each neuron's docstring:

        refractory   r = gamma*r + s: 1 MUL 1 ADD;  v = beta*u + current: 1 MUL 1 ADD;  reset "subtract": 1 ADD;
                     v - rho*r > threshold: 1 MUL 1 ADD 1 compare.              3 MUL 4 ADD 1 compare, state v, r, s
          rho = 0    1 MUL 2 ADD 1 compare, state v, s.  Reset "zero" (a selection) or "none": one ADD less.
        hard_reset   y/exp(ln_vth): 1 MUL;  beta*u + y: 1 MUL 1 ADD;  > 1: 1 compare.                       state v
        sdn          1 MUL;  8 taps -> 8: 64 MAC 8 compare;  8 -> 8, residual: 64 MAC 8 ADD 8 compare;  8 -> 1: 8 MAC;
                     m + y > 1: 1 ADD 1 compare.               136 MAC 1 MUL 9 ADD 17 compare, 8 inputs read, 1 written
        heaviside    1 compare
        ternary      2 compare, 1 ADD;  multi_bit: a compare a level, levels - 1 ADD
        bernoulli    clamp: 2 compare;  a random number: 1 special;  p > it: 1 compare
        gelu         0.5*x*(1 + erf(x*0.7071)): 3 MUL 1 ADD 1 special

    State and activations: v and r are words, s and a spike that goes out are bits (ternary: 2, multi_bit: as many as its
    levels need); a GELU's output is a word.
    Parameters are one word each per channel (beta, threshold, rho, gamma; ln_vth); the SDN's 153 are shared.
    """
    h, bit = channels, 1 / (SPIKES_PER_BYTE * word_bytes)
    spike_out = h * (1 + bit * config.spike_bits)  # current in, spike out
    if config.kind == "refractory":
        is_refractory = config.rho > 0
        muls = 3 if is_refractory else 1
        adds = (3 if is_refractory else 1) + (config.reset == "subtract")
        counts = _counts(
            word_bytes,
            mul=muls * h,
            add=adds * h,
            compare=h,
            weights=(4 if is_refractory else 2) * h,
            state=2 * h * ((2 if is_refractory else 1) + bit),
            activations=spike_out,
        )
        return counts, f"{muls} MUL + {adds} ADD + 1 compare per channel"
    if config.kind == "hard_reset":
        ops = {"mul": 2 * h, "add": h, "compare": h}
        counts = _counts(word_bytes, **ops, weights=2 * h, state=2 * h, activations=spike_out)
        return counts, "2 MUL + 1 ADD + 1 compare per channel"
    if config.kind == "sdn":
        ops = {"mac": 136 * h, "mul": h, "add": 9 * h, "compare": 17 * h}
        counts = _counts(word_bytes, **ops, weights=h + SDN_PARAMETERS, state=9 * h, activations=spike_out)
        return counts, "136 MAC + 1 MUL + 9 ADD + 17 compare per channel"
    if config.kind == "heaviside":
        return _counts(word_bytes, compare=h, activations=spike_out), "1 compare per channel"
    if config.kind in ("ternary", "multi_bit"):
        levels = 2 if config.kind == "ternary" else config.levels
        counts = _counts(word_bytes, compare=levels * h, add=(levels - 1) * h, activations=spike_out)
        return counts, f"{levels} compare + {levels - 1} ADD per channel"
    if config.kind == "bernoulli":
        counts = _counts(word_bytes, compare=3 * h, special=h, activations=spike_out)
        return counts, "3 compare + 1 random number per channel"
    counts = _counts(word_bytes, mul=3 * h, add=h, special=h, activations=2 * h)
    return counts, "GELU: 3 MUL + 1 ADD + 1 erf per channel"


def mixing_counts(
    channels: int, rate: float | None, *, word_bytes: int = 4, spike_bits: int = 1, per_channel: int = 1
) -> tuple[OperationCounts, str]:
    """Operations per step of the linear layer H -> 2H behind the neuron, and the same in words.

    Spiking (a rate): AC = rate*H*2H, and only the weights of the inputs that fired are read, rate*H*2H words. A spike of
                      strength k is k additions, and k in the rate.
    Dense (None):     MAC = H*2H, and all of the weights are read.
    The accumulators start at the bias, so that it costs 2H words and no operation. Input H spikes or words, output 2H.
    With several neurons per channel, per_channel*H stands for the first H.
    """
    h, inputs, size = channels, per_channel * channels, 2 * per_channel * channels * channels
    name = "H*2H" if per_channel == 1 else f"{per_channel}*H*2H"
    if rate is None:
        counts = _counts(word_bytes, mac=size, weights=size + 2 * h, activations=2 * h + inputs)
        return counts, f"MAC = {name} = {size}"
    activations = 2 * h + inputs * spike_bits / (SPIKES_PER_BYTE * word_bytes)
    counts = _counts(word_bytes, ac=rate * size, weights=rate * size + 2 * h, activations=activations)
    return counts, f"AC = rate*{name} = {rate:.4g} * {size}"


def _norm_counts(h: int, kind: str, word_bytes: int) -> tuple[OperationCounts, str]:
    if kind == "batch":
        return _counts(word_bytes, mac=h, weights=2 * h, activations=2 * h), "batch norm, x*a + b: H MAC"
    counts = _counts(word_bytes, mac=2 * h, mul=h + 2, add=2 * h + 1, special=1, weights=2 * h, activations=2 * h)
    return counts, "LayerNorm: 2H MAC + (H + 2) MUL + (2H + 1) ADD + 1 root"


def _block_counts(
    config: SpikeSSMConfig, rate: float | None, word_bytes: int
) -> list[tuple[str, OperationCounts, str]]:
    """(part, counts, formula) of one block; the formulas are in `count_operations`."""
    h, pairs, ways = config.d_model, config.d_state // 2, 2 if config.is_bidirectional else 1
    modes, w = ways * pairs * h, word_bytes
    scans = f"{ways} x " if ways > 1 else ""
    rows = []
    if config.norm != "none":
        rows.append(("norm", *_norm_counts(h, config.norm_kind, w)))
    update = _counts(w, mul=4 * modes, add=3 * modes, weights=2 * modes, state=4 * modes, activations=ways * h)
    joined = h if ways > 1 else 0
    read = _counts(w, mac=2 * modes, add=joined, weights=2 * modes, activations=ways * h + joined)
    skip = _counts(w, mac=ways * h, weights=ways * h)
    several = config.neuron.per_channel
    neuron, neuron_formula = neuron_counts(several * h, config.neuron, word_bytes=w)
    if several > 1:
        neuron = neuron + _counts(w, add=several * h, weights=several * h)
        neuron_formula += f", for {several} neurons with an offset each: 1 ADD"
    code = {"spike_bits": config.neuron.spike_bits, "per_channel": several}
    mixing, mixing_formula = mixing_counts(h, rate, word_bytes=w, **code)
    return [
        *rows,
        ("state update", update, f"4 MUL + 3 ADD for each of {scans}H*N/2 = {modes} complex modes"),
        ("read-out", read, f"2 MAC a mode{' + H ADD to join both directions' if joined else ''}"),
        ("D skip", skip, f"{scans}H MAC"),
        ("neuron", neuron, neuron_formula),
        ("mixing", mixing, mixing_formula),
        ("gate", _counts(w, mul=h, special=h, activations=3 * h), "a*sigmoid(b): H MUL + H sigmoid"),
        ("residual", _counts(w, add=h, activations=3 * h), "H ADD"),
    ]


def _check_rates(config: SpikeSSMConfig, rates: Sequence[float]) -> None:
    wanted = config.num_layers if config.neuron.is_spiking else 0
    if len(rates) != wanted:
        why = "one per block" if wanted else "a GELU network has none"
        raise ValueError(f"count_operations: `rates` must hold {wanted} firing rates, {why}; got {len(rates)}.")
    most = config.neuron.strongest
    if not all(math.isfinite(rate) and 0 <= rate <= most for rate in rates):
        got = f"got {shown(list(rates))}. Pass means of spikes, no percentages."
        raise ValueError(f"count_operations: `rates` must lie in [0, {most}]; {got}")


def is_counted(config: object) -> bool:
    """Whether the operations of networks of this configuration are counted; not those of FLAMES and twins."""
    stack = config.tower if isinstance(config, SpikeSSMPairConfig) else config
    return isinstance(stack, SpikeSSMConfig | SpikeLMConfig) and stack.block == "spiking"


def count_operations(config: SpikeSSMConfig, rates: Sequence[float], *, word_bytes: int = 4) -> NetworkCounts:
    """Operations of a network, part by part, at the measured firing rates of its blocks.

    The module's docstring has every formula.

    Args:
        config: of the network. rates: mean of the spikes of each block, at most the strongest; empty for kind="gelu".
        word_bytes: bytes of a weight, state or activation; a spike is a bit, or the few of its kind, whatever this is.
    Raises: ValueError if `rates` does not fit.

    Example:
        >>> config = SpikeSSMConfig(d_model=4, num_layers=1, d_state=2)
        >>> count_operations(config, [0.25]).select(part="mixing").per_step(10).ac
        8.0
    """
    _check_rates(config, rates)
    d, h, k, w = config.d_input, config.d_model, config.num_outputs, word_bytes
    parts = []
    if config.encoder == "linear":
        encoder = _counts(w, mac=d * h, weights=(d + 1) * h, activations=d + h)
        parts.append(PartCount(layer="encoder", part="encoder", counts=encoder, formula=f"D*H = {d * h} MAC"))
    else:
        row = h / (SPIKES_PER_BYTE * w) if config.has_spiking_embedding else h
        table = _counts(w, weights=row, activations=1 + row)
        formula = f"one row of the table is read{', of bits' if config.has_spiking_embedding else ''}"
        parts.append(PartCount(layer="encoder", part="encoder", counts=table, formula=formula))
    for n in range(config.num_layers):
        rate = rates[n] if config.neuron.is_spiking else None
        for part, counts, formula in _block_counts(config, rate, w):
            parts.append(PartCount(layer=f"block {n + 1}", part=part, counts=counts, formula=formula))
    if config.has_final_norm:
        counts, formula = _norm_counts(h, config.norm_kind, w)
        parts.append(PartCount(layer="decoder", part="norm", counts=counts, formula=formula))
    is_pooled = config.pool == "mean"
    if is_pooled:
        running, mean = _counts(w, add=h, state=2 * h, activations=h), _counts(w, mul=h, activations=2 * h)
        for counts, formula, once in ((running, "H ADD", False), (mean, "H MUL once per sample", True)):
            parts.append(PartCount(layer="decoder", part="pooling", counts=counts, formula=formula, is_per_sample=once))
    seen, size = config.d_read_out, "(H + D)*K" if config.has_input_skip else "H*K"
    decoder = _counts(w, mac=seen * k, weights=(seen + 1) * k, activations=seen + k)
    formula = f"{size} = {seen * k} MAC {'once per sample' if is_pooled else 'each step'}"
    parts.append(PartCount(layer="decoder", part="decoder", counts=decoder, formula=formula, is_per_sample=is_pooled))
    return NetworkCounts(parts=tuple(parts))

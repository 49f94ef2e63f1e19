"""The block of a spiking state-space model as one PyTorch operator over the compiled kernels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longspike.errors import DerivativeError
from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._operators import operator, register_gradient
from longspike.kernels._spiking.modes import GRADIENTS, RESETS, raise_if_nan
from longspike.kernels._spiking.spans import LIF_SPAN, num_spans
from longspike.kernels._spiking.surrogates import SURROGATES
from longspike.kernels.layer_norm import EPS

SCAN_SPAN = 256  # steps between two saved states of the scan inside a block
NUM_LEARNT = 14  # the first of Inputs; masks and lengths have no gradient
NORMS = ("layer", "affine")
MAX_GROUPS, MAX_GROUP_NUMBERS = 16, 1 << 24  # sums of weights that a backward pass holds side by side


class Inputs(NamedTuple):
    """Tensor arguments of the operator behind x, in its order; None where the block has no such part.

    The norm is that of every row, or z = x * norm_weight + norm_bias if the operator's `norm` is "affine".
    `back_lam`, `back_c` and `back_d` are lambda, c and d of a second scan that reads backwards.
    """

    norm_weight: Tensor | None
    norm_bias: Tensor | None
    lam: Tensor
    c: Tensor
    d: Tensor
    beta: Tensor
    threshold: Tensor
    rho: Tensor
    gamma: Tensor
    weight: Tensor
    bias: Tensor
    back_lam: Tensor | None
    back_c: Tensor | None
    back_d: Tensor | None
    spike_scale: Tensor | None
    output_scale: Tensor | None
    lengths: Tensor | None

    def check(self, x: Tensor, state: Sequence[Tensor]) -> None:
        """Raise unless everything has its shape: the compiled call sees addresses."""
        batch, _, channels = x.shape
        pairs, per_channel, per_sample = (self.lam.shape[0], 2, channels), (channels,), (batch, channels)
        shapes: dict[str, tuple[int, ...]] = {
            name: per_channel for name in ("norm_weight", "norm_bias", "d", "beta", "threshold", "rho", "gamma")
        }
        shapes |= {"lam": pairs, "c": pairs, "weight": (2 * channels, channels), "bias": (2 * channels,)}
        shapes |= {"back_lam": pairs, "back_c": pairs, "back_d": per_channel}
        shapes |= {"spike_scale": per_sample, "output_scale": per_sample}
        named: dict[str, tuple[Tensor, tuple[int, ...]]] = {
            name: (value, shapes[name]) for name, value in zip(self._fields[:-1], self[:-1]) if value is not None
        }
        named |= {name: (value, per_sample) for name, value in zip(("v", "r", "spike"), state[1:], strict=True)}
        if channels == 0:
            raise ValueError(
                "spiking_block: `x` must have at least one channel; got shape " + str(tuple(x.shape)) + "."
            )
        named["x"] = (x, tuple(x.shape))
        named["ssm_state"] = (state[0], (batch, *pairs))
        expect("spiking_block", x, **named)
        if (self.norm_weight is None) != (self.norm_bias is None):
            raise ValueError("spiking_block: `norm_weight` and `norm_bias` go together; got one of them.")
        if len({t is None for t in (self.back_lam, self.back_c, self.back_d)}) > 1:
            raise ValueError("spiking_block: `back_lam`, `back_c` and `back_d` go together; got some of them.")
        if self.lengths is not None:
            expect("spiking_block", x, torch.int64, lengths=(self.lengths, (batch,)))

    def ready(self) -> list[Tensor | None]:
        """Contiguous, the weight by input: as the compiled call reads them."""
        ordered = self._replace(weight=self.weight.t())
        return [None if t is None else t.contiguous() for t in ordered]


def _sizes(x: Tensor, n_pairs: int, reset: str, norm: str) -> tuple[float, ...]:
    return *x.shape, n_pairs, EPS, norm == "affine", RESETS[reset], native.threads(x.numel() * n_pairs)


def _saved_shapes(x: Tensor, n_pairs: int, saves: bool, is_bidirectional: bool) -> tuple[tuple[int, ...], ...]:
    """Of the spikes as bits and of the states of scan, neuron and second scan in between."""
    batch, seqlen, channels = x.shape
    kept = seqlen if saves else 0
    kept_back = num_spans(kept, SCAN_SPAN) if is_bidirectional else 0
    return (
        (batch, kept, (channels + 63) // 64),
        (batch, num_spans(kept, SCAN_SPAN), n_pairs, 2, channels),
        (batch, num_spans(kept, LIF_SPAN), 3, channels),
        (batch, kept_back, n_pairs, 2, channels),
    )


@operator("spiking_block")
def spiking_block_op(
    x: Tensor,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    lam: Tensor,
    c: Tensor,
    d: Tensor,
    beta: Tensor,
    threshold: Tensor,
    rho: Tensor,
    gamma: Tensor,
    weight: Tensor,
    bias: Tensor,
    back_lam: Tensor | None,
    back_c: Tensor | None,
    back_d: Tensor | None,
    spike_scale: Tensor | None,
    output_scale: Tensor | None,
    lengths: Tensor | None,
    ssm_state: Tensor,
    v: Tensor,
    r: Tensor,
    spike: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    norm: str,
    saves: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, spikes of valid steps (batch, channels), the states after the last step; if `saves`, spikes as bits and the
    states in between, for the backward pass."""
    inputs = Inputs(
        norm_weight, norm_bias, lam, c, d, beta, threshold, rho, gamma, weight, bias,
        back_lam, back_c, back_d, spike_scale, output_scale, lengths,
    )  # fmt: skip
    state = (ssm_state, v, r, spike)
    inputs.check(x, state)
    x, n_pairs, ready = x.contiguous(), lam.shape[0], inputs.ready()
    y, counts = native.empty(tuple(x.shape), x.dtype), x.new_zeros((x.shape[0], x.shape[2]))
    ends = [s.clone(memory_format=torch.contiguous_format) for s in state]
    bits, *shapes = _saved_shapes(x, n_pairs, saves, back_lam is not None)
    saved = [native.empty(bits, torch.int64), *(native.empty(shape, x.dtype) for shape in shapes)]
    native.call("block_forward", x.dtype, (*ready, x, y, *ends, counts, *saved, None), _sizes(x, n_pairs, reset, norm))
    raise_if_nan(ends[1])
    return y, counts, *ends, *saved  # type: ignore[return-value]


@torch.library.register_fake(spiking_block_op)
def _(x: Tensor, *arguments) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
    lam, back_lam, state, saves = arguments[2], arguments[11], arguments[17:21], arguments[-1]
    bits, *states = _saved_shapes(x, lam.shape[0], saves, back_lam is not None)
    return (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        x.new_empty((x.shape[0], x.shape[2])),
        *(torch.empty_like(s, memory_format=torch.contiguous_format) for s in state),
        x.new_empty(bits, dtype=torch.int64),
        *(x.new_empty(shape) for shape in states),
    )


def _num_groups(batch: int, channels: int) -> int:
    """Sums of weights side by side: enough to keep threads busy, not more than memory allows; never by thread count."""
    return max(1, min(batch, MAX_GROUPS, MAX_GROUP_NUMBERS // max(1, 2 * channels * channels)))


def _sums_of_scan(x: Tensor, n_pairs: int) -> list[Tensor]:
    """Zeros for the gradients of lambda, c and d of every sample."""
    batch, _, channels = x.shape
    return [x.new_zeros((batch, *shape, channels)) for shape in ((n_pairs, 2), (n_pairs, 2), ())]


def _sums_of_parameters(x: Tensor, groups: int) -> tuple[Tensor, ...]:
    """Zeros for the gradients of the neuron's parameters of every sample; of norm and mixing by groups."""
    batch, _, channels = x.shape
    neuron = x.new_zeros((batch, 4, channels), dtype=torch.float64)
    mixing = (x.new_zeros((groups, channels, 2 * channels)), x.new_zeros((groups, 2 * channels)))
    return neuron, x.new_zeros((groups, 2, channels)), *mixing


Gradients = tuple[
    Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor,
    Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor,
]  # fmt: skip


def _check_backward(
    x: Tensor, grad_y: Tensor, counts: Tensor | None, saved: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]
) -> None:
    names = ("scan_states", "neuron_states", "back_states")
    named = dict(zip(names, zip(saved[1:], shapes[1:], strict=True), strict=True))
    named |= {} if counts is None else {"grad_counts": (counts, (x.shape[0], x.shape[2]))}
    expect("spiking_block_backward", x, grad_y=(grad_y, tuple(x.shape)), **named)
    expect("spiking_block_backward", x, torch.int64, spike_bits=(saved[0], shapes[0]))


@operator("spiking_block_backward")
def spiking_block_backward_op(
    x: Tensor,
    grad_y: Tensor,
    grad_counts: Tensor | None,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    lam: Tensor,
    c: Tensor,
    d: Tensor,
    beta: Tensor,
    threshold: Tensor,
    rho: Tensor,
    gamma: Tensor,
    weight: Tensor,
    bias: Tensor,
    back_lam: Tensor | None,
    back_c: Tensor | None,
    back_d: Tensor | None,
    spike_scale: Tensor | None,
    output_scale: Tensor | None,
    lengths: Tensor | None,
    grad_ssm: Tensor,
    grad_v: Tensor,
    grad_r: Tensor,
    grad_spike: Tensor,
    spike_bits: Tensor,
    scan_states: Tensor,
    neuron_states: Tensor,
    back_states: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    norm: str,
    wants_neuron: bool,
) -> Gradients:
    """Gradients of x, of the parameters (an empty one for what is not there) and of the initial states."""
    held = Inputs(
        norm_weight, norm_bias, lam, c, d, beta, threshold, rho, gamma, weight, bias,
        back_lam, back_c, back_d, spike_scale, output_scale, lengths,
    )  # fmt: skip
    grad_state, saved = (grad_ssm, grad_v, grad_r, grad_spike), (spike_bits, scan_states, neuron_states, back_states)
    held.check(x, grad_state)
    x, grad_y, n_pairs, ready = x.contiguous(), grad_y.contiguous(), held.lam.shape[0], held.ready()
    counts = None if grad_counts is None else grad_counts.contiguous()
    _check_backward(x, grad_y, counts, saved, _saved_shapes(x, n_pairs, True, back_lam is not None))
    kept = [s.contiguous() for s in saved]
    grad_x = native.empty(tuple(x.shape), x.dtype)
    starts = [s.clone(memory_format=torch.contiguous_format) for s in grad_state]
    groups, by_output = _num_groups(x.shape[0], x.shape[2]), held.weight.contiguous()
    scan, sums = _sums_of_scan(x, n_pairs), _sums_of_parameters(x, groups)
    back = [None] * 3 if back_lam is None else _sums_of_scan(x, n_pairs)
    modes = (scale, SURROGATES[surrogate][0], GRADIENTS[gradient], True, wants_neuron)
    tensors = (*ready, x, grad_y, counts, by_output, *kept, grad_x, *starts, *scan, *back, *sums)
    native.call("block_backward", x.dtype, tensors, (*_sizes(x, n_pairs, reset, norm), groups, *modes))
    neuron, by_group, weights, biases = sums
    by_norm = by_group.sum(0).unbind() if norm_weight is not None else (x.new_empty(0), x.new_empty(0))
    parameters = [*(part.sum(0) for part in scan), *(row.clone() for row in neuron.sum(0).to(x.dtype))]
    parameters += [weights.sum(0).t().contiguous(), biases.sum(0)]
    parameters += [x.new_empty(0) if part is None else part.sum(0) for part in back]
    return grad_x, by_norm[0].clone(), by_norm[1].clone(), *parameters, *starts  # type: ignore[return-value]


@torch.library.register_fake(spiking_block_backward_op)
def _(x: Tensor, grad_y: Tensor, grad_counts: Tensor | None, *arguments) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
    parameters = [x.new_empty(0) if t is None else t for t in arguments[:NUM_LEARNT]]
    found = (x, *parameters, *arguments[17:21])
    return tuple(torch.empty_like(t, memory_format=torch.contiguous_format) for t in found)


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, *tensors = inputs[:18]
    ctx.save_for_backward(x, *tensors, *output[6:])
    ctx.options = inputs[22:27]
    ctx.state_shapes = [s.shape for s in inputs[18:22]]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*output[6:])


def _backward(ctx, grad_y, grad_counts, *grad_rest):  # type: ignore[no-untyped-def]
    x, *tensors = ctx.saved_tensors
    inputs, saved = tensors[:17], tensors[17:]
    if saved[0].shape[1] != x.shape[1]:
        raise DerivativeError(
            "spiking_block: this call kept nothing for a backward pass; an exported program is for inference."
        )
    grad_y = torch.zeros_like(x) if grad_y is None else grad_y
    grad_end = [
        x.new_zeros(shape) if g is None else g for g, shape in zip(grad_rest[:4], ctx.state_shapes, strict=True)
    ]
    wants_neuron = any(ctx.needs_input_grad[6:10])
    found = spiking_block_backward_op(x, grad_y, grad_counts, *inputs, *grad_end, *saved, *ctx.options, wants_neuron)
    grad_x, learnt, grad_state = found[0], found[1 : 1 + NUM_LEARNT], found[1 + NUM_LEARNT :]
    parameters = [None if t is None else grad for t, grad in zip(inputs[:NUM_LEARNT], learnt, strict=True)]
    return grad_x, *parameters, None, None, None, *grad_state, *[None] * 6


register_gradient(spiking_block_op, _backward, setup_context=_setup_context)

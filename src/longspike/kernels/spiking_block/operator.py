"""The block of a spiking state-space model as one PyTorch operator over the compiled kernel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels.refractory_lif.compiled import RESETS, num_blocks

SPAN = 256
EPS = 1e-5


def num_spans(seqlen: int) -> int:
    """Saved states of the scan: one before each span of 256 steps."""
    return (seqlen + SPAN - 1) // SPAN


def num_words(channels: int) -> int:
    """Words of 64 bits that hold a row of spikes."""
    return (channels + 63) // 64


def _expect(x: Tensor, parameters: Sequence[Tensor], options: Sequence[Tensor | None], state: Sequence[Tensor]) -> None:
    batch, _, channels = x.shape
    lam, c, d, beta, threshold, rho, gamma, weight, bias = parameters
    pairs, per_channel, per_sample = (lam.shape[0], 2, channels), (channels,), (batch, channels)
    shapes = {"lam": (lam, pairs), "c": (c, pairs), "state": (state[0], (batch, *pairs))}
    shapes |= {"weight": (weight, (2 * channels, channels)), "bias": (bias, (2 * channels,))}
    named = {"d": d, "beta": beta, "threshold": threshold, "rho": rho, "gamma": gamma}
    shapes |= {name: (value, per_channel) for name, value in named.items()}
    shapes |= {name: (value, per_sample) for name, value in zip(("v", "r", "spike"), state[1:], strict=True)}
    norm_weight, norm_bias, spike_scale, output_scale, lengths = options
    if (norm_weight is None) != (norm_bias is None):
        raise ValueError("spiking_block: `norm_weight` and `norm_bias` go together; got one of them.")
    optional = {"norm_weight": (norm_weight, per_channel), "norm_bias": (norm_bias, per_channel)}
    optional |= {"spike_scale": (spike_scale, per_sample), "output_scale": (output_scale, per_sample)}
    shapes |= {name: (value, shape) for name, (value, shape) in optional.items() if value is not None}
    native.expect("spiking_block", x.dtype, **shapes)
    if lengths is not None:
        native.expect("spiking_block", torch.int64, lengths=(lengths, (batch,)))


def _addresses(
    parameters: Sequence[Tensor], options: Sequence[Tensor | None]
) -> tuple[list[int], list[Tensor | None]]:
    """Addresses in the order of the compiled call, and the tensors that must outlive it."""
    lam, c, d, beta, threshold, rho, gamma, weight, bias = parameters
    norm_weight, norm_bias, spike_scale, output_scale, lengths = options
    ordered = (norm_weight, norm_bias, lam, c, d, beta, threshold, rho, gamma, weight.t(), bias, spike_scale, output_scale)
    kept = [None if t is None else t.contiguous() for t in (*ordered, lengths)]
    return [0 if t is None else t.data_ptr() for t in kept], kept


@torch.library.custom_op("longspike::spiking_block", mutates_args=())
def spiking_block_op(
    x: Tensor, parameters: Sequence[Tensor], options: Sequence[Tensor | None], state: Sequence[Tensor], reset: str, saves: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, spike counts (batch, channels), the four states after the last step; if `saves` the spikes as bits and the
    states of scan and neuron in between, for the backward pass."""
    x = x.contiguous()
    batch, seqlen, channels = x.shape
    _expect(x, parameters, options, state)
    n_pairs = parameters[0].shape[0]
    y = native.empty((batch, seqlen, channels), x.dtype)
    counts = x.new_zeros((batch, channels))
    ends = [s.clone(memory_format=torch.contiguous_format) for s in state]
    spans, blocks = (num_spans(seqlen), num_blocks(seqlen)) if saves else (0, 0)
    bits = native.empty((batch, seqlen if saves else 0, num_words(channels)), torch.int64)
    scan_states = native.empty((batch, spans, n_pairs, 2, channels), x.dtype)
    neuron_states = native.empty((batch, blocks, 3, channels), x.dtype)
    addresses, _kept = _addresses(parameters, options)
    native.kernel("block_forward", x.dtype)(
        addresses,
        x.data_ptr(),
        y.data_ptr(),
        [s.data_ptr() for s in ends],
        counts.data_ptr(),
        *(t.data_ptr() if saves else 0 for t in (bits, scan_states, neuron_states)),
        batch,
        seqlen,
        channels,
        n_pairs,
        EPS,
        RESETS[reset],
        native.threads() if x.numel() * n_pairs >= 1 << 15 else 1,
    )
    return y, counts, ends[0], ends[1], ends[2], ends[3], bits, scan_states, neuron_states

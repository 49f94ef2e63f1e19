"""The refractory LIF neuron through the compiled kernels: sequential, speculative, backward."""

import math

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._spiking.modes import GRADIENTS, RESETS
from longspike.kernels._spiking.spans import LIF_SPAN, num_spans
from longspike.kernels._spiking.surrogates import SURROGATES
from longspike.kernels.refractory_lif.arguments import expect_shapes
from longspike.kernels.refractory_lif.reference import Parameters, State

VECTOR = 16  # channels of a vector
CELLS = 6  # vectors that a thread runs side by side, to hide the latency of a step
WAVES = 4


def speculation(shape: tuple[int, int, int], parameters: Parameters, threads: int) -> tuple[int, int]:
    """Steps per chunk and of warm-up for (batch, seqlen, channels).

    Two trajectories merge bit for bit after about 24 ln 2 / -ln(decay) steps; twice that covers the slow tail. A chunk
    holds several warm-ups; beyond that, shorter chunks make more waves, and where guesses fail the first wave shows it.
    """
    batch, seqlen, channels = shape
    beta, _, rho, gamma = parameters
    decay = max(float(beta.max()), float(gamma.max()) if bool((rho > 0).any()) else 0.0, 1e-3)
    warmup = math.ceil(2 * 24 * math.log(2) / -math.log(decay))
    vectors = max(1, batch * math.ceil(channels / VECTOR))
    at_once = max(threads, CELLS * threads // vectors)
    wanted = max(4 * warmup, math.ceil(seqlen / (WAVES * at_once)), LIF_SPAN)
    return math.ceil(wanted / LIF_SPAN) * LIF_SPAN, warmup


def forward(
    current: Tensor, parameters: Parameters, state: State, reset: str, method: str
) -> tuple[Tensor, State, Tensor, int]:
    """Spikes, final state, saved states (batch, spans, 3, channels) and the number of lanes that were run again."""
    batch, seqlen, channels = current.shape
    if method == "speculative" and current.stride(2) != 1:
        spikes, end, checkpoints, repaired = forward(native.contiguous(current), parameters, state, reset, method)
        return native.empty_like(current).copy_(spikes), end, checkpoints, repaired
    spikes = native.empty_like(current)
    checkpoints = native.empty((batch, num_spans(seqlen, LIF_SPAN), 3, channels), current.dtype)
    v, r, s = [native.copy(x) for x in state]
    if batch == 0 or channels == 0:
        return spikes, (v, r, s), checkpoints, 0
    tensors = (current, spikes, v, r, s, checkpoints, *[p.contiguous() for p in parameters])
    threads = native.threads(current.numel())
    numbers = (*current.stride(), *spikes.stride(), batch, seqlen, channels, RESETS[reset], threads)
    if method == "speculative":
        chunk_and_warmup = speculation((batch, seqlen, channels), parameters, threads)
        repaired = native.call("lif_speculative", current.dtype, tensors, (*numbers, *chunk_and_warmup))
        return spikes, (v, r, s), checkpoints, repaired
    native.call("lif_forward", current.dtype, tensors, numbers)
    return spikes, (v, r, s), checkpoints, 0


def backward(
    current: Tensor,
    grad_spikes: Tensor,
    grad_state: State,
    parameters: Parameters,
    checkpoints: Tensor,
    *,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    wants_parameters: bool,
    has_grad_r: bool,
) -> tuple[Tensor, ...]:
    """The adjoint of `reference.backward`; the trajectory is computed again from the saved states.

    Without `wants_parameters` the gradients of the four parameters are zero and cost nothing; with rho = 0 and no
    gradient into r either, the refractory trace is left out.
    """
    expect_shapes(current, parameters, grad_state, grad_spikes, checkpoints, LIF_SPAN)
    batch, seqlen, channels = current.shape
    checkpoints, grad_current = checkpoints.contiguous(), native.empty_like(current)
    grad_v, grad_r, grad_s = [native.copy(x) for x in grad_state]
    sums = torch.zeros((batch, 4, channels), dtype=torch.float64)
    kept = [p.contiguous() for p in parameters]
    if batch and channels:
        tensors = (current, grad_spikes, checkpoints, grad_current, grad_v, grad_r, grad_s, sums, *kept)
        strides = (*current.stride(), *grad_spikes.stride(), *grad_current.stride())
        modes = (RESETS[reset], SURROGATES[surrogate][0], GRADIENTS[gradient])
        has_refractory = wants_parameters or has_grad_r or bool((parameters[2] != 0).any())
        numbers = (*strides, batch, seqlen, channels, scale, *modes, native.threads(current.numel()))
        native.call("lif_backward", current.dtype, tensors, (*numbers, has_refractory, wants_parameters))
    if wants_parameters:
        by_parameter = [row.clone() for row in sums.sum(0).to(current.dtype).unbind()]
    else:
        by_parameter = [torch.zeros_like(p) for p in kept]
    return grad_current, *by_parameter, grad_v, grad_r, grad_s

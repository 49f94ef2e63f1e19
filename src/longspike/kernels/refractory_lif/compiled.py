"""The refractory LIF neuron through the compiled kernels: sequential, speculative, backward."""

import math

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.refractory_lif.surrogates import SURROGATES

BLOCK = 64
VECTOR = 16  # channels of a vector
CELLS = 6  # vectors that a thread runs side by side, to hide the latency of a step
WAVES = 4
RESETS = {"subtract": 0, "zero": 1, "none": 2}
GRADIENTS = {"full": 0, "detach_reset": 1, "instant": 2}


def num_blocks(seqlen: int) -> int:
    """Saved states of a sequence: one before each block of 64 steps."""
    return (seqlen + BLOCK - 1) // BLOCK


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
    wanted = max(4 * warmup, math.ceil(seqlen / (WAVES * at_once)), BLOCK)
    return math.ceil(wanted / BLOCK) * BLOCK, warmup


def _expect_shapes(current: Tensor, parameters: Parameters, state: State) -> None:
    batch, _, channels = current.shape
    (beta, threshold, rho, gamma), (v, r, s) = parameters, state
    one, each = (channels,), (batch, channels)
    native.expect(
        "refractory_lif",
        current.dtype,
        beta=(beta, one),
        threshold=(threshold, one),
        rho=(rho, one),
        gamma=(gamma, one),
        v=(v, each),
        r=(r, each),
        spike=(s, each),
    )


def forward(
    current: Tensor, parameters: Parameters, state: State, reset: str, method: str
) -> tuple[Tensor, State, Tensor, int]:
    """Spikes, final state, saved states (batch, blocks, 3, channels) and the number of lanes that were run again."""
    batch, seqlen, channels = current.shape
    _expect_shapes(current, parameters, state)
    if method == "speculative" and current.stride(2) != 1:
        spikes, end, checkpoints, repaired = forward(native.contiguous(current), parameters, state, reset, method)
        return native.empty_like(current).copy_(spikes), end, checkpoints, repaired
    spikes = native.empty_like(current)
    checkpoints = native.empty((batch, num_blocks(seqlen), 3, channels), current.dtype)
    v, r, s = [native.copy(x) for x in state]
    kept = [p.contiguous() for p in parameters]
    threads = native.threads() if current.numel() >= 1 << 15 else 1
    addresses = [x.data_ptr() for x in (v, r, s, checkpoints, *kept)]
    call = (native.view(current), native.view(spikes), *addresses, batch, seqlen, channels, RESETS[reset], threads)
    repaired = 0
    if batch == 0 or channels == 0:
        return spikes, (v, r, s), checkpoints, repaired
    if method == "speculative":
        repaired = native.kernel("lif_speculative", current.dtype)(
            *call, *speculation((batch, seqlen, channels), parameters, threads)
        )
    else:
        native.kernel("lif_forward", current.dtype)(*call)
    return spikes, (v, r, s), checkpoints, repaired


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
    _expect_shapes(current, parameters, grad_state)
    blocks = (current.shape[0], num_blocks(current.shape[1]), 3, current.shape[2])
    native.expect(
        "refractory_lif_backward",
        current.dtype,
        grad_spikes=(grad_spikes, tuple(current.shape)),
        checkpoints=(checkpoints, blocks),
    )
    batch, seqlen, channels = current.shape
    checkpoints, grad_current = checkpoints.contiguous(), native.empty_like(current)
    grad_v, grad_r, grad_s = [native.copy(x) for x in grad_state]
    sums = torch.zeros((batch, 4, channels), dtype=torch.float64)
    kept = [p.contiguous() for p in parameters]
    if batch and channels:
        native.kernel("lif_backward", current.dtype)(
            native.view(current),
            native.view(grad_spikes),
            checkpoints.data_ptr(),
            native.view(grad_current),
            *(x.data_ptr() for x in (grad_v, grad_r, grad_s, sums, *kept)),
            batch,
            seqlen,
            channels,
            scale,
            RESETS[reset],
            SURROGATES[surrogate][0],
            GRADIENTS[gradient],
            native.threads() if current.numel() >= 1 << 15 else 1,
            wants_parameters or has_grad_r or bool((parameters[2] != 0).any()),
            wants_parameters,
        )
    if wants_parameters:
        by_parameter = [row.clone() for row in sums.sum(0).to(current.dtype).unbind()]
    else:
        by_parameter = [torch.zeros_like(p) for p in kept]
    return grad_current, *by_parameter, grad_v, grad_r, grad_s

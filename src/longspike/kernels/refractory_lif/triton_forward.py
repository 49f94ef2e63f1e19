"""The refractory LIF neuron over time on a GPU, one sequential loop a lane: spikes, states and saved states."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import _triton
from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU, num_spans
from longspike.kernels._triton_lanes import lane_numbers
from longspike.kernels.refractory_lif.arguments import expect_shapes
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.refractory_lif.triton_step import (
    BLOCK,
    lif_advance,
    load_parameters,
    load_state,
    store_state,
)


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes"])
def lif_forward_kernel(
    current,
    spikes,
    state,
    checkpoints,
    beta,
    threshold,
    rho,
    gamma,
    seqlen,
    channels,
    lanes,
    RESET: tl.constexpr,
    LANES: tl.constexpr,
):
    """A lane's whole sequence from its state, and back into it."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
    blocks = (seqlen + BLOCK - 1) // BLOCK
    row, saved = sample * seqlen * channels + channel, sample * blocks * 3 * channels + channel
    wide = channels.to(tl.int64)  # offsets of long sequences leave 32 bits
    before = load_state(state + lane, lanes, exists)
    after = lif_advance(
        current + row, spikes + row, checkpoints + saved, 0, 0, seqlen, wide, exists, before, parameters, RESET
    )
    store_state(state + lane, lanes, after, exists)


def forward(current: Tensor, parameters: Parameters, state: State, reset: str) -> tuple[Tensor, State, Tensor, int]:
    """Spikes, final state, saved states (batch, spans of LIF_SPAN_ON_GPU steps, 3, channels); no lane ran twice."""
    expect_shapes(current, parameters, state)
    current = current.contiguous()
    batch, seqlen, channels = current.shape
    spikes = torch.empty_like(current)
    checkpoints = current.new_empty((batch, num_spans(seqlen, LIF_SPAN_ON_GPU), 3, channels))
    held = torch.stack(state)
    if batch and channels:
        with _triton.device_of(current):
            lif_forward_kernel[(_triton.num_programs(batch * channels),)](
                current,
                spikes,
                held,
                checkpoints,
                *(p.contiguous() for p in parameters),
                seqlen,
                channels,
                batch * channels,
                RESET=reset,
                LANES=_triton.LANES,
                **_triton.A_WARP,
            )
    v, r, s = (x.clone() for x in held)
    return spikes, (v, r, s), checkpoints, 0

"""The refractory LIF neuron in speculative chunks on a GPU: for few lanes and long sequences.

Chunk k > 0 starts from a silent neuron some steps early, runs without output to its first step, then writes. A second
kernel holds every chunk's start against its predecessor's end, bit for bit, and runs a chunk again from the true state
where one differs; so the result is the sequential one by proof. The warm-up is that of the slowest neuron of a program: for
the membrane twice the steps in which a difference leaks below the last digit, for the trace, which nothing is added to
between two spikes, the steps in which it vanishes altogether; at most `longest_warmup`.
"""

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

LANES_WANTED = 16_384
"""Chunks are made until about so many lanes run at once: four warps on each of an H100's 132 multiprocessors."""

SHORTEST_CHUNK = 512

CHUNKS_AT_ONCE = tl.constexpr(8)  # chunk borders that the verification looks at together


@triton.jit
def warmup_steps(parameters, exists, longest_warmup):
    """Steps after which two trajectories have almost surely merged, for the slowest neuron of this program."""
    beta, gamma = parameters[0], parameters[3]
    digits, smallest = 33.28, 104.0  # 2 * 24 ln 2, and -ln of the smallest float32 above zero
    if beta.dtype == tl.float64:
        digits, smallest = 73.48, 745.2
    membrane = tl.max(tl.where(exists, beta, tl.zeros_like(beta)), axis=0).to(tl.float32)
    trace = tl.max(tl.where(exists, gamma, tl.zeros_like(gamma)), axis=0).to(tl.float32)
    steps = tl.maximum(digits / -tl.log(tl.maximum(membrane, 0.001)), smallest / -tl.log(tl.maximum(trace, 0.001))) + 1
    return (tl.minimum(steps, longest_warmup.to(tl.float32)).to(tl.int32) + BLOCK - 1) // BLOCK * BLOCK


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "chunk", "longest_warmup"])
def lif_chunks_kernel(
    current,
    spikes,
    state,
    checkpoints,
    ends,
    beta,
    threshold,
    rho,
    gamma,
    seqlen,
    channels,
    lanes,
    chunk,
    longest_warmup,
    RESET: tl.constexpr,
    LANES: tl.constexpr,
):
    """One chunk of a lane, from a silent neuron some steps early unless it is the first."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    number = tl.program_id(1)
    parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
    blocks = (seqlen + BLOCK - 1) // BLOCK
    row, saved = sample * seqlen * channels + channel, sample * blocks * 3 * channels + channel
    x, out, save, wide = current + row, spikes + row, checkpoints + saved, channels.to(tl.int64)
    first = number * chunk
    last = tl.minimum(first + chunk, seqlen)
    early = tl.maximum(first - warmup_steps(parameters, exists, longest_warmup), 0)
    before = load_state(state + lane, lanes, exists & (number + 0 * lane == 0))  # the others start silent
    after = lif_advance(x, out, save, early, first, last, wide, exists, before, parameters, RESET)
    border = number.to(tl.int64) * 3 * lanes + lane
    store_state(ends + border, lanes, after, exists)


@triton.jit
def bits_differ(a, b):
    """1 where two numbers differ in any bit."""
    if a.dtype == tl.float64:
        differ = a.to(tl.int64, bitcast=True) != b.to(tl.int64, bitcast=True)
    else:
        differ = a.to(tl.int32, bitcast=True) != b.to(tl.int32, bitcast=True)
    return differ.to(tl.int32)


@triton.jit
def borders_that_differ(saved, ends, chunk, chunks, stride, lanes, exists):
    """How many (lane, chunk) pairs of this program start from another state than the one their predecessor ended in.

    `saved` and `ends` point at the first saved state and at the first chunk's end of each lane. A chunk starts where a
    state is saved.
    """
    found = 0
    for first in range(1, chunks, CHUNKS_AT_ONCE):
        number = (first + tl.arange(0, CHUNKS_AT_ONCE)[:, None]).to(tl.int64)
        here = exists[None, :] & (number < chunks)
        begun = load_state(saved[None, :] + number * (chunk // BLOCK * 3 * stride), stride, here)
        ended = load_state(ends[None, :] + (number - 1) * 3 * lanes, lanes, here)
        for part in tl.static_range(3):
            found += tl.sum(tl.sum(bits_differ(begun[part], ended[part]), axis=1), axis=0)
    return found


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "chunk", "chunks"])
def lif_repair_kernel(
    current,
    spikes,
    state,
    checkpoints,
    ends,
    repaired,
    beta,
    threshold,
    rho,
    gamma,
    seqlen,
    channels,
    lanes,
    chunk,
    chunks,
    RESET: tl.constexpr,
    LANES: tl.constexpr,
):
    """Every chunk of a lane that does not start where the one before it ended, again."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    blocks, wide, all_lanes = (seqlen + BLOCK - 1) // BLOCK, channels.to(tl.int64), lanes.to(tl.int64)
    row, saved = sample * seqlen * channels + channel, sample * blocks * 3 * channels + channel
    x, out, save, ended = current + row, spikes + row, checkpoints + saved, ends + lane
    wrong = 0
    after = load_state(ended + (chunks - 1) * 3 * all_lanes, lanes, exists)
    if borders_that_differ(save, ended, chunk, chunks, wide, all_lanes, exists) > 0:
        parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
        after = load_state(ended, lanes, exists)
        for number in range(1, chunks):
            begun = load_state(save + number * (chunk // BLOCK * 3 * wide), wide, exists)
            differs = (
                bits_differ(begun[0], after[0]) | bits_differ(begun[1], after[1]) | bits_differ(begun[2], after[2])
            )
            count = tl.sum(differs, axis=0)
            wrong += count
            if count > 0:
                last = tl.minimum((number + 1) * chunk, seqlen)
                here = number * chunk
                after = lif_advance(x, out, save, here, here, last, wide, exists, after, parameters, RESET)
            else:
                after = load_state(ended + number * 3 * all_lanes, lanes, exists)
    store_state(state + lane, lanes, after, exists)
    tl.store(repaired + tl.program_id(0), wrong)


def speculation(seqlen: int, lanes: int) -> tuple[int, int]:
    """Steps per chunk, and of the longest warm-up, from sizes alone: reading the decays would wait for the GPU."""
    chunks = max(1, LANES_WANTED // max(lanes, 1))
    chunk = max(SHORTEST_CHUNK, -(-seqlen // chunks))
    chunk = -(-chunk // LIF_SPAN_ON_GPU) * LIF_SPAN_ON_GPU
    return chunk, 2 * chunk


def forward(current: Tensor, parameters: Parameters, state: State, reset: str) -> tuple[Tensor, State, Tensor, Tensor]:
    """Spikes, final state, saved states (batch, spans of LIF_SPAN_ON_GPU steps, 3, channels), and repairs.

    Repairs are (lane, chunk) pairs that ran again, counted on the device.
    """
    expect_shapes(current, parameters, state)
    current = current.contiguous()
    batch, seqlen, channels = current.shape
    lanes = batch * channels
    chunk, longest_warmup = speculation(seqlen, lanes)
    chunks = max(1, -(-seqlen // chunk))
    spikes = torch.empty_like(current)
    checkpoints = current.new_empty((batch, num_spans(seqlen, LIF_SPAN_ON_GPU), 3, channels))
    held = torch.stack(state)
    ends = current.new_empty((chunks, 3, lanes))
    programs = _triton.num_programs(lanes)
    repaired = torch.zeros(programs, dtype=torch.int32, device=current.device)
    if lanes:
        kept = [p.contiguous() for p in parameters]
        tensors = (current, spikes, held, checkpoints, ends)
        options = {"RESET": reset, "LANES": _triton.LANES, **_triton.A_WARP}
        sizes = (seqlen, channels, lanes, chunk)
        with _triton.device_of(current):
            lif_chunks_kernel[(programs, chunks)](*tensors, *kept, *sizes, longest_warmup, **options)
            lif_repair_kernel[(programs,)](*tensors, repaired, *kept, *sizes, chunks, **options)
    v, r, s = (x.clone() for x in held)
    return spikes, (v, r, s), checkpoints, repaired.sum()

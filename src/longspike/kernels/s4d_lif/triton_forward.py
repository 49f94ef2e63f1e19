"""The diagonal scan and the refractory neuron in one pass on a GPU: input in, spikes out, the current in registers.

The steps are those of the two kernels alone (s4d_scan/triton_step.py, refractory_lif/triton_step.py).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import _triton
from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU, num_spans
from longspike.kernels._triton_lanes import lane_numbers, load_rows
from longspike.kernels.refractory_lif import arguments as lif
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.refractory_lif.triton_step import (
    BLOCK,
    begin,
    lif_step,
    load_parameters,
    load_state,
    store_state,
)
from longspike.kernels.s4d_scan.arguments import expect_shapes
from longspike.kernels.s4d_scan.triton_forward import shape_options
from longspike.kernels.s4d_scan.triton_step import ROWS, load_pairs, pair_offsets, scan_read, scan_step, store_pairs


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "n_pairs"])
def s4d_lif_forward_kernel(
    u, lam, c, d, ssm_state, beta, threshold, rho, gamma, state, spikes, checkpoints,
    seqlen, channels, lanes, n_pairs, RESET: tl.constexpr, SAVES: tl.constexpr, PAIRS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """A lane's whole sequence from both states, and back into them."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    wide = channels.to(tl.int64)
    offsets, here = pair_offsets(0, n_pairs, channels, exists, PAIRS)
    poles, read = load_pairs(lam + channel, offsets, channels, here), load_pairs(c + channel, offsets, channels, here)
    skip = tl.load(d + channel, mask=exists, other=0.0)
    held = ssm_state + sample * n_pairs * 2 * channels + channel
    x = load_pairs(held, offsets, channels, here)
    parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
    neuron = begin(load_state(state + lane, lanes, exists), parameters, RESET)
    row, end = sample * seqlen * channels + channel, tl.where(exists, seqlen, 0)
    saved = checkpoints + sample * ((seqlen + BLOCK - 1) // BLOCK) * 3 * channels + channel
    ahead = load_rows(u + row, 0, end, wide, ROWS)
    whole = seqlen // ROWS * ROWS
    for start in range(0, whole, ROWS):
        rows = ahead
        ahead = load_rows(u + row, start + ROWS, end, wide, ROWS)
        if SAVES and start // BLOCK * BLOCK == start:
            store_state(saved + start // BLOCK * 3 * wide, wide, neuron, exists)
        for i in tl.static_range(ROWS):
            x = scan_step(rows[i], x, poles)
            neuron = lif_step(scan_read(rows[i], x, read, skip), neuron, parameters, RESET)
            tl.store(spikes + row + (start + i) * wide, neuron[2], mask=exists)
    if SAVES and whole // BLOCK * BLOCK == whole:
        store_state(saved + whole // BLOCK * 3 * wide, wide, neuron, whole < end)
    for t in range(whole, seqlen):
        u_t = tl.load(u + row + t * wide, mask=exists, other=0.0)
        x = scan_step(u_t, x, poles)
        neuron = lif_step(scan_read(u_t, x, read, skip), neuron, parameters, RESET)
        tl.store(spikes + row + t * wide, neuron[2], mask=exists)
    store_pairs(held, offsets, channels, here, x)
    store_state(state + lane, lanes, neuron, exists)


def forward(
    u: Tensor,
    coefficients: tuple[Tensor, Tensor, Tensor],
    ssm_state: Tensor,
    parameters: Parameters,
    state: State,
    reset: str,
    saves: bool,
) -> tuple[Tensor, Tensor, State, Tensor]:
    """Spikes, the scan's state and the neuron's after the last step, and (if `saves`) the neuron's saved states."""
    expect_shapes(u, *coefficients, ssm_state)
    lif.expect_shapes(u, parameters, state)
    u = u.contiguous()
    batch, seqlen, channels = u.shape
    spikes, ssm_end, held = (
        torch.empty_like(u),
        ssm_state.clone(memory_format=torch.contiguous_format),
        torch.stack(state),
    )
    checkpoints = u.new_empty((batch, num_spans(seqlen, LIF_SPAN_ON_GPU) if saves else 0, 3, channels))
    n_pairs = ssm_state.shape[1]
    if u.numel():
        kept = [x.contiguous() for x in (*coefficients, *parameters)]
        sizes = (seqlen, channels, batch * channels, n_pairs)
        with _triton.device_of(u):
            s4d_lif_forward_kernel[(_triton.num_programs(batch * channels),)](
                u, *kept[:3], ssm_end, *kept[3:], held, spikes, checkpoints,
                *sizes, RESET=reset, SAVES=saves, **shape_options(n_pairs),
            )  # fmt: skip
    v, r, s = (x.clone() for x in held)
    return spikes, ssm_end, (v, r, s), checkpoints

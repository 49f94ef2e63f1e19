"""The adjoint of the refractory LIF neuron on a GPU: blocks from last to first, computed again from their saved states.

    mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
    lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]          = dLoss/dcurrent[t]
    kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]

A block of 64 steps has 64 rows of input and of gradient under way at once. Its trajectory lies in registers for PART steps
at a time; the states at which the parts begin come from one silent run through the block.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import gpu
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.refractory_lif.triton_step import (
    BLOCK,
    begin,
    lane_numbers,
    lif_step,
    load_parameters,
    load_rows,
    load_state,
    store_state,
)
from longspike.kernels.refractory_lif.triton_surrogates import surrogate_slope

PART = tl.constexpr(16)
PARTS = tl.constexpr(4)  # PART * PARTS == BLOCK


@triton.jit
def part_starts(rows, state, parameters, RESET: tl.constexpr):
    """The states before the block's parts."""
    starts = (state,)
    for part in tl.static_range(PARTS - 1):
        for i in tl.static_range(PART):
            state = lif_step(rows[part * PART + i], state, parameters, RESET)
        starts += (state,)
    return starts


@triton.jit
def adjoint_step(
    grad, flow, before, after, parameters, RESET: tl.constexpr, GRADIENT: tl.constexpr, SURROGATE: tl.constexpr, SCALE: tl.constexpr
):
    """One step: the flow into v, r, s of the step before; lam; and its share of the parameters' gradients."""
    beta, threshold, rho, gamma = parameters
    to_lam, to_kap, to_mu = flow
    slope_mu = surrogate_slope(after[0] - rho * after[1] - threshold, SURROGATE, SCALE) * (grad + to_mu)
    lam = slope_mu + to_lam
    kap = to_kap - rho * slope_mu
    to_threshold = slope_mu
    keep, drop = beta * lam, tl.zeros_like(lam)
    if RESET == "subtract":
        drop = beta * threshold * lam
        to_threshold = slope_mu + beta * before[2] * lam
    elif RESET == "zero":
        drop = beta * before[0] * lam
        keep = beta * (1 - before[2]) * lam
    shares = (lam * before[3], -to_threshold, -slope_mu * after[1], kap * before[1])
    if GRADIENT == "detach_reset":
        drop = tl.zeros_like(lam)
    flow = (keep, gamma * kap, kap - drop)
    if GRADIENT == "instant":
        flow = (tl.zeros_like(lam), tl.zeros_like(lam), tl.zeros_like(lam))
    return flow, lam, shares


@triton.jit
def select4(goes, a, b):
    """Of four numbers, a where `goes`, else b."""
    return tl.where(goes, a[0], b[0]), tl.where(goes, a[1], b[1]), tl.where(goes, a[2], b[2]), tl.where(goes, a[3], b[3])


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes"])
def lif_backward_kernel(
    current,
    grad_spikes,
    checkpoints,
    grad_current,
    grad_state,
    grad_parameters,
    beta,
    threshold,
    rho,
    gamma,
    seqlen,
    channels,
    lanes,
    RESET: tl.constexpr,
    GRADIENT: tl.constexpr,
    SURROGATE: tl.constexpr,
    SCALE: tl.constexpr,
    SUMS: tl.constexpr,
    LANES: tl.constexpr,
):
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
    blocks, wide = (seqlen + BLOCK - 1) // BLOCK, channels.to(tl.int64)
    row, saved = sample * seqlen * channels + channel, sample * blocks * 3 * channels + channel
    end = tl.where(exists, seqlen, 0)
    flow = load_state(grad_state + lane, lanes, exists)
    nothing = tl.zeros_like(flow[0])
    totals = (nothing.to(tl.float64), nothing.to(tl.float64), nothing.to(tl.float64), nothing.to(tl.float64))
    for number in range(blocks):
        block = blocks - 1 - number
        first = block * BLOCK
        state = load_state(checkpoints + saved + block * 3 * wide, wide, exists)
        rows = load_rows(current + row, first, end, wide, BLOCK)
        grads = load_rows(grad_spikes + row, first, end, wide, BLOCK)
        starts = part_starts(rows, begin(state, parameters, RESET), parameters, RESET)
        sums = (nothing, nothing, nothing, nothing)
        for back in tl.static_range(PARTS):
            base: tl.constexpr = (PARTS - 1 - back) * PART
            path = (starts[PARTS - 1 - back],)
            for i in tl.static_range(PART):
                path += (lif_step(rows[base + i], path[i], parameters, RESET),)
            for j in tl.static_range(PART):
                i: tl.constexpr = PART - 1 - j
                goes = first + base + i < end
                after, lam, shares = adjoint_step(
                    grads[base + i], flow, path[i], path[i + 1], parameters, RESET, GRADIENT, SURROGATE, SCALE
                )
                flow = (
                    tl.where(goes, after[0], flow[0]),
                    tl.where(goes, after[1], flow[1]),
                    tl.where(goes, after[2], flow[2]),
                )
                tl.store(grad_current + row + (first + base + i) * wide, lam, mask=goes)
                if SUMS:
                    shares = select4(goes, shares, (nothing, nothing, nothing, nothing))
                    sums = (sums[0] + shares[0], sums[1] + shares[1], sums[2] + shares[2], sums[3] + shares[3])
        if SUMS:  # a block's sums in the tensors' own precision, the total in double
            totals = (
                totals[0] + sums[0].to(tl.float64),
                totals[1] + sums[1].to(tl.float64),
                totals[2] + sums[2].to(tl.float64),
                totals[3] + sums[3].to(tl.float64),
            )
    store_state(grad_state + lane, lanes, flow, exists)
    if SUMS:
        for parameter in tl.static_range(4):
            tl.store(grad_parameters + (sample * 4 + parameter) * channels + channel, totals[parameter], mask=exists)


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
) -> tuple[Tensor, ...]:
    """The adjoint as compiled.backward gives it; without `wants_parameters` the parameters' gradients are zero."""
    current, grad_spikes, checkpoints = current.contiguous(), grad_spikes.contiguous(), checkpoints.contiguous()
    batch, seqlen, channels = current.shape
    grad_current = torch.empty_like(current)
    flow = torch.stack(grad_state)
    sums = torch.zeros((batch, 4, channels), dtype=torch.float64, device=current.device)
    if batch and channels:
        with gpu.device_of(current):
            lif_backward_kernel[(gpu.num_programs(batch * channels),)](
                current,
                grad_spikes,
                checkpoints,
                grad_current,
                flow,
                sums,
                *(p.contiguous() for p in parameters),
                seqlen,
                channels,
                batch * channels,
                RESET=reset,
                GRADIENT=gradient,
                SURROGATE=surrogate,
                SCALE=scale,
                SUMS=wants_parameters,
                LANES=gpu.LANES,
                **gpu.LAUNCH,
            )
    by_parameter = (row.clone() for row in sums.sum(0).to(current.dtype))
    return grad_current, *by_parameter, *(x.clone() for x in flow)

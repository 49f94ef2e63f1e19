"""The adjoint of the refractory LIF neuron on a GPU: blocks from last to first, computed again from their saved states.

    mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
    lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]          = dLoss/dcurrent[t]
    kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]

A block's trajectory lies in registers, while the inputs, gradients and saved state of the block before it are fetched.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import _triton
from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU
from longspike.kernels._spiking.triton_surrogates import surrogate_slope
from longspike.kernels._triton_lanes import lane_numbers, load_rows
from longspike.kernels.refractory_lif.arguments import expect_shapes
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.refractory_lif.triton_step import (
    BLOCK,
    begin,
    lif_step,
    load_parameters,
    load_state,
    store_state,
)


@triton.jit
def adjoint_step(
    grad,
    flow,
    before,
    after,
    parameters,
    RESET: tl.constexpr,
    GRADIENT: tl.constexpr,
    SURROGATE: tl.constexpr,
    SCALE: tl.constexpr,
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
def block_adjoint(
    rows, grads, grad_current, first, end, stride, state, flow, sums, parameters,
    RESET: tl.constexpr, GRADIENT: tl.constexpr, SURROGATE: tl.constexpr, SCALE: tl.constexpr, SUMS: tl.constexpr,
):  # fmt: skip
    """The steps of the block that begins with step `first`, last to first: the flow before them, and the sums."""
    path = (begin(state, parameters, RESET),)
    for i in tl.static_range(BLOCK):
        path += (lif_step(rows[i], path[i], parameters, RESET),)  # type: ignore[assignment]
    for i in tl.static_range(BLOCK - 1, -1, -1):
        goes_on = first + i < end
        before, lam, shares = adjoint_step(
            grads[i], flow, path[i], path[i + 1], parameters, RESET, GRADIENT, SURROGATE, SCALE
        )
        tl.store(grad_current + (first + i) * stride, lam, mask=goes_on)
        flow = (
            tl.where(goes_on, before[0], flow[0]),
            tl.where(goes_on, before[1], flow[1]),
            tl.where(goes_on, before[2], flow[2]),
        )
        if SUMS:
            sums = (
                sums[0] + tl.where(goes_on, shares[0], 0.0),
                sums[1] + tl.where(goes_on, shares[1], 0.0),
                sums[2] + tl.where(goes_on, shares[2], 0.0),
                sums[3] + tl.where(goes_on, shares[3], 0.0),
            )
    return flow, sums


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes"])
def lif_backward_kernel(
    current, grad_spikes, checkpoints, grad_current, grad_state, grad_parameters, beta, threshold, rho, gamma,
    seqlen, channels, lanes, RESET: tl.constexpr, GRADIENT: tl.constexpr, SURROGATE: tl.constexpr, SCALE: tl.constexpr,
    SUMS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """A lane's blocks, last to first."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    parameters = load_parameters(beta, threshold, rho, gamma, channel, exists)
    blocks, wide = (seqlen + BLOCK - 1) // BLOCK, channels.to(tl.int64)
    row, saved = sample * seqlen * channels + channel, sample * blocks * 3 * channels + channel
    end = tl.where(exists, seqlen, 0)
    flow = load_state(grad_state + lane, lanes, exists)
    nothing = tl.zeros_like(flow[0])
    totals = (nothing.to(tl.float64), nothing.to(tl.float64), nothing.to(tl.float64), nothing.to(tl.float64))
    block = blocks - 1
    ahead = load_state(checkpoints + saved + block * 3 * wide, wide, exists)
    rows_ahead = load_rows(current + row, block * BLOCK, end, wide, BLOCK)
    grads_ahead = load_rows(grad_spikes + row, block * BLOCK, end, wide, BLOCK)
    for number in range(blocks):
        first = (blocks - 1 - number) * BLOCK
        block = tl.maximum(blocks - 2 - number, 0)
        before, rows, grads = ahead, rows_ahead, grads_ahead
        ahead = load_state(checkpoints + saved + block * 3 * wide, wide, exists)
        rows_ahead = load_rows(current + row, block * BLOCK, end, wide, BLOCK)
        grads_ahead = load_rows(grad_spikes + row, block * BLOCK, end, wide, BLOCK)
        sums = (nothing, nothing, nothing, nothing)
        flow, sums = block_adjoint(
            rows, grads, grad_current + row, first, end, wide, before, flow, sums, parameters,
            RESET, GRADIENT, SURROGATE, SCALE, SUMS,
        )  # fmt: skip
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
    """The adjoint from the saved states of `triton_forward.forward`.

    Without `wants_parameters` the parameters' gradients are zero.
    """
    batch, seqlen, channels = current.shape
    expect_shapes(current, parameters, grad_state, grad_spikes, checkpoints, LIF_SPAN_ON_GPU)
    current, grad_spikes, checkpoints = current.contiguous(), grad_spikes.contiguous(), checkpoints.contiguous()
    grad_current = torch.empty_like(current)
    flow = torch.stack(grad_state)
    sums = torch.zeros((batch, 4, channels), dtype=torch.float64, device=current.device)
    if current.numel():
        with _triton.device_of(current):
            lif_backward_kernel[(_triton.num_programs(batch * channels),)](
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
                LANES=_triton.LANES,
                **_triton.A_WARP,
            )
    by_parameter = (row.clone() for row in sums.sum(0).to(current.dtype))
    return grad_current, *by_parameter, *(x.clone() for x in flow)

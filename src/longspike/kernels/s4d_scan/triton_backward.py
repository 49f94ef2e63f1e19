"""The gradients of the diagonal state-space scan on a GPU, in two passes that need no state but the first.

Backward in time, the adjoint w of the state gives the gradients of the input and of the initial state:

    g[t] = conj(c) gy[t] + w[t]      gu[t] = sum_n Re(g_n[t]) + d gy[t]      w[t-1] = conj(lambda) g[t]

Forward in time, x and its derivative p = dx/dlambda give those of the coefficients:

    p[t] = lambda p[t-1] + x[t-1]    gc = conj(sum_t gy[t] x[t])    glambda = conj(c sum_t gy[t] p[t]) + g_end conj(p_end)

so the states between, many times the size of the input, are neither stored nor computed again.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import _triton
from longspike.kernels._triton_lanes import lane_numbers, load_rows
from longspike.kernels.s4d_scan.arguments import expect_shapes
from longspike.kernels.s4d_scan.triton_forward import shape_options
from longspike.kernels.s4d_scan.triton_step import ROWS, load_pairs, pair_offsets, scan_step, store_pairs

PAIRS_AT_ONCE = 8
"""Pairs of one program of the sums; pairs do not meet there, so more programs share them."""


@triton.jit
def adjoint_step(grad, flow, lam, c):
    """(g, w of the step before)."""
    added = tl.broadcast_to(grad[None, :], lam[0].shape)
    real, imag = tl.fma(c[0], added, flow[0]), tl.fma(-c[1], added, flow[1])
    return real, (tl.fma(lam[0], real, lam[1] * imag), tl.fma(lam[0], imag, -(lam[1] * real)))


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "n_pairs"])
def s4d_adjoint_kernel(
    grad_y, lam, c, d, grad_u, flow, seqlen, channels, lanes, n_pairs, PAIRS: tl.constexpr, LANES: tl.constexpr
):
    """A lane's steps, last to first: gradients of the input and of the initial state."""
    _, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    wide = channels.to(tl.int64)
    offsets, here = pair_offsets(0, n_pairs, channels, exists, PAIRS)
    poles, read = load_pairs(lam + channel, offsets, channels, here), load_pairs(c + channel, offsets, channels, here)
    skip = tl.load(d + channel, mask=exists, other=0.0)
    held = flow + sample * n_pairs * 2 * channels + channel
    w = load_pairs(held, offsets, channels, here)
    row, end = sample * seqlen * channels + channel, tl.where(exists, seqlen, 0)
    whole = seqlen // ROWS * ROWS
    for back in range(seqlen - whole):
        t = seqlen - 1 - back
        grad = tl.load(grad_y + row + t * wide, mask=exists, other=0.0)
        g, w = adjoint_step(grad, w, poles, read)
        tl.store(grad_u + row + t * wide, tl.fma(skip, grad, tl.sum(g, axis=0)), mask=exists)
    ahead = load_rows(grad_y + row, tl.maximum(whole - ROWS, 0), end, wide, ROWS)
    for back in range(0, whole, ROWS):
        start = whole - ROWS - back
        rows = ahead
        ahead = load_rows(grad_y + row, tl.maximum(start - ROWS, 0), end, wide, ROWS)
        for i in tl.static_range(ROWS - 1, -1, -1):
            g, w = adjoint_step(rows[i], w, poles, read)
            tl.store(grad_u + row + (start + i) * wide, tl.fma(skip, rows[i], tl.sum(g, axis=0)), mask=exists)
    store_pairs(held, offsets, channels, here, w)


@triton.jit
def sums_step(u, grad, x, p, c_sum, lam_sum, lam):
    """x, p and the two sums after one step."""
    scale = tl.broadcast_to(grad[None, :], lam[0].shape)
    p = (
        tl.fma(lam[0], p[0], tl.fma(-lam[1], p[1], x[0])),
        tl.fma(lam[0], p[1], tl.fma(lam[1], p[0], x[1])),
    )
    x = scan_step(u, x, lam)
    c_sum = (tl.fma(scale, x[0], c_sum[0]), tl.fma(scale, x[1], c_sum[1]))
    return x, p, c_sum, (tl.fma(scale, p[0], lam_sum[0]), tl.fma(scale, p[1], lam_sum[1]))


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "n_pairs"])
def s4d_sums_kernel(
    u, grad_y, lam, c, state, grad_end, grad_lam, grad_c, grad_d,
    seqlen, channels, lanes, n_pairs, PAIRS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Some pairs of a lane, first step to last: gradients of lambda, c and d."""
    lane, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    wide = channels.to(tl.int64)
    offsets, here = pair_offsets(tl.program_id(1) * PAIRS, n_pairs, channels, exists, PAIRS)
    at = sample * n_pairs * 2 * channels + channel
    poles = load_pairs(lam + channel, offsets, channels, here)
    x = load_pairs(state + at, offsets, channels, here)
    zero = tl.zeros_like(x[0])
    p, c_sum, lam_sum = (zero, zero), (zero, zero), (zero, zero)
    row, end = sample * seqlen * channels + channel, tl.where(exists, seqlen, 0)
    d_sum = tl.zeros_like(tl.load(grad_d + lane, mask=exists, other=0.0))
    inputs, grads = load_rows(u + row, 0, end, wide, ROWS), load_rows(grad_y + row, 0, end, wide, ROWS)
    whole = seqlen // ROWS * ROWS
    for start in range(0, whole, ROWS):
        u_rows, g_rows = inputs, grads
        inputs = load_rows(u + row, start + ROWS, end, wide, ROWS)
        grads = load_rows(grad_y + row, start + ROWS, end, wide, ROWS)
        for i in tl.static_range(ROWS):
            x, p, c_sum, lam_sum = sums_step(u_rows[i], g_rows[i], x, p, c_sum, lam_sum, poles)
            d_sum = tl.fma(g_rows[i], u_rows[i], d_sum)
    for t in range(whole, seqlen):
        u_t = tl.load(u + row + t * wide, mask=exists, other=0.0)
        g_t = tl.load(grad_y + row + t * wide, mask=exists, other=0.0)
        x, p, c_sum, lam_sum = sums_step(u_t, g_t, x, p, c_sum, lam_sum, poles)
        d_sum = tl.fma(g_t, u_t, d_sum)
    read, last = load_pairs(c + channel, offsets, channels, here), load_pairs(grad_end + at, offsets, channels, here)
    real = read[0] * lam_sum[0] - read[1] * lam_sum[1] + (last[0] * p[0] + last[1] * p[1])
    imag = (last[1] * p[0] - last[0] * p[1]) - (read[0] * lam_sum[1] + read[1] * lam_sum[0])
    store_pairs(grad_lam + at, offsets, channels, here, (real, imag))
    store_pairs(grad_c + at, offsets, channels, here, (c_sum[0], -c_sum[1]))
    if tl.program_id(1) == 0:
        tl.store(grad_d + lane, d_sum, mask=exists)


def backward(
    u: Tensor, grad_y: Tensor, grad_end: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of u, lambda, c, d and of the initial state; `state` is the initial one."""
    expect_shapes(u, lam, c, d, state)
    expect_shapes(grad_y, lam, c, d, grad_end)
    u, grad_y, grad_end, lam, c, d, state = (x.contiguous() for x in (u, grad_y, grad_end, lam, c, d, state))
    batch, seqlen, channels = u.shape
    n_pairs = lam.shape[0]
    grad_u, flow = torch.empty_like(u), grad_end.clone()
    grad_lam, grad_c, grad_d = torch.zeros_like(state), torch.zeros_like(state), u.new_zeros((batch, channels))
    if u.numel():
        options = shape_options(n_pairs)
        sizes, programs = (seqlen, channels, batch * channels, n_pairs), _triton.num_programs(batch * channels)
        few = {**options, "PAIRS": PAIRS_AT_ONCE, "num_warps": 1}
        with _triton.device_of(u):
            s4d_adjoint_kernel[(programs,)](grad_y, lam, c, d, grad_u, flow, *sizes, **options)
            s4d_sums_kernel[(programs, triton.cdiv(n_pairs, PAIRS_AT_ONCE))](
                u, grad_y, lam, c, state, grad_end, grad_lam, grad_c, grad_d, *sizes, **few
            )
    return grad_u, grad_lam.sum(0), grad_c.sum(0), grad_d.sum(0), flow

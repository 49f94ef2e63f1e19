"""The adjoint of chains of dendritic neurons on a GPU: i of all rows again, then backwards.

Written against Triton's interpreter and never run on a GPU.

    a         = beta[t+1] * lam[t+1]                                       = dLoss/dv after the reset of row t
    lam[t]    = G[t] + (1 - s[t])*a - slope(m[t] - threshold)*m[t]*a       = dLoss/dmembrane
    iota_d[t] = g_d*lam[t] + alpha_d[t+1]*iota_d[t+1]                      = dLoss/di_d = dLoss/ddrive_d
    dg_d += lam.i_d,   dalpha_d[t] = i_d[t-1].iota_d[t],   dbeta[t] = v[t-1].lam[t],   drate -= gap*alpha*dalpha

One array (rows, branches, channels) holds i and then iota in its place; where it would be large, ranges of chains take
turns. dw and dvalue are matrix products of iota, tap by tap: an input is under a tap at most once, so no sum is atomic.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._spiking.triton_surrogates import surrogate_slope
from longspike.kernels._triton import ROUNDED, device_of
from longspike.kernels.dendrite.arguments import Chains, fitting, fitting_gradients
from longspike.kernels.dendrite.triton_chains import add_drive, alpha_stride, decays, shape_options

LARGEST_PATH = 1 << 30  # bytes of i at a time


@triton.jit
def _replay(
    values, weight, alphas, i, chain_offsets, pair_offsets, pair_input, pair_tap, path, chain, first_row,
    c_in, branches, alpha_stride, d, unit, inside, exists, IS_DENSE: tl.constexpr,
):  # fmt: skip
    """Write i after every row of the chain to `path`; i after the last."""
    for row in range(tl.load(chain_offsets + chain), tl.load(chain_offsets + chain + 1)):
        i = tl.load(alphas + row * alpha_stride + d, mask=d < branches, other=0)[:, None] * i
        i = add_drive(i, row, values, weight, pair_offsets, pair_input, pair_tap, c_in, unit, inside, exists, IS_DENSE)
        tl.store(path + (row - first_row) * unit + inside, i, mask=exists)
    return i


@triton.jit
def _backward(
    values, weight, alphas, g, i0, v0, chain_offsets, pair_offsets, pair_input, pair_tap, membrane, grad_membrane,
    grad_i_end, grad_v_end, path, grad_alphas, grad_g, grad_i0, grad_v0,
    first_chain, first_row, c_in, branches, channels, alpha_stride, rows,
    THRESHOLD: tl.constexpr, SURROGATE: tl.constexpr, SCALE: tl.constexpr, BRANCHES: tl.constexpr,
    CHANNELS: tl.constexpr, HAS_STATE: tl.constexpr, HAS_GRAD_END: tl.constexpr, IS_DENSE: tl.constexpr,
):  # fmt: skip
    chain, part = first_chain + tl.program_id(0).to(tl.int64), tl.program_id(1)
    d, c = tl.arange(0, BRANCHES), part * CHANNELS + tl.arange(0, CHANNELS)
    inside, unit, is_channel = d[:, None] * channels + c[None, :], branches * channels, c < channels
    exists = (d[:, None] < branches) & is_channel[None, :]
    zero = tl.zeros((BRANCHES, CHANNELS), weight.dtype.element_ty)
    start, v_start = zero, tl.sum(zero, axis=0)
    if HAS_STATE:
        start = tl.load(i0 + chain * unit + inside, mask=exists, other=0)
        v_start = tl.load(v0 + chain * channels + c, mask=is_channel, other=0)
    now = _replay(values, weight, alphas, start, chain_offsets, pair_offsets, pair_input, pair_tap, path, chain,
                  first_row, c_in, branches, alpha_stride, d, unit, inside, exists, IS_DENSE)  # fmt: skip
    tl.debug_barrier()  # the path is read by other threads than those that wrote it
    flow, a, sum_g = zero, tl.sum(zero, axis=0), tl.sum(zero, axis=1)
    if HAS_GRAD_END:
        flow = tl.load(grad_i_end + chain * unit + inside, mask=exists, other=0)
        a = tl.load(grad_v_end + chain * channels + c, mask=is_channel, other=0)
    coupling = tl.load(g + d, mask=d < branches, other=0)[:, None]
    first, last = tl.load(chain_offsets + chain), tl.load(chain_offsets + chain + 1)
    for back in range(0, last - first):
        row = last - 1 - back
        has_before = (row > first).to(tl.int32)
        m = tl.load(membrane + row * channels + c, mask=is_channel, other=0)
        m0 = tl.load(membrane + (row - has_before) * channels + c, mask=c < channels * has_before, other=0)
        v = tl.where(m0 > THRESHOLD, 0.0, m0) + (1 - has_before).to(m.dtype) * v_start
        at = path + (row - has_before - first_row) * unit + inside
        before = tl.load(at, mask=exists & (inside < unit * has_before), other=0)
        before += (1 - has_before).to(m.dtype) * start
        lam = tl.load(grad_membrane + row * channels + c, mask=is_channel, other=0) + tl.where(m > THRESHOLD, 0.0, a)
        lam -= surrogate_slope(m - THRESHOLD, SURROGATE, SCALE) * m * a
        iota = coupling * lam[None, :] + flow
        flow = tl.load(alphas + row * alpha_stride + d, mask=d < branches, other=0)[:, None] * iota
        a = tl.load(alphas + row * alpha_stride + branches) * lam
        sum_g += tl.sum(lam[None, :] * now, axis=1)
        of_alphas = grad_alphas + (part * rows + row) * (branches + 1)
        tl.store(of_alphas + d, tl.sum(before * iota, axis=1), mask=d < branches)
        tl.store(of_alphas + branches, tl.sum(v * lam, axis=0))
        tl.debug_barrier()  # i of the row before is read before iota takes its place
        tl.store(path + (row - first_row) * unit + inside, iota, mask=exists)
        now = before
    tl.store(grad_g + (chain * tl.num_programs(1) + part) * branches + d, sum_g, mask=d < branches)
    if HAS_STATE:
        tl.store(grad_i0 + chain * unit + inside, flow, mask=exists)
        tl.store(grad_v0 + chain * channels + c, a, mask=is_channel)


def _ranges(call: Chains) -> list[tuple[int, int, int, int]]:
    """First and last chain and row of the ranges whose i fits into LARGEST_PATH; one sync if there are several."""
    *_, branches, channels, rows, chains = call.sizes()
    most = max(LARGEST_PATH // max(branches * channels * call.weight.dtype.itemsize, 1), 1)
    if rows <= most:
        return [(0, chains, 0, rows)]
    offsets, found, first = call.chain_offsets.tolist(), [], 0
    for chain in range(chains):
        if offsets[chain + 1] - offsets[first] > most and chain > first:
            found.append((first, chain, offsets[first], offsets[chain]))
            first = chain
    return [*found, (first, chains, offsets[first], rows)]


def _add_products(
    call: Chains, iota: Tensor, first: int, last: int, grad_weight: Tensor, grad_values: Tensor | None
) -> None:
    """Add what the rows first .. last-1, with `iota` (rows, branches, channels), give to dw and dvalue."""
    if call.values is None or call.pairs is None:
        return
    pair_offsets, pair_input, pair_tap = call.pairs
    bounds = pair_offsets[first : last + 1]
    own = slice(int(bounds[0]), int(bounds[-1]))
    row = torch.repeat_interleave(torch.arange(last - first, device=iota.device), bounds.diff())
    flat, tap_of, inputs = iota.flatten(1), pair_tap[own], pair_input[own]
    for tap, weight in enumerate(call.weight.flatten(2)):
        here = (tap_of == tap).nonzero()[:, 0]
        gathered, of_input = flat[row[here]], inputs[here]
        grad_weight[tap] += (call.values[of_input].mT @ gathered).view(grad_weight.shape[1:])
        if grad_values is not None:
            grad_values.index_add_(0, of_input, gathered @ weight.mT)


def backward(
    call: Chains,
    membrane: Tensor,
    grad_membrane: Tensor,
    grad_end: tuple[Tensor | None, Tensor | None],
    *,
    surrogate: str,
    scale: float,
    wants_values: bool,
) -> tuple[Tensor, ...]:
    """Gradients of values, weight (of the drive, where that is dense), rate, g, i0, v0."""
    where = f"{call.stem}_backward"
    call = fitting(where, call)
    inputs, c_in, _, branches, channels, rows, chains = call.sizes()
    membrane, grad_membrane, *of_end = fitting_gradients(where, call, membrane, grad_membrane, grad_end)
    options = shape_options(branches, channels)
    parts = triton.cdiv(channels, options["CHANNELS"])
    zeros, empty = call.weight.new_zeros, call.weight.new_empty
    state = chains if call.i0 is not None else 0
    grad_i, grad_v = empty((state, branches, channels)), empty((state, channels))
    grad_values = zeros((inputs, c_in)) if wants_values else None
    grad_weight = torch.zeros_like(call.weight)
    alphas, grad_alphas = decays(call), zeros((parts, rows, branches + 1))
    grad_g = zeros((chains, parts, branches))
    pairs = (None, None, None) if call.pairs is None else call.pairs
    for first_chain, last_chain, first_row, last_row in _ranges(call):
        path = empty((last_row - first_row, branches, channels))
        if last_chain > first_chain and channels:
            with device_of(call.weight):
                _backward[(last_chain - first_chain, parts)](
                    call.values, call.weight, alphas, call.g, call.i0, call.v0, call.chain_offsets, *pairs,
                    membrane, grad_membrane, *of_end, path, grad_alphas, grad_g, grad_i, grad_v,
                    first_chain, first_row, c_in, branches, channels, alpha_stride(call), rows,
                    THRESHOLD=call.threshold, SURROGATE=surrogate, SCALE=scale, HAS_STATE=call.i0 is not None,
                    HAS_GRAD_END=of_end[0] is not None, IS_DENSE=call.is_dense, **options, **ROUNDED,
                )  # fmt: skip
        if call.is_dense:
            grad_weight[first_row:last_row] = path
        else:
            _add_products(call, path, first_row, last_row, grad_weight, grad_values)
    gap = 1 if call.gap is None else call.gap.to(torch.float64)[:, None]
    grad_rate = -(gap * alphas.double() * grad_alphas.sum(0, dtype=torch.float64)).sum(0)
    sum_g = grad_g.sum((0, 1), dtype=torch.float64).to(call.g.dtype)
    nothing = zeros((0, c_in))
    values = nothing if grad_values is None else grad_values
    return values, grad_weight, grad_rate.to(call.rate.dtype), sum_g, grad_i, grad_v

"""The adjoint of the spike-aware memory's ticks on a GPU: per block of 64 ticks the states again, then backwards.

Written against Triton's interpreter and never run on a GPU. With w the gradient of a complex state, z = e x, q = R v and
a bar for the conjugate, one tick x' = g x - e q + b u, v = W s, s = R* z, y = 2 Re sum C x' + D u sends back

    w += 2 bar(C) Y          U = D Y + Re sum bar(b) w       p = -bar(e) w             grad v = Re sum bar(R) p
    grad s = W^T grad v      grad z = 2 R grad s             grad x = bar(g) w + bar(e) grad z
    grad g = bar(x) w        grad e = bar(x) grad z - bar(q) w     grad b = u w        grad W = (grad v) s^T
    grad R = p v^T + 2 z (grad s)^T                                grad C = 2 Y bar(x')       grad D = Y u

A program sums over its ticks and channels in the arrays' dtype; the sums over programs are PyTorch's, in float64. Its sum
of a table's row goes to the slot of its (sample, gap), or of the tick where that takes less memory.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._triton import ROUNDED, device_of
from longspike.kernels.sa_hippo.arguments import expect_saved
from longspike.kernels.sa_hippo.triton_algebra import (
    advance,
    columns_of,
    conj_times,
    load_pair,
    mix,
    mix_back,
    pair_row,
    read,
    spread,
    square,
    store_pair,
    times,
)
from longspike.kernels.sa_hippo.triton_recurrent import shape_options

LARGEST_PATH = 1 << 30  # bytes of states of blocks at a time


@triton.jit
def _replay(
    index, tables, u, checkpoint, path, first, start, stop, head, heads, d_head, n_pairs, size, n, ch, rr, ri,
    RANK: tl.constexpr, COLUMNS: tl.constexpr, HAS_INPUT: tl.constexpr,
):  # fmt: skip
    """Write the state before every tick from `start` to `stop` to `path`; the state after the last."""
    exists = (n[:, None] < n_pairs) & (ch[None, :] < d_head)
    inside, numbers = 2 * n[:, None] * d_head + ch[None, :], 2 * n_pairs * d_head
    xr, xi = load_pair(checkpoint + inside, d_head, exists)
    for t in range(start, stop):
        store_pair(path + (t - start) * numbers + inside, d_head, xr, xi, exists)
        row = tables + (tl.load(index + first + t) * heads + head) * size
        xr, xi = advance(row, n, n_pairs, rr, ri, xr, xi, RANK, COLUMNS)
        if HAS_INPUT:
            x = tl.load(u + ((first + t) * heads + head) * d_head + ch, mask=ch < d_head, other=0)
            br, bi = pair_row(row, 2, n, n_pairs)
            xr, xi = xr + br * x[None, :], xi + bi * x[None, :]
    return xr, xi


@triton.jit
def _output(u, grad_y, grad_u, at, row, n, n_pairs, skip, cr, ci, wr, wi, in_head):
    """w with what y sends back; U, stored; the input and Y."""
    x, gy = tl.load(u + at, mask=in_head, other=0), tl.load(grad_y + at, mask=in_head, other=0)
    wr, wi = wr + 2 * cr * gy[None, :], wi - 2 * ci * gy[None, :]
    br, bi = pair_row(row, 2, n, n_pairs)
    tl.store(grad_u + at, skip * gy + tl.sum(br * wr + bi * wi, axis=0), mask=in_head)
    return wr, wi, x[None, :], 2 * gy[None, :]


@triton.jit
def _diagonal(row, n, n_pairs, xr, xi, wr, wi):
    """What the diagonal sends back to x, and the gradient of g, summed over channels."""
    gr, gi = pair_row(row, 0, n, n_pairs)
    grad_xr, grad_xi = conj_times(gr, gi, wr, wi)
    grad_gr, grad_gi = conj_times(xr, xi, wr, wi)
    return grad_xr, grad_xi, tl.sum(grad_gr, axis=1), tl.sum(grad_gi, axis=1)


@triton.jit
def _low_rank(row, n, n_pairs, rr, ri, xr, xi, wr, wi, RANK: tl.constexpr, COLUMNS: tl.constexpr):
    """What the low rank adds: to grad x; the gradients of e, W and R, summed over channels."""
    er, ei = pair_row(row, 1, n, n_pairs)
    w = square(row, n_pairs, RANK, COLUMNS)
    zr, zi = times(er, ei, xr, xi)
    s = 2 * read(rr, ri, zr, zi)
    v = mix(w, s)
    qr, qi = spread(rr, ri, v)
    pr, pi = conj_times(-er, -ei, wr, wi)
    grad_v = read(rr, ri, pr, pi)
    twice_s = 2 * mix_back(w, grad_v)
    grad_zr, grad_zi = spread(rr, ri, twice_s)
    grad_rr = tl.sum(pr[:, None, :] * v[None, :, :] + zr[:, None, :] * twice_s[None, :, :], axis=2)
    grad_ri = tl.sum(pi[:, None, :] * v[None, :, :] + zi[:, None, :] * twice_s[None, :, :], axis=2)
    ar, ai = conj_times(xr, xi, grad_zr, grad_zi)
    br, bi = conj_times(qr, qi, wr, wi)
    grad_er, grad_ei = tl.sum(ar - br, axis=1), tl.sum(ai - bi, axis=1)
    grad_w = tl.sum(grad_v[:, None, :] * s[None, :, :], axis=2)
    grad_xr, grad_xi = conj_times(er, ei, grad_zr, grad_zi)
    return grad_xr, grad_xi, grad_er, grad_ei, grad_w, grad_rr, grad_ri


@triton.jit
def _add(to, x, exists):
    tl.store(to, tl.load(to, mask=exists, other=0) + x, mask=exists)


@triton.jit
def _add_pair(to, part: tl.constexpr, n, n_pairs, real, imag, is_last):
    exists = n < n_pairs * is_last
    _add(to + 2 * part * n_pairs + n, real, exists)
    _add(to + (2 * part + 1) * n_pairs + n, imag, exists)


@triton.jit
def _add_row(
    to, n, n_pairs, is_last, gr, gi, er, ei, br, bi, gw, RANK: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    """Add a run's sums to its slot, where the run ends."""
    _add_pair(to, 0, n, n_pairs, gr, gi, is_last)
    _add_pair(to, 1, n, n_pairs, er, ei, is_last)
    _add_pair(to, 2, n, n_pairs, br, bi, is_last)
    j = tl.arange(0, COLUMNS)
    in_square = (j[:, None] < RANK * is_last) & (j[None, :] < RANK)
    _add(to + 6 * n_pairs + j[:, None] * RANK + j[None, :], gw, in_square)


@triton.jit
def _store_columns(to, n, n_pairs, real, imag, RANK: tl.constexpr, COLUMNS: tl.constexpr):
    j = tl.arange(0, COLUMNS)
    exists = (n[:, None] < n_pairs) & (j[None, :] < RANK)
    store_pair(to + n[:, None] * 2 * RANK + j[None, :], RANK, real, imag, exists)


@triton.jit
def _backward(
    u, index, offsets, tables, r, c, d, grad_y, grad_end, checkpoints, slot, path,
    grad_u, grad_start, grad_rows, grad_r, grad_c, grad_d,
    first_sample, heads, d_head, n_pairs, size, parts,
    RANK: tl.constexpr, COLUMNS: tl.constexpr, PAIRS: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
    HAS_INPUT: tl.constexpr,
):  # fmt: skip
    sample, head, part = first_sample + tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    n, ch = tl.arange(0, PAIRS), part * CHANNELS + tl.arange(0, CHANNELS)
    exists = (n[:, None] < n_pairs) & (ch[None, :] < d_head)
    inside, numbers = 2 * n[:, None] * d_head + ch[None, :], 2 * n_pairs * d_head
    item, d_model, first = sample * heads + head, heads * d_head, tl.load(offsets + sample)
    place = item - first_sample * heads  # among the items of this launch
    length = (tl.load(offsets + sample + 1) - first).to(tl.int32)
    rr, ri = columns_of(r + head * 2 * n_pairs * RANK, n, n_pairs, RANK, COLUMNS)
    own = item * numbers + inside
    wr, wi = load_pair(grad_end + own, d_head, exists)
    zero, square_zero = tl.zeros((PAIRS, CHANNELS), wr.dtype), tl.zeros((COLUMNS, COLUMNS), wr.dtype)
    row_zero, tall_zero = tl.sum(zero, axis=1), tl.zeros((PAIRS, COLUMNS), wr.dtype)
    gr, gi, er, ei, br, bi, gw = row_zero, row_zero, row_zero, row_zero, row_zero, row_zero, square_zero  # of a run
    grr, gri, gcr, gci, gd = tall_zero, tall_zero, zero, zero, tl.sum(zero, axis=0)[None, :]
    read_at = 2 * n[:, None] * d_model + head * d_head + ch[None, :]
    if HAS_INPUT:
        cr, ci = load_pair(c + read_at, d_model, exists)
        skip = tl.load(d + head * d_head + ch, mask=ch < d_head, other=0)
    for k in range(0, tl.cdiv(length, BLOCK)):
        block = tl.cdiv(length, BLOCK) - 1 - k
        start, stop = block * BLOCK, tl.minimum(length, block * BLOCK + BLOCK)
        saved, trail = ((first // BLOCK + sample + block) * heads + head) * numbers, path + place * BLOCK * numbers
        nr, ni = _replay(index, tables, u, checkpoints + saved, trail, first, start, stop, head, heads, d_head, n_pairs,
                         size, n, ch, rr, ri, RANK, COLUMNS, HAS_INPUT)  # fmt: skip
        tl.debug_barrier()  # the path is read by other threads than those that wrote it
        for back in range(0, stop - start):
            t = stop - 1 - back
            row = tables + (tl.load(index + first + t) * heads + head) * size
            xr, xi = load_pair(trail + (t - start) * numbers + inside, d_head, exists)
            if HAS_INPUT:
                at = (first + t) * d_model + head * d_head + ch
                wr, wi, x, twice = _output(u, grad_y, grad_u, at, row, n, n_pairs, skip, cr, ci, wr, wi, ch < d_head)
                gcr, gci, gd = gcr + twice * nr, gci - twice * ni, gd + twice * x
                br, bi = br + tl.sum(wr * x, axis=1), bi + tl.sum(wi * x, axis=1)
            fr, fi, a, b = _diagonal(row, n, n_pairs, xr, xi, wr, wi)
            gr, gi = gr + a, gi + b
            if RANK > 0:
                a, b, de, df, dw, drr, dri = _low_rank(row, n, n_pairs, rr, ri, xr, xi, wr, wi, RANK, COLUMNS)
                fr, fi, er, ei, gw, grr, gri = fr + a, fi + b, er + de, ei + df, gw + dw, grr + drr, gri + dri
            here = tl.load(slot + first + t)
            is_last = (tl.load(slot + first + t - 1, mask=t > 0, other=-1) != here).to(tl.int32)
            to = grad_rows + ((here * heads + head) * parts + part) * size
            _add_row(to, n, n_pairs, is_last, gr, gi, er, ei, br, bi, gw, RANK, COLUMNS)
            keep = (1 - is_last).to(wr.dtype)
            gr, gi, er, ei, br, bi, gw = gr * keep, gi * keep, er * keep, ei * keep, br * keep, bi * keep, gw * keep
            wr, wi, nr, ni = fr, fi, xr, xi
            tl.debug_barrier()  # the next sum of this slot, and the next block's path, come after these
    of_r = grad_r + (item * parts + part) * 2 * n_pairs * RANK
    _store_columns(of_r, n, n_pairs, grr, gri, RANK, COLUMNS)
    if HAS_INPUT:
        store_pair(grad_start + own, d_head, wr, wi, exists)
        store_pair(grad_c + sample * 2 * n_pairs * d_model + read_at, d_model, gcr, gci, exists)
        tl.store(grad_d + sample * d_model + head * d_head + ch[None, :], gd / 2, mask=ch[None, :] < d_head)


def _slots(index: Tensor, offsets: Tensor, gaps: int) -> tuple[Tensor, Tensor]:
    """Where each tick's row is summed, (ticks), and the row that a slot belongs to: no slot serves two samples."""
    batch, ticks = offsets.shape[0] - 1, index.shape[0]
    if batch * gaps > ticks:
        return torch.arange(ticks, device=index.device), index
    sample = torch.repeat_interleave(torch.arange(batch, device=index.device), offsets.diff(), output_size=ticks)
    return sample * gaps + index, torch.arange(gaps, device=index.device).repeat(batch)


def _summed(partial: Tensor, like: Tensor) -> Tensor:
    """The sum over programs in float64, rounded once."""
    return partial.sum(0, dtype=torch.float64).to(like.dtype)


def _launch(
    u: Tensor | None,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    grad_y: Tensor | None,
    grad_end: Tensor,
    checkpoints: Tensor,
) -> tuple[Tensor | None, ...]:
    """Gradients of u, tables, r, c, d and the states before the first ticks."""
    batch, heads, n_pairs, _, d_head = grad_end.shape
    rank, size, d_model = r.shape[3], tables.shape[2], heads * d_head
    options = shape_options(n_pairs, rank, d_head)
    parts = triton.cdiv(d_head, options["CHANNELS"])
    slot, row_of = _slots(index, offsets, tables.shape[0])
    grad_rows = r.new_zeros((len(row_of), heads, parts, size))
    grad_r = r.new_zeros((batch, heads, parts, n_pairs, 2, rank))
    path_of_one = heads * options["BLOCK"] * 2 * n_pairs * d_head
    at_once = min(max(LARGEST_PATH // max(path_of_one * r.dtype.itemsize, 1), 1), max(batch, 1))
    path = r.new_empty(at_once * path_of_one)
    own: tuple[Tensor | None, ...] = (None,) * 4
    if u is not None:
        own = (
            torch.empty_like(u),
            torch.empty_like(grad_end),
            r.new_zeros((batch, n_pairs, 2, d_model)),
            r.new_zeros((batch, d_model)),
        )
    for first in range(0, batch if grad_end.numel() else 0, at_once):
        with device_of(r):
            _backward[(min(at_once, batch - first), heads, parts)](
                u, index, offsets, tables, r, c, d, grad_y, grad_end, checkpoints, slot, path,
                own[0], own[1], grad_rows, grad_r, own[2], own[3],
                first, heads, d_head, n_pairs, size, parts,
                HAS_INPUT=u is not None, **options, **ROUNDED,
            )  # fmt: skip
    sums = torch.zeros_like(tables, dtype=torch.float64)
    grad_tables = sums.index_add(0, row_of, grad_rows.sum(2, dtype=torch.float64)).to(tables.dtype)
    of_r = _summed(grad_r.sum(2, dtype=torch.float64), r)
    return (
        own[0],
        grad_tables,
        of_r,
        None if own[2] is None else _summed(own[2], r),
        None if own[3] is None else _summed(own[3], r),
        own[1],
    )


def backward(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    grad_y: Tensor,
    grad_end: Tensor,
    checkpoints: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of u, tables, r, c, d and of the initial states; the states in between are computed again."""
    expect_saved(u, offsets, grad_y, grad_end, checkpoints)
    kept = [x.contiguous() for x in (u, index, offsets, tables, r, c, d, grad_y, grad_end, checkpoints)]
    return _launch(*kept)  # type: ignore[return-value]


def transitions_backward(
    index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, grad: Tensor, checkpoints: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of tables and r from those of the transitions (batch, heads, n_pairs, 2, d_state)."""
    index, offsets, tables, r, grad = (x.contiguous() for x in (index, offsets, tables, r, grad))
    _, grad_tables, grad_r, *_ = _launch(None, index, offsets, tables, r, None, None, None, grad, checkpoints)
    return grad_tables, grad_r  # type: ignore[return-value]

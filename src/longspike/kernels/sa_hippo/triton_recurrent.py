"""The spike-aware memory tick by tick on a GPU.

Written against Triton's interpreter and never run on a GPU. A program owns some channels of one head of one sample and keeps
their state in registers. The equations are `reference`'s; checkpoints, one before every 64 ticks, lie as those of the
compiled kernels. Without an input (`u` None) the ticks carry the columns of an identity, which become the transition over
all of them: what the parallel form over chunks needs.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._triton import ROUNDED, device_of, power_of_two
from longspike.kernels.sa_hippo.arguments import SPAN, expect_shapes, num_saved
from longspike.kernels.sa_hippo.triton_algebra import advance, columns_of, load_pair, pair_row, store_pair

CHANNELS = 16  # of one program
STAGES = tl.constexpr(3)  # ticks whose rows are on their way while one is computed


@triton.jit
def _forward(
    u, index, offsets, tables, r, c, d, start, y, end, checkpoints,
    heads, d_head, n_pairs, size,
    RANK: tl.constexpr, COLUMNS: tl.constexpr, PAIRS: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
    HAS_INPUT: tl.constexpr, SAVES: tl.constexpr,
):  # fmt: skip
    sample, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n, ch = tl.arange(0, PAIRS), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    exists = (n[:, None] < n_pairs) & (ch[None, :] < d_head)
    inside = 2 * n[:, None] * d_head + ch[None, :]  # of a state, its real part
    numbers = 2 * n_pairs * d_head
    own = (sample * heads + head) * numbers + inside
    first = tl.load(offsets + sample)
    length = (tl.load(offsets + sample + 1) - first).to(tl.int32)
    rr, ri = columns_of(r + head * 2 * n_pairs * RANK, n, n_pairs, RANK, COLUMNS)
    d_model = heads * d_head
    if HAS_INPUT:
        xr, xi = load_pair(start + own, d_head, exists)
        cr, ci = load_pair(c + 2 * n[:, None] * d_model + head * d_head + ch[None, :], d_model, exists)
        skip = tl.load(d + head * d_head + ch, mask=ch < d_head, other=0)
    else:
        xr = tl.where(2 * n[:, None] == ch[None, :], 1, 0).to(tables.dtype.element_ty)
        xi = tl.where(2 * n[:, None] + 1 == ch[None, :], 1, 0).to(tables.dtype.element_ty)
    for t in tl.range(0, length, num_stages=STAGES):
        if SAVES:
            block = first // BLOCK + sample + t // BLOCK
            saved = checkpoints + (block * heads + head) * numbers + inside
            store_pair(saved, d_head, xr, xi, exists & (t % BLOCK == 0))
        row = tables + (tl.load(index + first + t) * heads + head) * size
        xr, xi = advance(row, n, n_pairs, rr, ri, xr, xi, RANK, COLUMNS)
        if HAS_INPUT:
            at = (first + t) * d_model + head * d_head + ch
            x = tl.load(u + at, mask=ch < d_head, other=0)
            br, bi = pair_row(row, 2, n, n_pairs)
            xr, xi = xr + br * x[None, :], xi + bi * x[None, :]
            tl.store(y + at, 2 * tl.sum(cr * xr - ci * xi, axis=0) + skip * x, mask=ch < d_head)
    store_pair(end + own, d_head, xr, xi, exists)


def shape_options(n_pairs: int, rank: int, d_head: int) -> dict[str, int]:
    """The sizes that a kernel is compiled for: powers of two that hold a head."""
    columns, pairs = power_of_two(rank), max(power_of_two(n_pairs), 2)
    return {
        "RANK": rank,
        "COLUMNS": columns,
        "PAIRS": pairs,
        "CHANNELS": min(CHANNELS, power_of_two(d_head)),
        "BLOCK": SPAN,
        "num_warps": 4 if columns * pairs > 64 else 1,
    }


def forward(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    saves: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the states after the last ticks, and (if `saves`) those before every block of 64 ticks for the backward."""
    expect_shapes(u, index, offsets, tables, r, c, d, state)
    u, index, offsets, tables, r, c, d, state = (x.contiguous() for x in (u, index, offsets, tables, r, c, d, state))
    batch, heads, n_pairs, _, d_head = state.shape
    y, end = torch.empty_like(u), torch.empty_like(state)
    checkpoints = u.new_empty((num_saved(u.shape[0], batch) if saves else 0, *state.shape[1:]))
    options = shape_options(n_pairs, r.shape[3], d_head)
    if end.numel():
        with device_of(r):
            _forward[(batch, heads, triton.cdiv(d_head, options["CHANNELS"]))](
                u, index, offsets, tables, r, c, d, state, y, end, checkpoints,
                heads, d_head, n_pairs, tables.shape[2],
                HAS_INPUT=True, SAVES=saves, **options, **ROUNDED,
            )  # fmt: skip
    return y, end, checkpoints


def transitions(index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, saves: bool) -> tuple[Tensor, Tensor]:
    """The transition (batch, heads, n_pairs, 2, d_state) over all ticks of every sample, and the checkpoints."""
    index, offsets, tables, r = (x.contiguous() for x in (index, offsets, tables, r))
    (heads, n_pairs, _, rank), batch = r.shape, offsets.shape[0] - 1
    end = r.new_empty((batch, heads, n_pairs, 2, 2 * n_pairs))
    checkpoints = r.new_empty((num_saved(index.shape[0], batch) if saves else 0, *end.shape[1:]))
    options = shape_options(n_pairs, rank, 2 * n_pairs)
    if end.numel():
        with device_of(r):
            _forward[(batch, heads, triton.cdiv(2 * n_pairs, options["CHANNELS"]))](
                None, index, offsets, tables, r, None, None, None, None, end, checkpoints,
                heads, 2 * n_pairs, n_pairs, tables.shape[2],
                HAS_INPUT=False, SAVES=saves, **options, **ROUNDED,
            )  # fmt: skip
    return end, checkpoints

"""The diagonal state-space scan on a GPU, one sequential loop a lane: output and final state."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels import _triton
from longspike.kernels._triton_lanes import lane_numbers, load_rows
from longspike.kernels.s4d_scan.arguments import expect_shapes
from longspike.kernels.s4d_scan.triton_step import ROWS, load_pairs, pair_offsets, scan_read, scan_step, store_pairs


@triton.jit(do_not_specialize=["seqlen", "channels", "lanes", "n_pairs"])
def s4d_forward_kernel(
    u, lam, c, d, y, state, seqlen, channels, lanes, n_pairs, PAIRS: tl.constexpr, LANES: tl.constexpr
):
    """A lane's whole sequence from its state, and back into it."""
    _, sample, channel, exists = lane_numbers(lanes, channels, LANES)
    wide = channels.to(tl.int64)
    offsets, here = pair_offsets(0, n_pairs, channels, exists, PAIRS)
    poles, read = load_pairs(lam + channel, offsets, channels, here), load_pairs(c + channel, offsets, channels, here)
    skip = tl.load(d + channel, mask=exists, other=0.0)
    held = state + sample * n_pairs * 2 * channels + channel
    x = load_pairs(held, offsets, channels, here)
    row, end = sample * seqlen * channels + channel, tl.where(exists, seqlen, 0)
    ahead = load_rows(u + row, 0, end, wide, ROWS)
    whole = seqlen // ROWS * ROWS
    for start in range(0, whole, ROWS):
        rows = ahead
        ahead = load_rows(u + row, start + ROWS, end, wide, ROWS)
        for i in tl.static_range(ROWS):
            x = scan_step(rows[i], x, poles)
            tl.store(y + row + (start + i) * wide, scan_read(rows[i], x, read, skip), mask=exists)
    for t in range(whole, seqlen):
        u_t = tl.load(u + row + t * wide, mask=exists, other=0.0)
        x = scan_step(u_t, x, poles)
        tl.store(y + row + t * wide, scan_read(u_t, x, read, skip), mask=exists)
    store_pairs(held, offsets, channels, here, x)


def shape_options(n_pairs: int) -> dict[str, int | bool]:
    """The sizes that a scan is compiled for, and warps enough to hold the pairs in registers."""
    pairs = _triton.power_of_two(n_pairs)
    return {"PAIRS": pairs, "LANES": _triton.LANES, **_triton.A_WARP, "num_warps": max(1, pairs // 32)}


def forward(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """y and the state after the last step. The backward pass needs no other states than the first."""
    expect_shapes(u, lam, c, d, state)
    u, lam, c, d = (x.contiguous() for x in (u, lam, c, d))
    batch, seqlen, channels = u.shape
    y, end = torch.empty_like(u), state.clone(memory_format=torch.contiguous_format)
    if u.numel():
        sizes = (seqlen, channels, batch * channels, lam.shape[0])
        with _triton.device_of(u):
            s4d_forward_kernel[(_triton.num_programs(batch * channels),)](
                u, lam, c, d, y, end, *sizes, **shape_options(lam.shape[0])
            )
    return y, end

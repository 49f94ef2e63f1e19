"""Chains of rows of dendritic neurons on a GPU: a program walks one chain's rows for some channels, its state in registers.

Written against Triton's interpreter and never run on a GPU. A row decays its branches, adds its pairs in the order of their
inputs (c_in ascending, zeros skipped), and sums the branches into the membrane; every operation is rounded on its own. The
decays come from PyTorch's exp. Without pairs the drive lies in memory (a dense sequence, one step apart).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from longspike.kernels._triton import ROUNDED, device_of, power_of_two
from longspike.kernels.dendrite.arguments import Chains, fitting

LARGEST_BLOCK = 2048  # numbers of i in one program
NUMBERS_A_WARP = 512


@triton.jit
def add_drive(
    i, row, values, weight, pair_offsets, pair_input, pair_tap, c_in, unit, inside, exists, IS_DENSE: tl.constexpr
):
    """i after the row's inputs."""
    if IS_DENSE:
        i += tl.load(weight + row * unit + inside, mask=exists, other=0)
    else:
        for p in range(tl.load(pair_offsets + row), tl.load(pair_offsets + row + 1)):
            q, tap = tl.load(pair_input + p), tl.load(pair_tap + p).to(tl.int64)
            for k in range(0, c_in):
                x = tl.load(values + q * c_in + k)
                w = weight + (tap * c_in + k) * unit + inside
                i += x * tl.load(w, mask=exists & (inside < unit * (x != 0).to(tl.int32)), other=0)
    return i


@triton.jit
def _forward(
    values, weight, alphas, g, i0, v0, chain_offsets, pair_offsets, pair_input, pair_tap, membrane, i_end, v_end,
    c_in, branches, channels, alpha_stride,
    THRESHOLD: tl.constexpr, BRANCHES: tl.constexpr, CHANNELS: tl.constexpr,
    HAS_STATE: tl.constexpr, KEEPS_STATE: tl.constexpr, IS_DENSE: tl.constexpr,
):  # fmt: skip
    chain = tl.program_id(0).to(tl.int64)
    d, c = tl.arange(0, BRANCHES), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside, unit = d[:, None] * channels + c[None, :], branches * channels
    exists = (d[:, None] < branches) & (c[None, :] < channels)
    i, v = tl.zeros((BRANCHES, CHANNELS), weight.dtype.element_ty), tl.zeros((CHANNELS,), weight.dtype.element_ty)
    if HAS_STATE:
        i = tl.load(i0 + chain * unit + inside, mask=exists, other=0)
        v = tl.load(v0 + chain * channels + c, mask=c < channels, other=0)
    coupling = tl.load(g + d, mask=d < branches, other=0)[:, None]
    for row in range(tl.load(chain_offsets + chain), tl.load(chain_offsets + chain + 1)):
        alpha = alphas + row * alpha_stride
        i = tl.load(alpha + d, mask=d < branches, other=0)[:, None] * i
        i = add_drive(i, row, values, weight, pair_offsets, pair_input, pair_tap, c_in, unit, inside, exists, IS_DENSE)
        m = tl.load(alpha + branches) * v + tl.sum(coupling * i, axis=0)
        tl.store(membrane + row * channels + c, m, mask=c < channels)
        v = tl.where(m > THRESHOLD, 0.0, m)
    if KEEPS_STATE:
        tl.store(i_end + chain * unit + inside, i, mask=exists)
        tl.store(v_end + chain * channels + c, v, mask=c < channels)


def shape_options(branches: int, channels: int) -> dict[str, int]:
    """The sizes that a kernel is compiled for: all branches, and as many channels as registers take."""
    rows = power_of_two(branches)
    columns = min(power_of_two(channels), max(LARGEST_BLOCK // rows, 1))
    return {"BRANCHES": rows, "CHANNELS": columns, "num_warps": min(max(rows * columns // NUMBERS_A_WARP, 1), 8)}


def decays(call: Chains) -> Tensor:
    """exp(-gap*rate) of every row (rows, branches + 1), the soma's last; one row for all of a dense drive."""
    gap = call.rate.new_ones(1) if call.gap is None else call.gap.to(call.rate.dtype)
    return torch.exp(-gap[:, None] * call.rate)


def alpha_stride(call: Chains) -> int:
    """From one row's decays to the next's."""
    return 0 if call.gap is None else call.rate.shape[0]


def forward(call: Chains, keeps_state: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (rows, channels), and i and v of every chain after its last row (or of no chain)."""
    call = fitting(call.stem, call)
    _, c_in, _, branches, channels, rows, chains = call.sizes()
    kept = chains if keeps_state else 0
    membrane = call.weight.new_empty((rows, channels))
    i, v = call.weight.new_empty((kept, branches, channels)), call.weight.new_empty((kept, channels))
    options = shape_options(branches, channels)
    pairs = (None, None, None) if call.pairs is None else call.pairs
    if chains and channels:
        with device_of(call.weight):
            _forward[(chains, triton.cdiv(channels, options["CHANNELS"]))](
                call.values, call.weight, decays(call), call.g, call.i0, call.v0, call.chain_offsets, *pairs,
                membrane, i, v, c_in, branches, channels, alpha_stride(call),
                THRESHOLD=call.threshold, HAS_STATE=call.i0 is not None, KEEPS_STATE=keeps_state,
                IS_DENSE=call.is_dense, **options, **ROUNDED,
            )  # fmt: skip
    return membrane, i, v

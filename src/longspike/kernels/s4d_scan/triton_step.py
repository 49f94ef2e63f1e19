"""The diagonal recurrence's step in Triton: every pair of a channel in one thread's registers.

Tensors are (PAIRS, LANES); pairs that do not exist are zero. Where a product is added it is one fused multiply-add, in an
order that depends on the number of pairs alone, so a sequence gives the same bits whole, in chunks and step by step.
"""

import triton
import triton.language as tl

ROWS = tl.constexpr(8)  # rows fetched at once, while the ones before them are computed


@triton.jit
def pair_offsets(first_pair, n_pairs, channels, exists, PAIRS: tl.constexpr):
    """Offsets of the real parts of pairs first_pair .. in (n_pairs, 2, channels), and which of them exist."""
    pair = first_pair + tl.arange(0, PAIRS)[:, None]
    return (2 * pair * channels).to(tl.int64), exists[None, :] & (pair < n_pairs)


@triton.jit
def load_pairs(at, offsets, channels, here):
    """Real and imaginary parts; `at` points at each lane's first pair."""
    real = tl.load(at[None, :] + offsets, mask=here, other=0.0)
    return real, tl.load(at[None, :] + offsets + channels, mask=here, other=0.0)


@triton.jit
def store_pairs(at, offsets, channels, here, x):
    """Where `load_pairs` finds them."""
    tl.store(at[None, :] + offsets, x[0], mask=here)
    tl.store(at[None, :] + offsets + channels, x[1], mask=here)


@triton.jit
def scan_step(u, x, lam):
    """lambda x + u."""
    added = tl.broadcast_to(u[None, :], lam[0].shape)
    real = tl.fma(lam[0], x[0], tl.fma(-lam[1], x[1], added))
    return real, tl.fma(lam[0], x[1], lam[1] * x[0])


@triton.jit
def scan_read(u, x, c, d):
    """sum_n Re(c_n x_n) + d u."""
    return tl.fma(d, u, tl.sum(tl.fma(c[0], x[0], -(c[1] * x[1])), axis=0))

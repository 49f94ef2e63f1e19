"""What one tick of the spike-aware memory is made of, as Triton functions on blocks of one head.

Blocks: pairs x channels for states, pairs x columns for R, columns x channels for what R reads. Padding is zero. Sums run
over an axis of a block in the order of Triton's reduction, which the sizes of the blocks alone decide.
"""

import triton
import triton.language as tl


@triton.jit
def load_pair(at, stride, exists):
    """Real and imaginary part, `stride` apart."""
    return tl.load(at, mask=exists, other=0), tl.load(at + stride, mask=exists, other=0)


@triton.jit
def store_pair(at, stride, real, imag, exists):
    """Store real and imaginary part `stride` apart."""
    tl.store(at, real, mask=exists)
    tl.store(at + stride, imag, mask=exists)


@triton.jit
def times(ar, ai, br, bi):
    """The complex product a b."""
    return ar * br - ai * bi, ar * bi + ai * br


@triton.jit
def conj_times(ar, ai, br, bi):
    """The complex product conj(a) b."""
    return ar * br + ai * bi, ar * bi - ai * br


@triton.jit
def read(rr, ri, zr, zi):
    """Re sum_n conj(R_n) z_n, (columns, channels)."""
    return tl.sum(rr[:, :, None] * zr[:, None, :] + ri[:, :, None] * zi[:, None, :], axis=0)


@triton.jit
def mix(w, s):
    """W s."""
    return tl.sum(w[:, :, None] * s[None, :, :], axis=1)


@triton.jit
def mix_back(w, s):
    """W^T s."""
    return tl.sum(w[:, :, None] * s[:, None, :], axis=0)


@triton.jit
def spread(rr, ri, v):
    """R v."""
    return tl.sum(rr[:, :, None] * v[None, :, :], axis=1), tl.sum(ri[:, :, None] * v[None, :, :], axis=1)


@triton.jit
def pair_row(row, part: tl.constexpr, n, n_pairs):
    """The real and imaginary half of g (part 0), e (1) or b (2) of a row of the tables, (pairs, 1)."""
    real = tl.load(row + 2 * part * n_pairs + n, mask=n < n_pairs, other=0)
    imag = tl.load(row + (2 * part + 1) * n_pairs + n, mask=n < n_pairs, other=0)
    return real[:, None], imag[:, None]


@triton.jit
def square(row, n_pairs, RANK: tl.constexpr, COLUMNS: tl.constexpr):
    """W of a row of the tables."""
    j = tl.arange(0, COLUMNS)
    at = 6 * n_pairs + j[:, None] * RANK + j[None, :]
    return tl.load(row + at, mask=(j[:, None] < RANK) & (j[None, :] < RANK), other=0)


@triton.jit
def columns_of(r, n, n_pairs, RANK: tl.constexpr, COLUMNS: tl.constexpr):
    """R of one head, real and imaginary."""
    j = tl.arange(0, COLUMNS)
    at = r + n[:, None] * 2 * RANK + j[None, :]
    exists = (n[:, None] < n_pairs) & (j[None, :] < RANK)
    return load_pair(at, RANK, exists)


@triton.jit
def advance(row, n, n_pairs, rr, ri, xr, xi, RANK: tl.constexpr, COLUMNS: tl.constexpr):
    """T x = g x - e (R W R*(e x))."""
    gr, gi = pair_row(row, 0, n, n_pairs)
    real, imag = times(gr, gi, xr, xi)
    if RANK > 0:
        er, ei = pair_row(row, 1, n, n_pairs)
        zr, zi = times(er, ei, xr, xi)
        qr, qi = spread(rr, ri, mix(square(row, n_pairs, RANK, COLUMNS), 2 * read(rr, ri, zr, zi)))
        er, ei = times(er, ei, qr, qi)
        real, imag = real - er, imag - ei
    return real, imag

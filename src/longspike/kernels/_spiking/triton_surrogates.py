"""The slopes of surrogates.py in Triton."""

import triton
import triton.language as tl


@triton.jit
def divide(a, b):
    """a / b, rounded to nearest in both precisions."""
    if b.dtype == tl.float32:
        quotient = tl.div_rn(a, b)
    else:
        quotient = a / b
    return quotient


@triton.jit
def surrogate_slope(z, SURROGATE: tl.constexpr, SCALE: tl.constexpr):
    """g'(z) of the surrogate."""
    one = tl.zeros_like(z) + 1
    if SURROGATE == "triangle":
        slope = tl.maximum(1 - tl.abs(z * (1 / SCALE)), 0.0) * (1 / SCALE)
    elif SURROGATE == "fast_sigmoid":
        d = 1 + SCALE * tl.abs(z)
        slope = divide(one, d * d)
    elif SURROGATE == "atan":
        w = (1.5707963267948966 * SCALE) * z
        slope = divide(0.5 * SCALE * one, 1 + w * w)
    elif SURROGATE == "boxcar":
        slope = tl.where(tl.abs(z) < 0.5 * SCALE, one, tl.zeros_like(z)) * (1 / SCALE)
    else:
        p = divide(one, 1 + tl.exp(-SCALE * z))
        slope = SCALE * p * (1 - p)
    return slope

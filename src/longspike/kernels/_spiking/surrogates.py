"""Surrogate slopes g'(z), z = v - rho*r - threshold, each the derivative of a named primitive g.

triangle(width a)      g' = max(0, 1 - |z|/a) / a
fast_sigmoid(slope a)  g  = z / (1 + a|z|)                 g' = 1 / (1 + a|z|)^2
atan(slope a)          g  = atan(pi*a*z/2) / pi + 1/2      g' = (a/2) / (1 + (pi*a*z/2)^2)
boxcar(width a)        g' = 1/a where |z| < a/2, else 0
sigmoid(slope a)       g  = 1 / (1 + exp(-a*z))            g' = a*g*(1 - g)
"""

import math

import torch
from torch import Tensor

# name -> (number of the compiled kernel, default scale)
SURROGATES = {
    "triangle": (0, 1.0),
    "fast_sigmoid": (1, 25.0),
    "atan": (2, 2.0),
    "boxcar": (3, 1.0),
    "sigmoid": (4, 4.0),
}


def surrogate_slope(z: Tensor, surrogate: str, scale: float) -> Tensor:
    """g'(z) for a surrogate of the table."""
    if surrogate == "triangle":
        return (1 - (z / scale).abs()).clamp(min=0) / scale
    if surrogate == "fast_sigmoid":
        return 1 / (1 + scale * z.abs()) ** 2
    if surrogate == "atan":
        return 0.5 * scale / (1 + (0.5 * math.pi * scale * z) ** 2)
    if surrogate == "boxcar":
        return (z.abs() < 0.5 * scale).to(z.dtype) / scale
    p = torch.sigmoid(scale * z)
    return scale * p * (1 - p)


def surrogate_primitive(z: Tensor, surrogate: str, scale: float) -> Tensor:
    """g(z), a smooth step from about 0 to about 1 (fast_sigmoid: from -1/a to 1/a), whose derivative is the slope."""
    if surrogate == "triangle":
        w = (z / scale).clamp(-1, 1)
        return 0.5 + w - 0.5 * w * w.abs()
    if surrogate == "fast_sigmoid":
        return z / (1 + scale * z.abs())
    if surrogate == "atan":
        return torch.atan(0.5 * math.pi * scale * z) / math.pi + 0.5
    if surrogate == "boxcar":
        return (z / scale + 0.5).clamp(0, 1)
    return torch.sigmoid(scale * z)

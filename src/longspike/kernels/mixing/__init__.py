"""Channel mixing behind the neuron: a linear map that skips silent inputs, and the gated linear unit.

Both promise what a general matrix product does not: a row's result depends on that row alone, bit for bit, so a
sequence gives the same numbers whole, in chunks and step by step.
"""

import torch
from torch import Tensor

from longspike._core.checks import check_floats
from longspike.kernels._dispatch import choose
from longspike.kernels.mixing.operator import expect_glu, expect_linear, glu_op, linear_op


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, method: str = "auto") -> Tensor:
    """x weight^T + bias; x (..., inputs), weight (outputs, inputs), bias (outputs)."""
    choice = choose("linear", method, x.device, x.dtype)
    if choice.backend == "cpp":
        return linear_op(x, weight, bias)
    check_floats("linear", "x", x)
    expect_linear(x, weight, bias)
    return torch.nn.functional.linear(x, weight, bias)


def glu(x: Tensor, *, method: str = "auto") -> Tensor:
    """a * sigmoid(b) for x = (a, b) on the last axis; (..., 2*channels) -> (..., channels)."""
    choice = choose("glu", method, x.device, x.dtype)
    if choice.backend == "cpp":
        return glu_op(x)
    check_floats("glu", "x", x)
    expect_glu(x)
    return torch.nn.functional.glu(x, dim=-1)

"""The normalisation of rows as a PyTorch operator over the compiled kernel."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._operators import operator, register_gradient


def expect_shapes(x: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Raise unless they fit together."""
    channels = tuple(x.shape[-1:])
    expect("layer_norm", x, weight=(weight, channels), bias=(bias, channels))


@operator("layer_norm")
def layer_norm_op(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis, each row on its own."""
    expect_shapes(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    channels = x.shape[-1]
    y = native.empty(tuple(x.shape), x.dtype)
    rows = x.numel() // channels if channels else 0
    native.call("layer_norm", x.dtype, (x, weight, bias, y), (eps, rows, channels, native.threads()))
    return y


@torch.library.register_fake(layer_norm_op)
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _norm_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, weight, _, ctx.eps = inputs
    ctx.save_for_backward(x, weight)


def _norm_backward(ctx, grad):  # type: ignore[no-untyped-def]
    x, weight = ctx.saved_tensors
    channels, grad = tuple(weight.shape), grad.contiguous()
    standard, mean, scale = torch.native_layer_norm(x, channels, None, None, ctx.eps)
    only_x = [True, False, False]  # PyTorch's sums over rows depend on the number of threads, these below do not
    backward = torch.ops.aten.native_layer_norm_backward
    grad_x = backward(grad, x, channels, mean, scale, weight, None, only_x)[0]
    rows = (standard * grad).reshape(-1, *channels)
    return grad_x, rows.sum(0), grad.reshape(-1, *channels).sum(0), None


register_gradient(layer_norm_op, _norm_backward, setup_context=_norm_context)

"""Spikes without time as PyTorch operators over the compiled kernels."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._operators import operator, register_gradient
from longspike.kernels._spiking.modes import refuse_nan
from longspike.kernels._spiking.surrogates import SURROGATES


def _numbers(x: Tensor, threshold: float, surrogate: str, scale: float, is_one_grad: bool) -> tuple[float, ...]:
    return threshold, scale, x.numel(), SURROGATES[surrogate][0], native.threads(), is_one_grad


@operator("spikes")
def spikes_op(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """1 where x > threshold, else 0."""
    refuse_nan("spikes", "x", x)
    x = x.contiguous()
    y = native.empty(tuple(x.shape), x.dtype)
    native.call("spikes_forward", x.dtype, (x, None, y), _numbers(x, threshold, surrogate, scale, False))
    return y


@torch.library.register_fake(spikes_op)
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@operator("count_spikes")
def count_spikes_op(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """How many entries exceed the threshold."""
    refuse_nan("spikes", "x", x)
    x = x.contiguous()
    count = native.call("count_spikes", x.dtype, (x, None, None), _numbers(x, threshold, surrogate, scale, False))
    return torch.tensor(count, dtype=x.dtype)


@torch.library.register_fake(count_spikes_op)
def _(x: Tensor, *_: Any) -> Tensor:
    return x.new_empty(())


@operator("spikes_backward")
def spikes_backward_op(x: Tensor, grad: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """grad times the surrogate's slope at x - threshold; grad is shaped like x, or one number for all."""
    x, grad = x.contiguous(), grad.contiguous()
    expect("spikes_backward", x, grad=(grad, tuple(x.shape) if grad.dim() else ()))
    grad_x = native.empty(tuple(x.shape), x.dtype)
    numbers = _numbers(x, threshold, surrogate, scale, grad.dim() == 0)
    native.call("spikes_backward", x.dtype, (x, grad, grad_x), numbers)
    return grad_x


@torch.library.register_fake(spikes_backward_op)
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, *ctx.options = inputs
    ctx.save_for_backward(x)


def _backward(ctx, grad):  # type: ignore[no-untyped-def]
    (x,) = ctx.saved_tensors
    return spikes_backward_op(x, grad, *ctx.options), None, None, None


register_gradient(spikes_op, _backward, setup_context=_context)
register_gradient(count_spikes_op, _backward, setup_context=_context)

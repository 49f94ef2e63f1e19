"""The zero-skipping linear map and the gated linear unit as PyTorch operators over the compiled kernels."""

import math

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._operators import operator, register_gradient


def _rows(x: Tensor) -> int:
    return x.numel() // x.shape[-1] if x.shape[-1] else 0


def expect_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise unless they fit together."""
    if weight.dim() != 2 or x.dim() == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: `x` must have {weight.shape[-1]} features on its last axis; got shape {tuple(x.shape)}."
        )
    outputs, inputs = weight.shape
    held = {} if bias is None else {"bias": (bias, (outputs,))}
    expect("linear", x, weight=(weight, (outputs, inputs)), **held)


def expect_glu(x: Tensor) -> None:
    """Raise unless x falls into two halves."""
    if x.dim() == 0 or x.shape[-1] % 2:
        raise ValueError(f"glu: `x` must have an even number of features on its last axis; got shape {tuple(x.shape)}.")


@operator("linear")
def linear_op(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """y = x weight^T + bias over the last axis, terms with x = 0 skipped, each row summed on its own in order."""
    expect_linear(x, weight, bias)
    x = x.contiguous()
    outputs, inputs = weight.shape
    by_input = weight.t().contiguous()
    held_bias = torch.zeros(outputs, dtype=x.dtype) if bias is None else bias.contiguous()
    y = native.empty((*x.shape[:-1], outputs), x.dtype)
    rows = y.numel() // outputs if outputs else 0
    native.call("linear", x.dtype, (x, by_input, held_bias, y), (rows, inputs, outputs, native.threads()))
    return y


@torch.library.register_fake(linear_op)
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _linear_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, weight, bias = inputs
    ctx.save_for_backward(x, weight)
    ctx.has_bias = bias is not None


def _linear_backward(ctx, grad):  # type: ignore[no-untyped-def]
    x, weight = ctx.saved_tensors
    flat = grad.reshape(-1, grad.shape[-1])
    grad_x = torch.mm(flat, weight).view(x.shape) if ctx.needs_input_grad[0] else None
    grad_weight = torch.mm(flat.t(), x.reshape(-1, x.shape[-1])) if ctx.needs_input_grad[1] else None
    return grad_x, grad_weight, flat.sum(0) if ctx.has_bias else None


register_gradient(linear_op, _linear_backward, setup_context=_linear_context)


@operator("glu")
def glu_op(x: Tensor) -> Tensor:
    """a * sigmoid(b) for x = (a, b) side by side on the last axis."""
    expect_glu(x)
    x, (*places, features) = x.contiguous(), x.shape
    y = native.empty((*places, features // 2), x.dtype)
    native.call("glu_forward", x.dtype, (x, None, y), (math.prod(places), features // 2, native.threads()))
    return y


@torch.library.register_fake(glu_op)
def _(x: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], x.shape[-1] // 2))


@operator("glu_backward")
def glu_backward_op(x: Tensor, grad_y: Tensor) -> Tensor:
    """The gradient of x."""
    x, grad_y = x.contiguous(), grad_y.contiguous()
    expect("glu_backward", x, grad_y=(grad_y, (*x.shape[:-1], x.shape[-1] // 2)))
    grad_x = native.empty(tuple(x.shape), x.dtype)
    native.call("glu_backward", x.dtype, (x, grad_y, grad_x), (_rows(x), x.shape[-1] // 2, native.threads()))
    return grad_x


@torch.library.register_fake(glu_backward_op)
def _(x: Tensor, grad_y: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _glu_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(inputs[0])


def _glu_backward(ctx, grad):  # type: ignore[no-untyped-def]
    (x,) = ctx.saved_tensors
    return glu_backward_op(x, grad)


register_gradient(glu_op, _glu_backward, setup_context=_glu_context)

"""Spikes without time in plain PyTorch: the definition of correct."""

from typing import Any

import torch
from torch import Tensor

from longspike._core.checks import check_floats
from longspike.kernels._spiking.modes import refuse_nan
from longspike.kernels._spiking.surrogates import surrogate_slope


class _Spikes(torch.autograd.Function):
    """1 where x > threshold; the surrogate's slope as derivative, in both modes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
        return (x > threshold).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.options = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        return _Spikes.jvp(ctx, grad), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        threshold, surrogate, scale = ctx.options
        return tangent * surrogate_slope(x - threshold, surrogate, scale)


def spikes(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """See `longspike.kernels.spikes.spikes`."""
    check_floats("spikes", "x", x)
    refuse_nan("spikes", "x", x)
    return _Spikes.apply(x, threshold, surrogate, scale)  # type: ignore[no-untyped-call]


def count_spikes(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """See `longspike.kernels.spikes.count_spikes`."""
    return spikes(x, threshold, surrogate, scale).sum()

"""Spikes without time in plain PyTorch: the definition of correct."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels._spiking.surrogates import surrogate_slope


class _Spikes(torch.autograd.Function):
    """1 where x > threshold; the surrogate's slope backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.options = threshold, surrogate, scale
        return (x > threshold).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        threshold, surrogate, scale = ctx.options
        return grad * surrogate_slope(x - threshold, surrogate, scale), None, None, None


def spikes(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """See `longspike.kernels.spikes.spikes`."""
    return _Spikes.apply(x, threshold, surrogate, scale)  # type: ignore[no-untyped-call]


def count_spikes(x: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
    """See `longspike.kernels.spikes.count_spikes`."""
    return spikes(x, threshold, surrogate, scale).sum()

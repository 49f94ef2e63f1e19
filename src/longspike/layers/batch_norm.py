"""Batch normalisation over the valid steps of sequences; at inference one multiplication and one addition a channel."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.checks import check_floats, check_positive_int, describe
from longspike._core.lengths import length_mask

EPS, MOMENTUM = 1e-5, 0.1


class _Statistics(torch.autograd.Function):
    """mean and 1/sqrt(variance + EPS) of the valid rows of x (batch, seqlen, channels), which `running` remembers.

    Its gradient is one pass over x:  grad_x = (grad_mean - grad_inverse inverse^3 (x - mean)) / n  in the n valid rows.
    """

    @staticmethod
    def forward(x: Tensor, is_valid: Tensor | None, running: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows = x.reshape(-1, x.shape[-1]) if is_valid is None else x[is_valid]
        _, mean, inverse = torch.native_batch_norm(rows, None, None, *running, True, MOMENTUM, EPS)
        return mean, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, is_valid, _ = inputs
        ctx.save_for_backward(x, is_valid, *output)

    @staticmethod
    def backward(ctx: Any, grad_mean: Tensor, grad_inverse: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        x, is_valid, mean, inverse = ctx.saved_tensors
        steps = x.shape[0] * x.shape[1] if is_valid is None else is_valid.sum()
        slope = -grad_inverse * inverse**3 / steps
        grad = torch.addcmul(grad_mean / steps - slope * mean, x, slope)
        return grad if is_valid is None else torch.where(is_valid[..., None], grad, 0), None, None


class BatchNorm(nn.Module):
    """(x - mean) / sqrt(variance + 1e-5) * weight + bias, with the mean and variance of each channel.

    In training, mean and variance are those of the valid steps of all samples of the batch; what lies in the padding counts
    for nothing, unlike in the public code of S4. They are remembered:

        running = 0.9 running + 0.1 of the batch        (the variance with n - 1 in place of n)

    At inference the remembered ones are used, so that a step needs one multiplication and one addition a channel:

        y = x * a + b,   a = weight / sqrt(running_var + 1e-5),   b = bias - running_mean * a

    A step's result then depends on that step alone, bit for bit: whole sequences, chunks, steps and padded batches give the
    same numbers. In training they do not, as every other sample of the batch has a say.

    Reference: Ioffe and Szegedy 2015, Batch Normalization, algorithms 1 and 2.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_positive_int("BatchNorm", "channels", channels)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(..., channels) -> the same.

        Args: lengths: (batch), valid steps of x (batch, seqlen, channels); in training the padding then becomes 0.

        Raises: ValueError for another width; in training if the batch has one valid step.
        """
        check_floats("BatchNorm", "x", x)
        if x.shape[-1:] != self.weight.shape:
            raise ValueError(
                f"BatchNorm: `x` must have {len(self.weight)} channels on its last axis; got {describe(x)}. "
                "Make the norm with the layer's width."
            )
        if not self.training:
            scale, shift = self.affine(x.dtype)
            return x * scale + shift
        if lengths is None:
            return self._normalised(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        is_valid = length_mask(lengths, x.shape[1])
        y = torch.zeros_like(x)
        y[is_valid] = self._normalised(x[is_valid])
        return y

    def affine(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """a and b of inference, (channels)."""
        scale = self.weight / (self.running_var + EPS).sqrt()
        return scale.to(dtype), (self.bias - self.running_mean * scale).to(dtype)

    def folded(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """a and b, (channels), for which x * a + b is what `forward` gives: at inference bit for bit, in training in valid
        steps and up to rounding; there gradients go through a and b to x, and the statistics are remembered."""
        if not self.training:
            return self.affine(x.dtype)
        is_valid = None if lengths is None else length_mask(lengths, x.shape[1])
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        num_steps = x.shape[0] * x.shape[1] if is_valid is None else int(is_valid.sum())
        if num_steps == 0:
            return weight, bias
        with self._remembering(x.dtype, num_steps) as running:
            mean, inverse = _Statistics.apply(x, is_valid, running)
        scale = weight * inverse
        return scale, bias - mean * scale

    @contextmanager
    def _remembering(self, dtype: torch.dtype, num_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The remembered mean and variance in `dtype`, to be changed in place; raise unless the steps have a variance."""
        if num_steps == 1:
            raise ValueError(
                "BatchNorm: `x` must have at least two valid steps in training; got one. Give larger batches, or "
                "call model.eval() to use the statistics of training."
            )
        mean, variance = self.running_mean.to(dtype), self.running_var.to(dtype)
        yield mean, variance
        if mean is not self.running_mean:
            self.running_mean.copy_(mean)
            self.running_var.copy_(variance)

    def _normalised(self, rows: Tensor) -> Tensor:
        """Rows (steps, channels) by their own mean and variance, which are remembered."""
        weight, bias = self.weight.to(rows.dtype), self.bias.to(rows.dtype)
        if len(rows) == 0:
            return rows * weight
        with self._remembering(rows.dtype, len(rows)) as running:
            return functional.batch_norm(rows, *running, weight, bias, training=True, momentum=MOMENTUM, eps=EPS)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}"

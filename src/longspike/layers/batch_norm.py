"""Batch normalisation over the valid steps of sequences; at inference one multiplication and one addition a channel."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.checks import check_floats, check_positive_int, describe
from longspike._core.lengths import length_mask

EPS, MOMENTUM = 1e-5, 0.1


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

    def _normalised(self, rows: Tensor) -> Tensor:
        """Rows (steps, channels) by their own mean and variance, which are remembered."""
        if len(rows) == 0:
            return rows * self.weight.to(rows.dtype)
        if len(rows) == 1:
            raise ValueError(
                "BatchNorm: `x` must have at least two valid steps in training; got one. Give larger batches, or "
                "call model.eval() to use the statistics of training."
            )
        dtype, remembered = rows.dtype, (self.running_mean, self.running_var)
        mean, variance = (statistic.to(dtype) for statistic in remembered)
        y = functional.batch_norm(
            rows, mean, variance, self.weight.to(dtype), self.bias.to(dtype), training=True, momentum=MOMENTUM, eps=EPS
        )
        if dtype != self.running_mean.dtype:  # otherwise they were updated in place
            self.running_mean.copy_(mean)
            self.running_var.copy_(variance)
        return y

    def extra_repr(self) -> str:
        return f"{len(self.weight)}"

"""Padded sequences: a batch of them, and their lengths as a mask."""

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Padded sequences with their lengths and labels.

    x: (batch, seqlen, d_input), float32, exactly 0 at steps >= lengths.
    lengths: (batch,), int64, valid steps.
    labels: (batch,), int64.
    """

    x: Tensor
    lengths: Tensor
    labels: Tensor


def length_mask(lengths: Tensor, seqlen: int) -> Tensor:
    """Which steps are valid: mask[b, t] = (t < lengths[b]); boolean, (batch, seqlen), on the device of `lengths`.

    Example:
        >>> length_mask(torch.tensor([2, 0]), 3).int().tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    return torch.arange(seqlen, device=lengths.device) < lengths[:, None]


def without_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (batch, seqlen) or (batch, seqlen, channels) with zeros from step lengths[b] on, whatever stood there.

    Neither NaN nor infinity in the padding reaches a result or a gradient. Without lengths: x itself.

    Example:
        >>> without_padding(torch.tensor([[1.0, float("nan")]]), torch.tensor([1]))
        tensor([[1., 0.]])
    """
    if lengths is None:
        return x
    valid = length_mask(lengths, x.shape[1])
    return torch.where(valid[..., None] if x.dim() == 3 else valid, x, 0)

"""Padded sequences: a batch of them, and their lengths as a mask."""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.transforms import is_readable

QUIET = 1e6
"""Numbers up to this stay finite through a block, so a gradient of zero stays zero behind them."""


class Batch(NamedTuple):
    """Padded sequences with their lengths and labels.

    x: (batch, seqlen, d_input), float32, exactly 0 at steps >= lengths; or tokens (batch, seqlen), int64.
    lengths: (batch,), int64, valid steps.
    labels: (batch,), int64; of steps (batch, seqlen), int64; values (batch, outputs) or (batch, seqlen, outputs), float.
    """

    x: Tensor
    lengths: Tensor
    labels: Tensor


class PairBatch(NamedTuple):
    """Pairs of padded sequences, the lengths of both, and one label a pair.

    x, other_x: (batch, seqlen, d_input) float32, or tokens (batch, seqlen) int64; both padded to the longest of all.
    lengths, other_lengths: (batch,), int64, valid steps.
    labels: (batch,), int64.
    """

    x: Tensor
    lengths: Tensor
    other_x: Tensor
    other_lengths: Tensor
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


def with_quiet_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x itself if no number in it is larger than QUIET, as behind a layer that was given zeros; else without its padding.

    Looking costs a fraction of what taking the padding out costs, and nothing in the backward pass.
    """
    if lengths is None or x.numel() == 0:
        return x
    if x.is_cpu and is_readable(x):
        low, high = torch.aminmax(x.detach())
        if float(low) >= -QUIET and float(high) <= QUIET:
            return x
    return without_padding(x, lengths)

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

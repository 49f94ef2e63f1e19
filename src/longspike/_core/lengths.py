"""Lengths of padded sequences as a mask."""

import torch
from torch import Tensor


def length_mask(lengths: Tensor, seqlen: int) -> Tensor:
    """Which steps are valid: mask[b, t] = (t < lengths[b]); boolean, (batch, seqlen), on the device of `lengths`.

    Example:
        >>> length_mask(torch.tensor([2, 0]), 3).int().tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    return torch.arange(seqlen, device=lengths.device) < lengths[:, None]

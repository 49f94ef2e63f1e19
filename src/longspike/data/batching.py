"""Batches of padded sequences, and how ragged samples become one."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import describe


class Batch(NamedTuple):
    """Padded sequences with their lengths and labels.

    x: (batch, seqlen, d_input), float32, exactly 0 at steps >= lengths.
    lengths: (batch,), int64, valid steps.
    labels: (batch,), int64.
    """

    x: Tensor
    lengths: Tensor
    labels: Tensor


def collate(samples: Sequence[tuple[Tensor, int]]) -> Batch:
    """Pad ragged sequences with zeros up to the longest one.

    Args:
        samples: pairs of a sequence (seqlen, d_input), of any real dtype, and its label.
    Returns: a batch with seqlen = the longest sequence; the values are converted to float32, not normalised.
    Raises: ValueError if there is no sample, or a sequence has other axes or another d_input than the first.

    Example:
        >>> batch = collate([(torch.ones(2, 1), 4), (torch.ones(1, 1), 5)])
        >>> batch.x[..., 0].tolist(), batch.lengths.tolist(), batch.labels.tolist()
        ([[1.0, 1.0], [1.0, 0.0]], [2, 1], [4, 5])
    """
    if not samples:
        raise ValueError("collate: `samples` must hold at least one (sequence, label) pair; got none. Skip it.")
    for index, (sequence, _) in enumerate(samples):
        if sequence.dim() != 2 or sequence.shape[1:] != samples[0][0].shape[1:]:
            raise ValueError(
                f"collate: sequence {index} must have shape (seqlen, d_input), d_input as in sequence 0 (shape "
                f"{tuple(samples[0][0].shape)}); got {describe(sequence)}. Add the missing axis with x[:, None]."
            )
    lengths = torch.tensor([len(sequence) for sequence, _ in samples], dtype=torch.int64)
    x = torch.zeros(len(samples), int(lengths.max()), samples[0][0].shape[1], dtype=torch.float32)
    for row, (sequence, _) in zip(x, samples, strict=True):
        row[: len(sequence)] = sequence
    return Batch(x, lengths, torch.tensor([label for _, label in samples], dtype=torch.int64))

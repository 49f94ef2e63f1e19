"""Batches of padded sequences: from ragged samples, or drawn from a split."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.lengths import length_mask as mask
from longspike.data.splits import Split


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


def make_batch(split: Split, indices: Tensor) -> Batch:
    """Draw samples and normalise them: x = values * scale + shift, then exactly 0 in the padding.

    Bytes are gathered as bytes and converted afterwards. seqlen is always split.max_seqlen, so every batch of a split
    has one shape.

    Args:
        split: left as it is.
        indices: (batch,), int64.
    """
    lengths = split.lengths.index_select(0, indices)
    x = split.values.index_select(0, indices).to(torch.float32).mul_(split.scale).add_(split.shift)
    if bool((lengths < split.max_seqlen).any()):
        x.masked_fill_(~mask(lengths, split.max_seqlen)[..., None], 0.0)
    return Batch(x, lengths, split.labels.index_select(0, indices))

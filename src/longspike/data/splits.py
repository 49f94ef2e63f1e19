"""Labelled sequences in memory: a split, and batches of it."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.checks import describe
from longspike._core.lengths import Batch, length_mask
from longspike._core.normalisation import Factor, factor
from longspike.data.checks import check_index, check_indices, check_normalisation, check_per_sample, check_targets

VALUE_DTYPES = (torch.uint8, torch.int16, torch.float32, torch.float64)
CHECKED_BYTES = 1 << 26
"""Values are looked at in pieces of so many, since they may be mapped from a file that is larger than the memory."""

ValueAugment = Callable[[Tensor, Sequence[np.random.Generator]], Tensor]
"""Changes stored values (batch, max_seqlen, d_input), keeping shape and dtype, with one generator per sample."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split(Dataset[tuple[Tensor, Any]]):
    """Sequences, their valid lengths and their labels; a data set of PyTorch of pairs (x, label).

    x = values * scale + shift  at steps below the sample's length;  x = 0  at the steps after it (padding).

    Stored bytes stay bytes: a batch is converted when it is drawn (see `make_batch`), which keeps a data set at a
    quarter of its float32 size.

    Args:
        values: (num_samples, max_seqlen, d_input), uint8, int16, float32 or float64. The padding is never read.
        lengths: (num_samples,), int64, valid steps of each sample, 0 <= lengths <= max_seqlen.
        labels: what is to be learnt. Classes: (num_samples,), int64, at least 0; of steps (num_samples, max_seqlen), -1 for
            a step without one. Values: (num_samples, outputs), float, NaN where not known; of steps
            (num_samples, max_seqlen, outputs), see `longspike.tasks.forecast_labels`.
        scale, shift: the fixed affine normalisation above: a number each, or a tuple of d_input numbers, one a channel.
        rows: which of the values are the samples, (num_samples,), int64, where they are more: then `select` copies none, as
            for values that are mapped from a file. None if they are all.
    Raises: ValueError if a shape, a dtype or a range is not as above, or a value of a sample is not finite.

    Example:
        >>> values = torch.arange(6, dtype=torch.uint8).reshape(2, 3, 1)
        >>> split = Split(values=values, lengths=torch.tensor([3, 1]), labels=torch.tensor([0, 1]), scale=0.5)
        >>> len(split), split.max_seqlen, split.d_input
        (2, 3, 1)
        >>> split[1]
        (tensor([[1.5000]]), 1)
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor
    scale: Factor = 1.0
    shift: Factor = 0.0
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        if self.values.dim() != 3 or self.values.dtype not in VALUE_DTYPES:
            raise ValueError(
                "Split: `values` must have shape (num_samples, max_seqlen, d_input) and dtype uint8, int16 or float; "
                f"got {describe(self.values)}. Add the missing axis with x[..., None] or convert with x.float()."
            )
        self._check_rows()
        check_per_sample("Split", "lengths", self.lengths, len(self))
        check_targets("Split", self.labels, len(self), self.max_seqlen)
        if bool(((self.lengths < 0) | (self.lengths > self.max_seqlen)).any()):
            raise ValueError(
                f"Split: `lengths` must lie in [0, {self.max_seqlen}], the steps that `values` holds; got "
                f"min={int(self.lengths.min())}, max={int(self.lengths.max())}. Count the steps before padding."
            )
        check_normalisation("Split", self.scale, self.shift, channels=self.d_input)
        self._check_finite()

    def _check_rows(self) -> None:
        """Raise unless `rows` name stored samples."""
        if self.rows is None:
            return
        check_per_sample("Split", "rows", self.rows, len(self.rows))
        if len(self.rows) and not 0 <= int(self.rows.min()) <= int(self.rows.max()) < len(self.values):
            raise ValueError(
                f"Split: `rows` must lie in [0, {len(self.values) - 1}], the samples that `values` holds; got "
                f"min={int(self.rows.min())}, max={int(self.rows.max())}. Count them from 0."
            )

    def _check_finite(self) -> None:
        """Raise unless the samples' values are finite; they are looked at piece by piece."""
        if not self.values.is_floating_point():
            return
        num_bytes = max(1, self.max_seqlen * self.d_input * self.values.element_size())
        for rows in torch.arange(len(self)).split(max(1, CHECKED_BYTES // num_bytes)):
            if not bool(self._stored(rows).isfinite().all()):
                raise ValueError("Split: `values` must be finite; got NaN or infinity. Put 0 into the padding.")

    def _stored(self, indices: Tensor) -> Tensor:
        """The values of the samples at `indices`, copied."""
        return self.values.index_select(0, indices if self.rows is None else self.rows.index_select(0, indices))

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.values) if self.rows is None else len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Sample 0 <= index < len: its valid steps x (length, d_input), normalised, and its class, or its other labels."""
        check_index("Split", index, len(self))
        batch = self.batch(torch.tensor([index]))
        label = batch.labels[0]
        return batch.x[0, : int(batch.lengths[0])], int(label) if label.dim() == 0 else label

    @property
    def max_seqlen(self) -> int:
        """The number of steps that are stored for every sample."""
        return self.values.shape[1]

    @property
    def d_input(self) -> int:
        """The number of features of a step."""
        return self.values.shape[2]

    def select(self, indices: Tensor) -> "Split":
        """The samples at `indices`, an int64 tensor (num_selected,), in that order, as a new split.

        Raises: ValueError if `indices` is not such a tensor, IndexError if an index lies outside the split.
        """
        check_indices("Split.select", indices)
        has_rows = self.rows is not None
        return replace(
            self,
            values=self.values if has_rows else self._stored(indices),
            rows=self.rows.index_select(0, indices) if has_rows else None,  # type: ignore[union-attr]
            lengths=self.lengths.index_select(0, indices),
            labels=self.labels.index_select(0, indices),
        )

    def batch(
        self, indices: Tensor, *, augment: ValueAugment | None = None, rngs: Sequence[np.random.Generator] = ()
    ) -> Batch:
        """The batch that `make_batch` draws; what a loader asks of every kind of split."""
        return make_batch(self, indices, augment=augment, rngs=rngs)


def make_batch(
    split: Split,
    indices: Tensor,
    *,
    augment: ValueAugment | None = None,
    rngs: Sequence[np.random.Generator] = (),
) -> Batch:
    """Draw samples and normalise them: x = values * scale + shift, then exactly 0 in the padding.

    Bytes are gathered as bytes and converted afterwards. seqlen is always split.max_seqlen, so every batch of a split
    has one shape.

    Args:
        split: left as it is.
        indices: (batch,), int64.
        augment: applied to the gathered values before they are normalised.
        rngs: one generator per sample, for `augment`.
    """
    lengths = split.lengths.index_select(0, indices)
    values = split._stored(indices)
    if augment is not None:
        values = augment(values, rngs)
    x = values.to(torch.float32)
    x = x.mul_(factor(split.scale, x)).add_(factor(split.shift, x))
    if bool((lengths < split.max_seqlen).any()):
        x.masked_fill_(~length_mask(lengths, split.max_seqlen)[..., None], 0.0)
    return Batch(x, lengths, split.labels.index_select(0, indices))


def collate(samples: Sequence[tuple[Tensor, int]]) -> Batch:
    """Pad ragged sequences with zeros up to the longest one; the `collate_fn` of a DataLoader over a `Split`.

    Args:
        samples: pairs of a sequence (seqlen, d_input), a tensor or an array of any real dtype, and its label.
    Returns: a batch with seqlen = the longest sequence; the values are converted to float32, not normalised.
    Raises: ValueError if there is no sample, or a sequence has other axes or another d_input than the first; TypeError
        for a sample that is no pair of numbers and a class.

    Example:
        >>> batch = collate([(torch.ones(2, 1), 4), (torch.ones(1, 1), 5)])
        >>> batch.x[..., 0].tolist(), batch.lengths.tolist(), batch.labels.tolist()
        ([[1.0, 1.0], [1.0, 0.0]], [2, 1], [4, 5])
    """
    if not samples:
        raise ValueError("collate: `samples` must hold at least one (sequence, label) pair; got none. Skip it.")
    samples = [_as_sample(index, sample) for index, sample in enumerate(samples)]
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


def _as_sample(index: int, sample: Any) -> tuple[Tensor, int]:
    """A (sequence, label) pair as a tensor and an int."""
    try:
        sequence, label = sample
        numbers, number = torch.as_tensor(sequence), operator.index(label)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"collate: sample {index} must be a pair of a sequence (a tensor or an array of numbers) and a label, an "
            f"integer; got a {type(sample).__name__} ({str(error)[:100]})."
        ) from None
    if numbers.is_complex():
        raise TypeError(
            f"collate: sequence {index} must be real; got dtype {numbers.dtype}. Give its parts as channels."
        )
    return numbers, number

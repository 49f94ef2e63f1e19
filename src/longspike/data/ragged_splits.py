"""Labelled sequences of values, each as long as it is: a split, and batches padded to their own longest sequence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_choice
from longspike._core.lengths import Batch, length_mask
from longspike._core.mistakes import shown
from longspike._core.normalisation import Factor, factor, is_factor
from longspike.data.checks import check_normalisation
from longspike.data.ragged import AbstractRaggedSplit

STORED_DTYPES = (np.dtype(np.uint8), np.dtype(np.int16), np.dtype(np.float32))

SampleAugment = Callable[[Tensor, np.random.Generator], Tensor]
"""Changes one normalised sample (length, d_input), float32, with its own generator; the result has the same shape."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RaggedSplit(AbstractRaggedSplit):
    """Sequences of different lengths and their labels; a data set of PyTorch of pairs (x, label).

        x of sample k = raw * scale + shift,   raw = values[starts[k] : starts[k] + lengths[k]] * unit

    All samples lie in one array without padding, which may be mapped from a file (`np.load(path, mmap_mode="r")`): a batch
    reads its own samples only, and `select` copies none. `ragged_split` makes one of separate sequences.

    Args:
        values: (num_stored, d_input), uint8, int16 or float32. Of a mapped file nothing is looked at before it is drawn.
        starts, lengths: (num_samples,), int64.
        labels: (num_samples,), int64, class indices, labels >= 0; or values (num_samples, outputs), float.
        unit: what a stored 1 stands for; 1 / 32768 of sounds of 16 bits, whose full scale is then 1.
        scale, shift: the fixed affine normalisation above: a number each, or a tuple of d_input numbers, one a channel.
    Raises: ValueError if a shape, a dtype or a range is not as above, or a float32 value in memory is not finite.

    Example:
        >>> split = ragged_split([[[5], [6], [7]], [[8]]], torch.tensor([1, 0]), dtype="uint8", scale=0.5)
        >>> split.batch(torch.tensor([1, 0])).x[..., 0].tolist()
        [[4.0, 0.0, 0.0], [2.5, 3.0, 3.5]]
        >>> split[1]
        (tensor([[4.]]), 0)
    """

    values: np.ndarray
    unit: float = 1.0
    scale: Factor = 1.0
    shift: Factor = 0.0

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        is_array = isinstance(self.values, np.ndarray) and self.values.ndim == 2
        if not is_array or self.values.dtype not in STORED_DTYPES:
            raise ValueError(
                "RaggedSplit: `values` must be a NumPy array of shape (num_stored, d_input), uint8, int16 or float32; got "
                f"{shown(self.values)}. Make one of separate sequences with ragged_split."
            )
        self._check_parts(len(self.values), "steps")
        if not is_factor(self.unit, may_be_zero=False) or isinstance(self.unit, tuple):
            raise ValueError(f"RaggedSplit: `unit` must be a finite number other than 0; got {shown(self.unit)}.")
        check_normalisation("RaggedSplit", self.scale, self.shift, channels=self.d_input)
        is_looked_at = self.values.dtype.kind == "f" and not isinstance(self.values, np.memmap)
        if is_looked_at and not bool(np.isfinite(self.values).all()):
            raise ValueError("RaggedSplit: `values` must be finite; got NaN or infinity. Leave such samples out.")

    @property
    def d_input(self) -> int:
        """The number of features of a step."""
        return self.values.shape[1]

    def batch(
        self, indices: Tensor, *, augment: SampleAugment | None = None, rngs: Sequence[np.random.Generator] = ()
    ) -> Batch:
        """Samples normalised and padded to the longest of them with exactly 0: x (batch, seqlen, d_input), float32.

        Args:
            indices: (batch,), int64.
            augment: called once a sample, with what is normalised.
            rngs: one generator per sample, for `augment`.
        """
        x = torch.zeros(len(indices), self._longest(indices), self.d_input)
        lengths = self._write_rows(indices, x.numpy(), self.values)
        x.mul_(self.unit).mul_(factor(self.scale, x)).add_(factor(self.shift, x))
        if augment is not None:
            for row, length, rng in zip(x, lengths.tolist(), rngs, strict=True):
                row[:length] = augment(row[:length], rng)
        if bool((lengths < x.shape[1]).any()):
            x.masked_fill_(~length_mask(lengths, x.shape[1])[..., None], 0.0)
        return Batch(x, lengths, self.labels.index_select(0, indices))


def ragged_split(
    sequences: Iterable[Any],
    labels: Tensor,
    *,
    dtype: str = "float32",
    unit: float = 1.0,
    scale: Factor = 1.0,
    shift: Factor = 0.0,
) -> RaggedSplit:
    """The split of separate sequences, copied one behind another.

    Args: sequences: (length, d_input) numbers each. labels: as of `RaggedSplit`. dtype: "uint8", "int16" or "float32".
    Raises: ValueError as `RaggedSplit` does, or if a sequence is of another shape or does not fit the dtype.
    """
    check_choice("ragged_split", "dtype", dtype, tuple(each.name for each in STORED_DTYPES))
    rows: list[np.ndarray] = []
    for k, sequence in enumerate(sequences):
        given = np.asarray(sequence)
        if given.ndim != 2 or (rows and given.shape[1] != rows[0].shape[1]) or given.dtype.kind not in "biuf":
            raise ValueError(
                f"ragged_split: sequence {k} must hold numbers (length, d_input), d_input as in sequence 0; got "
                f"{shown(given)}. Add a missing axis with x[:, None]."
            )
        rows.append(_as_stored(k, given, np.dtype(dtype)))
    if not rows:
        raise ValueError("ragged_split: `sequences` must hold at least one sequence; got none.")
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return RaggedSplit(
        values=np.concatenate(rows),
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
        labels=labels,
        unit=unit,
        scale=scale,
        shift=shift,
    )


def _as_stored(k: int, given: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """A sequence in another dtype; numbers that a whole dtype cannot hold are refused, for they would wrap around."""
    with np.errstate(invalid="ignore", over="ignore"):
        stored = given.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(stored, given):
        raise ValueError(f"ragged_split: sequence {k} must hold numbers that {dtype} can hold. Choose another `dtype`.")
    return stored

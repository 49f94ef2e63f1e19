"""Labelled sequences of tokens, each as long as it is: a split, and batches padded to their own longest sequence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.checks import check_positive_int
from longspike._core.lengths import Batch
from longspike._core.mistakes import shown
from longspike.data.checks import check_index, check_indices, check_labels, check_per_sample

TOKEN_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenSplit(Dataset[tuple[Tensor, int]]):
    """Texts as tokens, or other sequences of symbols, and their labels; a data set of PyTorch of pairs (x, label).

        x of sample k = tokens[starts[k] : starts[k] + lengths[k]]

    All samples lie in one array without padding, which may be mapped from a file (`np.load(path, mmap_mode="r")`): a batch
    reads its own samples only, and `select` copies none. `token_split` makes one of separate sequences.

    Args:
        tokens: (num_stored,), uint8, uint16 or int32. Of a mapped file no token is looked at before it is drawn.
        starts, lengths: (num_samples,), int64.
        labels: (num_samples,), int64, class indices, labels >= 0.
        d_input: the size of the vocabulary, 0 <= tokens < d_input.
        pad_token: what stands behind the end of a shorter sample in a batch.
    Raises: ValueError if a shape, a dtype or a range is not as above.

    Example:
        >>> split = token_split([[5, 6, 7], [8]], torch.tensor([1, 0]), d_input=9)
        >>> split.batch(torch.tensor([1, 0])).x.tolist()
        [[8, 0, 0], [5, 6, 7]]
        >>> split[1]
        (tensor([8]), 0)
    """

    tokens: np.ndarray
    starts: Tensor
    lengths: Tensor
    labels: Tensor
    d_input: int
    pad_token: int = 0

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        is_array = isinstance(self.tokens, np.ndarray)
        if not is_array or self.tokens.ndim != 1 or self.tokens.dtype not in TOKEN_DTYPES:
            raise ValueError(
                f"TokenSplit: `tokens` must be a NumPy array of one axis, uint8, uint16 or int32; got {shown(self.tokens)}. "
                "Make one of separate sequences with token_split."
            )
        check_positive_int("TokenSplit", "d_input", self.d_input)
        check_positive_int("TokenSplit", "pad_token", self.pad_token, low=0, high=self.d_input - 1)
        for name in ("starts", "lengths"):
            check_per_sample("TokenSplit", name, getattr(self, name), len(self))
        check_labels("TokenSplit", self.labels, len(self))
        ends = self.starts + self.lengths
        if bool(((self.starts < 0) | (self.lengths < 0) | (ends > len(self.tokens))).any()):
            raise ValueError(
                f"TokenSplit: `starts` and `lengths` must name parts of the {len(self.tokens)} tokens; got starts from "
                f"{int(self.starts.min())} on and ends up to {int(ends.max())}. Were tokens left out?"
            )
        if not isinstance(self.tokens, np.memmap) and self.tokens.size:
            _check_range(self.tokens, self.d_input)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Sample 0 <= index < len: its tokens x (length,), int64, and its label."""
        check_index("TokenSplit", index, len(self))
        batch = self.batch(torch.tensor([index]))
        return batch.x[0], int(batch.labels[0])

    @property
    def max_seqlen(self) -> int:
        """The tokens of the longest sample."""
        return int(self.lengths.max()) if len(self) else 0

    def select(self, indices: Tensor) -> "TokenSplit":
        """The samples at `indices`, an int64 tensor (num_selected,), in that order; the tokens are shared, not copied.

        Raises: ValueError if `indices` is not such a tensor, IndexError if an index lies outside the split.
        """
        check_indices("TokenSplit.select", indices)
        chosen = {name: getattr(self, name).index_select(0, indices) for name in ("starts", "lengths", "labels")}
        return replace(self, **chosen)

    def batch(self, indices: Tensor, *, augment: None = None, rngs: Sequence[np.random.Generator] = ()) -> Batch:
        """Samples padded to the longest of them: x (batch, seqlen), int64; what a loader asks of every kind of split.

        Args: indices: (batch,), int64. augment: none; tokens are not changed at random.
        """
        if augment is not None:
            raise ValueError(f"TokenSplit: `augment` must be None, tokens stay as they are; got {shown(augment)}.")
        lengths = self.lengths.index_select(0, indices)
        shape = (len(indices), int(lengths.max()) if len(indices) else 0)
        x = torch.full(shape, self.pad_token, dtype=torch.int64)
        starts = self.starts.index_select(0, indices).tolist()
        for row, start, length in zip(x.numpy(), starts, lengths.tolist(), strict=True):
            row[:length] = self.tokens[start : start + length]
        return Batch(x, lengths, self.labels.index_select(0, indices))


def _check_range(tokens: np.ndarray, d_input: int) -> None:
    low, high = int(tokens.min()), int(tokens.max())
    if not 0 <= low <= high < d_input:
        raise ValueError(
            f"TokenSplit: `tokens` must lie in [0, {d_input}), the vocabulary; got min={low}, max={high}. "
            "Set d_input to the number of tokens there are."
        )


def token_split(
    sequences: Iterable[Sequence[int] | np.ndarray], labels: Tensor, *, d_input: int, pad_token: int = 0
) -> TokenSplit:
    """The split of separate sequences of tokens, stored one behind another in the smallest dtype that holds `d_input`.

    Args: sequences: (length,) whole numbers each. labels: (num_samples,), int64.
    Raises: ValueError as `TokenSplit` does, or if a sequence does not hold whole numbers on one axis.
    """
    check_positive_int("token_split", "d_input", d_input, high=1 << 31)
    rows = [np.asarray(sequence) for sequence in sequences]
    for k, row in enumerate(rows):
        if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
            raise ValueError(f"token_split: sequence {k} must hold whole numbers on one axis; got {shown(row)}.")
        if row.size:
            _check_range(row, d_input)  # before the cast, which would wrap around
    dtype = next(dtype for dtype in TOKEN_DTYPES if d_input - 1 <= np.iinfo(dtype).max)
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return TokenSplit(
        tokens=np.concatenate([np.empty(0, dtype), *(row.astype(dtype, copy=False) for row in rows)]),
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
        labels=labels,
        d_input=d_input,
        pad_token=pad_token,
    )

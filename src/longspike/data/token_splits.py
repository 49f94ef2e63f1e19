"""Labelled sequences of tokens, each as long as it is: a split, and batches padded to their own longest sequence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_positive_int
from longspike._core.lengths import Batch
from longspike._core.mistakes import shown
from longspike.data.ragged import AbstractRaggedSplit

TOKEN_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenSplit(AbstractRaggedSplit):
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
        self._check_parts(len(self.tokens), "tokens")
        if not isinstance(self.tokens, np.memmap) and self.tokens.size:
            _check_range(self.tokens, self.d_input)

    def batch(self, indices: Tensor, *, augment: None = None, rngs: Sequence[np.random.Generator] = ()) -> Batch:
        """Samples padded to the longest of them: x (batch, seqlen), int64; what a loader asks of every kind of split.

        Args: indices: (batch,), int64. augment: none; tokens are not changed at random.
        """
        if augment is not None:
            raise ValueError(f"TokenSplit: `augment` must be None, tokens stay as they are; got {shown(augment)}.")
        x = torch.full((len(indices), self._longest(indices)), self.pad_token, dtype=torch.int64)
        lengths = self._write_rows(indices, x.numpy(), self.tokens)
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

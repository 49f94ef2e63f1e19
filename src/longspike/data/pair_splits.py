"""Labelled pairs of sequences of tokens: a split, and batches of both sides padded alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.lengths import PairBatch
from longspike.data.checks import check_index
from longspike.data.token_splits import TokenSplit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairSplit(Dataset[tuple[tuple[Tensor, Tensor], int]]):
    """Pairs of sequences of tokens, each as long as it is, and a label for each pair; a data set of PyTorch.

    Args: first, second: the two sides, with the same labels, d_input and pad_token; they may share their tokens.
    Raises: ValueError if the sides do not fit together.

    Example:
        >>> from longspike.data import token_split
        >>> labels = torch.tensor([1, 0])
        >>> sides = (token_split(rows, labels, d_input=9) for rows in ([[5, 6], [7]], [[8], [3, 4, 2]]))
        >>> split = PairSplit(first=next(sides), second=next(sides))
        >>> batch = split.batch(torch.tensor([1]))
        >>> batch.x.tolist(), batch.other_x.tolist(), batch.lengths.tolist(), split.lengths.tolist()
        ([[7, 0, 0]], [[3, 4, 2]], [1], [2, 3])
    """

    first: TokenSplit
    second: TokenSplit

    def __post_init__(self) -> None:
        """Check that the sides fit together."""
        sizes = [(len(side), side.d_input, side.pad_token) for side in (self.first, self.second)]
        if sizes[0] != sizes[1] or not torch.equal(self.first.labels, self.second.labels):
            raise ValueError(
                "PairSplit: `first` and `second` must have the same labels, d_input and pad_token; got (samples, d_input, "
                f"pad_token) = {sizes[0]} and {sizes[1]}. Build both from the same pairs."
            )

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.first)

    def __getitem__(self, index: int) -> tuple[tuple[Tensor, Tensor], int]:
        """Pair 0 <= index < len: the tokens of both sides, (length,) int64 each, and the label."""
        check_index("PairSplit", index, len(self))
        (x, label), (other, _) = self.first[index], self.second[index]
        return (x, other), label

    @property
    def labels(self) -> Tensor:
        """Of the pairs, (num_pairs,), int64."""
        return self.first.labels

    @property
    def lengths(self) -> Tensor:
        """Of the longer side of each pair, (num_pairs,), int64: what a pair costs."""
        return torch.maximum(self.first.lengths, self.second.lengths)

    @property
    def d_input(self) -> int:
        """The size of the vocabulary."""
        return self.first.d_input

    @property
    def max_seqlen(self) -> int:
        """The tokens of the longest side."""
        return max(self.first.max_seqlen, self.second.max_seqlen)

    def select(self, indices: Tensor) -> "PairSplit":
        """The pairs at `indices`, an int64 tensor (num_selected,), in that order; the tokens are shared."""
        return PairSplit(first=self.first.select(indices), second=self.second.select(indices))

    def batch(self, indices: Tensor, *, augment: None = None, rngs: Sequence[np.random.Generator] = ()) -> PairBatch:
        """Pairs, both sides padded to the longest sequence of all."""
        sides = [side.batch(indices, augment=augment, rngs=rngs) for side in (self.first, self.second)]
        longest = max(side.x.shape[1] for side in sides)
        x, other = (
            torch.nn.functional.pad(side.x, (0, longest - side.x.shape[1]), value=self.first.pad_token)
            for side in sides
        )
        return PairBatch(x, sides[0].lengths, other, sides[1].lengths, sides[0].labels)

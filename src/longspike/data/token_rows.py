"""A text as one row of tokens: its segments, and batches of rows side by side, each going on where it stopped."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.checks import check_positive_int
from longspike._core.lengths import Batch
from longspike._core.mistakes import shown
from longspike.data.checks import check_index, check_indices
from longspike.data.token_splits import TOKEN_DTYPES

IGNORE = -1
"""The label of a step that has none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenRow(Dataset[tuple[Tensor, Tensor]]):
    """A corpus as one row of tokens, cut into segments; a data set of PyTorch of pairs (tokens, the next tokens).

        x of segment k = tokens[k * seqlen : (k + 1) * seqlen]
        labels of segment k = tokens[k * seqlen + 1 : (k + 1) * seqlen + 1]

    The first token of the row is predicted by nobody, every other one exactly once. The last segment may be shorter.

    Args:
        tokens: (num_tokens,), uint8, uint16 or int32, at least two; may be mapped from a file, and is then not looked at.
        d_input: the size of the vocabulary, 0 <= tokens < d_input.
        seqlen: tokens of a segment.
    Raises: ValueError if a shape, a dtype or a range is not as above.

    Example:
        >>> row = TokenRow(tokens=np.array([5, 6, 7, 8, 9], np.uint8), d_input=10, seqlen=3)
        >>> len(row), row[0], row[1]
        (2, (tensor([5, 6, 7]), tensor([6, 7, 8])), (tensor([8]), tensor([9])))
    """

    tokens: np.ndarray
    d_input: int
    seqlen: int

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        is_array = isinstance(self.tokens, np.ndarray)
        if not is_array or self.tokens.ndim != 1 or self.tokens.dtype not in TOKEN_DTYPES or len(self.tokens) < 2:
            raise ValueError(
                f"TokenRow: `tokens` must be a NumPy array of one axis, uint8, uint16 or int32, with at least two tokens; "
                f"got {shown(self.tokens)}. Convert it with np.asarray(tokens, np.int32)."
            )
        check_positive_int("TokenRow", "d_input", self.d_input)
        check_positive_int("TokenRow", "seqlen", self.seqlen)
        if not isinstance(self.tokens, np.memmap):
            low, high = int(self.tokens.min()), int(self.tokens.max())
            if not 0 <= low <= high < self.d_input:
                raise ValueError(
                    f"TokenRow: `tokens` must lie in [0, {self.d_input}), the vocabulary; got min={low}, max={high}. "
                    "Set d_input to the number of tokens there are."
                )

    @property
    def num_predicted(self) -> int:
        """Tokens that have one before them."""
        return len(self.tokens) - 1

    def __len__(self) -> int:
        """The number of segments."""
        return math.ceil(self.num_predicted / self.seqlen)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Segment 0 <= index < len: tokens and next tokens, int64."""
        check_index("TokenRow", index, len(self))
        batch = self.batch(torch.tensor([index]))
        return batch.x[0], batch.labels[0]

    @property
    def labels(self) -> Tensor:
        """Every predicted token, (num_predicted,), int64: a copy of eight bytes a token."""
        return torch.from_numpy(self.tokens[1:].astype(np.int64))

    @property
    def max_seqlen(self) -> int:
        """Tokens of the longest segment."""
        return min(self.seqlen, self.num_predicted)

    def select(self, indices: Tensor) -> "TokenRow":
        """The first segments as a row: `indices` must be 0, 1, 2 and so on.

        Raises: ValueError for other segments, which are no row.
        """
        check_indices("TokenRow.select", indices)
        if not len(indices) or len(indices) > len(self) or not torch.equal(indices, torch.arange(len(indices))):
            raise ValueError(
                f"TokenRow.select: `indices` must be the first segments in their order, of {len(self)}; got "
                f"{shown(indices.tolist())}. Others are no row; take row.tokens[begin:end]."
            )
        return replace(self, tokens=self.tokens[: len(indices) * self.seqlen + 1])

    def batch(self, indices: Tensor, *, augment: None = None, rngs: Sequence[np.random.Generator] = ()) -> Batch:
        """Segments padded to the longest of them, what a `BatchLoader` asks: x (batch, seqlen), labels -1 in the padding.

        Args: indices: (batch,), int64. augment: none; tokens are not changed at random.
        """
        if augment is not None:
            raise ValueError(f"TokenRow: `augment` must be None, tokens stay as they are; got {shown(augment)}.")
        starts = (indices * self.seqlen).tolist()
        lengths = torch.tensor([min(self.seqlen, self.num_predicted - start) for start in starts], dtype=torch.int64)
        shape = (len(indices), int(lengths.max()) if len(indices) else 0)
        x, labels = torch.zeros(shape, dtype=torch.int64), torch.full(shape, IGNORE)
        for row, (start, length) in enumerate(zip(starts, lengths.tolist(), strict=True)):
            both = torch.from_numpy(self.tokens[start : start + length + 1].astype(np.int64))
            x[row, :length], labels[row, :length] = both[:-1], both[1:]
        return Batch(x, lengths, labels)


class RowLoader:
    """Batches of a row cut into `batch_size` rows side by side: segment after segment, so that a state can be carried on.

    Row b begins at token b * rest, rest = num_predicted // batch_size; what is left over at the end is left out, nothing
    with batch_size=1. With `rolls`, the rows of every epoch begin at other places: each is rolled by an offset of its own,
    a pure function of (seed, epoch), so that segments are cut elsewhere. Labels are always the tokens that follow in the
    corpus, also where a rolled row jumps back to its beginning.

    `batches(epoch, first=k)` yields the batches of an epoch from number k on, as `BatchLoader.batches` does.

    Args: row: the corpus; its seqlen is that of a batch. batch_size: rows. rolls: for training. seed: read with `rolls`.
    Raises: ValueError if the corpus is too short for so many rows.

    Example:
        >>> row = TokenRow(tokens=np.arange(10, dtype=np.uint8), d_input=10, seqlen=3)
        >>> [batch.x.tolist() for batch in RowLoader(row, batch_size=2)]
        [[[0, 1, 2], [4, 5, 6]], [[3], [7]]]
    """

    def __init__(self, row: TokenRow, *, batch_size: int, rolls: bool = False, seed: int = 0) -> None:
        check_positive_int("RowLoader", "batch_size", batch_size)
        check_positive_int("RowLoader", "seed", seed, low=0)
        if row.num_predicted < batch_size:
            raise ValueError(
                f"RowLoader: `row` must predict at least {batch_size} tokens, one a row; got {row.num_predicted}. "
                "Lower batch_size."
            )
        self.row, self.batch_size, self.rolls, self.seed = row, batch_size, rolls, seed
        self._rest = row.num_predicted // batch_size

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return math.ceil(self._rest / self.row.seqlen)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""
        return self.batches(0)

    def offsets(self, epoch: int) -> np.ndarray:
        """Where every row begins within itself, (batch_size,): a pure function of (seed, epoch)."""
        if not self.rolls:
            return np.zeros(self.batch_size, np.int64)
        return np.random.default_rng([self.seed, epoch]).integers(0, self._rest, self.batch_size)

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `first` on; a pure function of the two and the settings."""
        check_positive_int("RowLoader.batches", "epoch", epoch, low=0)
        check_positive_int("RowLoader.batches", "first", first, low=0, high=len(self))
        begins, offsets = np.arange(self.batch_size) * self._rest, self.offsets(epoch)
        for k in range(first, len(self)):
            steps = np.arange(k * self.row.seqlen, min((k + 1) * self.row.seqlen, self._rest))
            places = begins[:, None] + (offsets[:, None] + steps) % self._rest
            x, labels = (torch.from_numpy(self.row.tokens[at].astype(np.int64)) for at in (places, places + 1))
            yield Batch(x, torch.full((self.batch_size,), len(steps)), labels)

    @property
    def settings(self) -> dict[str, int]:
        """What has to be equal for (epoch, first) to mean the same tokens; a trainer saves it beside its position."""
        return {
            "num_tokens": len(self.row.tokens),
            "seqlen": self.row.seqlen,
            "batch_size": self.batch_size,
            "rolls": int(self.rolls),
            "seed": self.seed,
        }

"""What labelled sequences that lie one behind another in one array have in common, whatever a step is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longspike._core.lengths import Batch
from longspike.data.checks import check_index, check_indices, check_labels, check_per_sample, check_targets


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AbstractRaggedSplit(Dataset[tuple[Tensor, Any]], ABC):
    """What sequences that lie one behind another in one array have in common.

    Sample k is the part starts[k] : starts[k] + lengths[k] of that array, which is never copied as a whole: it may be mapped
    from a file, and `select` shares it.
    """

    starts: Tensor
    lengths: Tensor
    labels: Tensor

    def _check_parts(self, num_stored: int, what: str) -> None:
        """Raise unless the samples are parts of `num_stored` stored steps, called `what`, and each has a label."""
        where = type(self).__name__
        for name in ("starts", "lengths"):
            check_per_sample(where, name, getattr(self, name), len(self))
        has_values = isinstance(self.labels, Tensor) and self.labels.is_floating_point() and self.labels.dim() == 2
        if has_values:
            check_targets(where, self.labels, len(self), self.max_seqlen)
        else:
            check_labels(where, self.labels, len(self))
        ends = self.starts + self.lengths
        if bool(((self.starts < 0) | (self.lengths < 0) | (ends > num_stored)).any()):
            raise ValueError(
                f"{where}: `starts` and `lengths` must name parts of the {num_stored} {what}; got starts from "
                f"{int(self.starts.min())} on and ends up to {int(ends.max())}. Were {what} left out?"
            )

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Sample 0 <= index < len: what a network reads of it, (length, ...), and its class, or its values."""
        check_index(type(self).__name__, index, len(self))
        batch = self.batch(torch.tensor([index]))
        label = batch.labels[0]
        return batch.x[0], int(label) if label.dim() == 0 else label

    @property
    def max_seqlen(self) -> int:
        """The steps of the longest sample."""
        return int(self.lengths.max()) if len(self) else 0

    def select(self, indices: Tensor) -> Self:
        """The samples at `indices`, an int64 tensor (num_selected,), in that order; what is stored is shared, not copied.

        Raises: ValueError if `indices` is not such a tensor, IndexError if an index lies outside the split.
        """
        check_indices(f"{type(self).__name__}.select", indices)
        chosen = {name: getattr(self, name).index_select(0, indices) for name in ("starts", "lengths", "labels")}
        return replace(self, **chosen)

    @abstractmethod
    def batch(self, indices: Tensor, *, augment: Any = None, rngs: Sequence[np.random.Generator] = ()) -> Batch:
        """Samples padded to the longest of them; what a loader asks of every kind of split."""

    def _longest(self, indices: Tensor) -> int:
        """The steps of the longest of these samples, 0 of none."""
        return int(self.lengths.index_select(0, indices).max()) if len(indices) else 0

    def _write_rows(self, indices: Tensor, rows: np.ndarray, stored: np.ndarray) -> Tensor:
        """Write the samples at `indices` to the beginnings of `rows`, (batch, at least their length, ...); their lengths."""
        starts, lengths = self.starts.index_select(0, indices), self.lengths.index_select(0, indices)
        for row, start, length in zip(rows, starts.tolist(), lengths.tolist(), strict=True):
            row[:length] = stored[start : start + length]
        return lengths

"""Labelled sequences held in memory: one split, and a data set of three."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_positive_int, describe
from longspike._core.lengths import length_mask as mask
from longspike.data.batching import Batch

VALUE_DTYPES = (torch.uint8, torch.float32)

ValueAugment = Callable[[Tensor, Sequence[np.random.Generator]], Tensor]
"""Changes stored values (batch, max_seqlen, d_input), keeping shape and dtype, with one generator per sample."""


def _check_index_vector(name: str, x: Tensor, num_samples: int) -> None:
    """Raise unless `x` is an int64 tensor (num_samples,)."""
    if x.dtype != torch.int64 or tuple(x.shape) != (num_samples,):
        raise ValueError(
            f"Split: `{name}` must be an int64 tensor of shape ({num_samples},), one entry per sample of `values`; "
            f"got {describe(x)}. Convert it with x.long()."
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Sequences, their valid lengths and their labels.

    x = values * scale + shift  at steps below the sample's length;  x = 0  at the steps after it (padding).

    Stored bytes stay bytes: a batch is converted when it is drawn (see `make_batch`), which keeps a data set at a
    quarter of its float32 size.

    Args:
        values: (num_samples, max_seqlen, d_input), uint8 or float32. What stands in the padding is never read.
        lengths: (num_samples,), int64, valid steps of each sample, 0 <= lengths <= max_seqlen.
        labels: (num_samples,), int64, class indices, labels >= 0.
        scale, shift: the fixed affine normalisation above.
    Raises: ValueError if a shape, a dtype or a range is not as above, or a float32 value is not finite.

    Example:
        >>> values = torch.arange(6, dtype=torch.uint8).reshape(2, 3, 1)
        >>> split = Split(values=values, lengths=torch.tensor([3, 1]), labels=torch.tensor([0, 1]), scale=0.5)
        >>> len(split), split.max_seqlen, split.d_input
        (2, 3, 1)
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Check every invariant that the docstring states."""
        if self.values.dim() != 3 or self.values.dtype not in VALUE_DTYPES:
            raise ValueError(
                "Split: `values` must have shape (num_samples, max_seqlen, d_input) and dtype uint8 or float32; "
                f"got {describe(self.values)}. Add the missing axis with x[..., None] or convert with x.float()."
            )
        _check_index_vector("lengths", self.lengths, len(self))
        _check_index_vector("labels", self.labels, len(self))
        if bool(((self.lengths < 0) | (self.lengths > self.max_seqlen)).any()):
            raise ValueError(
                f"Split: `lengths` must lie in [0, {self.max_seqlen}], the steps that `values` holds; got "
                f"min={int(self.lengths.min())}, max={int(self.lengths.max())}. Count the steps before padding."
            )
        if bool((self.labels < 0).any()):
            raise ValueError(
                f"Split: `labels` must be at least 0; got min={int(self.labels.min())}. Number the classes from 0."
            )
        if not (math.isfinite(self.scale) and math.isfinite(self.shift)) or self.scale == 0.0:
            raise ValueError(
                "Split: `scale` and `shift` must be finite and `scale` not 0; "
                f"got scale={self.scale}, shift={self.shift}. For (x - mean) / std pass scale=1/std, shift=-mean/std."
            )
        if self.values.is_floating_point() and not bool(self.values.isfinite().all()):
            raise ValueError("Split: `values` must be finite; got NaN or infinity. Put 0 into the padding.")

    def __len__(self) -> int:
        """The number of samples."""
        return self.values.shape[0]

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
        if indices.dtype != torch.int64 or indices.dim() != 1:
            raise ValueError(
                f"Split.select: `indices` must be an int64 tensor of one axis; got {describe(indices)}. "
                "Turn a boolean selection into indices with x.nonzero()[:, 0]."
            )
        return Split(
            values=self.values.index_select(0, indices),
            lengths=self.lengths.index_select(0, indices),
            labels=self.labels.index_select(0, indices),
            scale=self.scale,
            shift=self.shift,
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
    values = split.values.index_select(0, indices)
    if augment is not None:
        values = augment(values, rngs)
    x = values.to(torch.float32).mul_(split.scale).add_(split.shift)
    if bool((lengths < split.max_seqlen).any()):
        x.masked_fill_(~mask(lengths, split.max_seqlen)[..., None], 0.0)
    return Batch(x, lengths, split.labels.index_select(0, indices))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DataBundle:
    """A data set: three splits with one normalisation, and what a report has to say about them.

    `val` is held out from the published training files with a fixed seed, stratified by class; `test` is the
    published test set and takes no part in any choice.

    Args:
        name: the registry's name.
        train, val, test: splits with the same d_input, scale and shift, none of them empty.
        num_classes: labels lie in 0 .. num_classes - 1.
        class_names: one name per class, in the order of the labels.
        source: one sentence on origin and terms, to print beside results.
    Raises: ValueError if the parts do not fit together.
    """

    name: str
    train: Split
    val: Split
    test: Split
    num_classes: int
    d_input: int
    class_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        """Check that the splits, the classes and the normalisation agree."""
        check_positive_int("DataBundle", "num_classes", self.num_classes)
        if len(self.class_names) != self.num_classes:
            raise ValueError(
                f"DataBundle: `class_names` must have {self.num_classes} entries, one per class; "
                f"got {len(self.class_names)}. Name every class in the order of the labels."
            )
        if not self.source.strip():
            raise ValueError("DataBundle: `source` must name the origin and the terms; got an empty text. Say both.")
        for part, split in (("train", self.train), ("val", self.val), ("test", self.test)):
            if len(split) == 0:
                raise ValueError(f"DataBundle: `{part}` must hold at least one sample; got none. Hold out fewer.")
            if split.d_input != self.d_input:
                raise ValueError(
                    f"DataBundle: `{part}` must have d_input={self.d_input}; got d_input={split.d_input}. "
                    "Build all splits from the same features."
                )
            if int(split.labels.max()) >= self.num_classes:
                raise ValueError(
                    f"DataBundle: labels of `{part}` must lie below num_classes={self.num_classes}; "
                    f"got max={int(split.labels.max())}. Number the classes from 0."
                )
            if (split.scale, split.shift) != (self.train.scale, self.train.shift):
                raise ValueError(
                    f"DataBundle: `{part}` must have the normalisation of `train`, scale={self.train.scale}, "
                    f"shift={self.train.shift}; got scale={split.scale}, shift={split.shift}. Use one for all splits."
                )

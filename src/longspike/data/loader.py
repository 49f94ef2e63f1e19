"""Batches as a function of epoch and place: reproducible from a seed, from any batch on."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_positive_int

BatchT = TypeVar("BatchT", covariant=True)
AugmentT = TypeVar("AugmentT", contravariant=True)


class BatchSource(Protocol[BatchT, AugmentT]):
    """What a loader asks of a split: its size, and the batch of given samples."""

    def __len__(self) -> int: ...
    def batch(
        self, indices: Tensor, *, augment: AugmentT | None = None, rngs: Sequence[np.random.Generator] = ()
    ) -> BatchT:
        """The samples at `indices`, each changed by `augment` with its own generator."""


@runtime_checkable
class HasLengths(Protocol):
    """A split that knows the length of each of its samples."""

    @property
    def lengths(self) -> Tensor: ...


def epoch_order(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    """The shuffled order of an epoch, (num_samples,), int64: a pure function of (seed, epoch).

    numpy's SeedSequence mixes the two, so that neighbouring pairs share nothing; its first 32 bits seed a
    torch.Generator (which reads no more than 32). The global random state is neither read nor changed.
    """
    return _permutation(num_samples, seed, epoch)


def _permutation(count: int, *key: int) -> Tensor:
    mixed = int(np.random.SeedSequence(key).generate_state(1)[0])
    return torch.randperm(count, generator=torch.Generator().manual_seed(mixed))


def similar_lengths(order: Tensor, lengths: Tensor, *, batch_size: int, window: int) -> Tensor:
    """The samples of `order` in an order whose batches hold samples of similar lengths, so that little is padded.

    Every `window` batches of the order are sorted by length, shortest first, and cut into batches again. The samples of an
    incomplete last batch stay where they are.

    Args: order: (num_samples,), numbers of samples. lengths: of every sample of the split.
    Returns: (num_samples,), each number of `order` once.

    Example:
        >>> similar_lengths(torch.arange(5), torch.tensor([9, 2, 8, 1, 7]), batch_size=2, window=2).tolist()
        [3, 1, 2, 0, 4]
    """
    num_sorted = len(order) // batch_size * batch_size
    parts = order[:num_sorted].split(window * batch_size)
    return torch.cat([*(part[lengths[part].argsort(stable=True)] for part in parts), order[num_sorted:]])


def sample_generators(indices: Tensor, *, seed: int, epoch: int) -> list[np.random.Generator]:
    """One generator per sample, a pure function of (seed, epoch, index): the randomness of augmentation.

    It depends neither on the batch that a sample is drawn in nor on how many were drawn before, so an epoch that is
    resumed, or cut into other batches, repeats it. numpy's SeedSequence mixes (seed, epoch), the index is its spawn key.

    Args:
        indices: (batch,), int64, sample numbers of the split.

    Example:
        >>> first, second = (sample_generators(torch.tensor(i), seed=3, epoch=1) for i in ([4, 7], [7]))
        >>> bool(first[1].random() == second[0].random())
        True
    """
    return [
        np.random.default_rng(np.random.SeedSequence([seed, epoch], spawn_key=(index,))) for index in indices.tolist()
    ]


class BatchLoader(Generic[BatchT, AugmentT]):
    """Batches of one split, a function of the epoch and the first batch, in memory and without worker processes.

    `batches(epoch, first=k)` yields the batches of an epoch from number k on; whoever trains keeps the two numbers, and
    can go on from them in another process. A plain loop goes through whole epochs, the first one through epoch 0 and
    each further one through the next, also after one that was left early. The last batch of an epoch is smaller where
    batch_size does not divide the split, or left out with `drop_last`.

    Args:
        split: what the samples are taken from, with a length and a method `batch`. Sequences, events or anything else that
            makes its own batches.
        batch_size: samples per batch.
        shuffle: draw a new order for every epoch (see `epoch_order`); otherwise the order of the split.
        seed: at least 0; read only with shuffle or augment.
        drop_last: leave out an incomplete last batch.
        length_window: put samples of similar lengths into one batch: every so many batches of the epoch's order are sorted
            by length (see `similar_lengths`) and, with shuffle, the full batches are then shuffled. For a split whose
            batches are as long as their longest sample, such as `RaggedSplit`; None leaves the order as it is.
        augment: a random change of every sample, new in every epoch, with the generators of `sample_generators`; what
            it is called with depends on the split (`ValueAugment`, `EventAugment`).
    Raises: ValueError if an argument is out of range or no batch can be made.

    Example:
        >>> from longspike.data import Split
        >>> split = Split(values=torch.zeros(5, 3, 1), lengths=torch.full((5,), 3), labels=torch.arange(5))
        >>> loader = BatchLoader(split, batch_size=2, shuffle=False, seed=0)
        >>> [batch.labels.tolist() for batch in loader]
        [[0, 1], [2, 3], [4]]
        >>> [batch.labels.tolist() for batch in loader.batches(7, first=1)]
        [[2, 3], [4]]
    """

    def __init__(
        self,
        split: BatchSource[BatchT, AugmentT],
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool = False,
        length_window: int | None = None,
        augment: AugmentT | None = None,
    ) -> None:
        check_positive_int("BatchLoader", "batch_size", batch_size)
        check_positive_int("BatchLoader", "seed", seed, low=0)
        if length_window is not None:
            check_positive_int("BatchLoader", "length_window", length_window)
            if not isinstance(split, HasLengths):
                raise ValueError(
                    f"BatchLoader: `length_window` needs a split with `lengths`; got a {type(split).__name__}. Leave it out."
                )
        needed = batch_size if drop_last else 1
        if len(split) < needed:
            raise ValueError(
                f"BatchLoader: `split` must hold at least {needed} samples to make a batch; got {len(split)}. "
                "Lower batch_size or set drop_last=False."
            )
        self.split = split
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.length_window = length_window
        self.augment = augment
        self._epochs = itertools.count()

    def __len__(self) -> int:
        """The number of batches of a whole epoch."""
        num_full, rest = divmod(len(self.split), self.batch_size)
        return num_full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[BatchT]:
        """The batches of the next epoch; `batches` neither asks nor changes which one that is."""
        return self.batches(next(self._epochs))

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[BatchT]:
        """The batches of `epoch` from number `first` on; a pure function of the two and the settings.

        Raises: ValueError unless epoch >= 0 and 0 <= first <= len(self).
        """
        check_positive_int("BatchLoader.batches", "epoch", epoch, low=0)
        check_positive_int("BatchLoader.batches", "first", first, low=0)
        if first > len(self):
            raise ValueError(
                f"BatchLoader.batches: `first` must be at most {len(self)}, the batches of an epoch; got {first}. "
                "Count the batches from 0 in every epoch."
            )
        return self._draw(epoch, first)

    def _draw(self, epoch: int, first: int) -> Iterator[BatchT]:
        order = self._order(epoch)
        for index in range(first, len(self)):
            indices = order[index * self.batch_size : (index + 1) * self.batch_size]
            if self.augment is None:
                yield self.split.batch(indices)
            else:
                rngs = sample_generators(indices, seed=self.seed, epoch=epoch)
                yield self.split.batch(indices, augment=self.augment, rngs=rngs)

    def _order(self, epoch: int) -> Tensor:
        """The samples of an epoch in their order; every `batch_size` of them are a batch."""
        num_samples, size = len(self.split), self.batch_size
        order = epoch_order(num_samples, seed=self.seed, epoch=epoch) if self.shuffle else torch.arange(num_samples)
        if self.length_window is None or not isinstance(self.split, HasLengths):
            return order
        order = similar_lengths(order, self.split.lengths, batch_size=size, window=self.length_window)
        if self.shuffle:
            num_full = num_samples // size
            full = order[: num_full * size].reshape(num_full, size)
            order = torch.cat([full[_permutation(num_full, self.seed, epoch, 1)].flatten(), order[num_full * size :]])
        return order

    @property
    def settings(self) -> dict[str, int]:
        """What has to be equal for (epoch, first) to mean the same samples; a trainer saves it beside its position."""
        return {
            "num_samples": len(self.split),
            "batch_size": self.batch_size,
            "shuffle": int(self.shuffle),
            "seed": self.seed,
            "drop_last": int(self.drop_last),
            "length_window": self.length_window or 0,
        }

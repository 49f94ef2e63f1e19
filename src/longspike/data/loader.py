"""Whole epochs of batches, reproducible from a seed and resumable at any batch."""

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

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


def epoch_order(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    """The shuffled order of an epoch, (num_samples,), int64: a pure function of (seed, epoch).

    numpy's SeedSequence mixes the two, so that neighbouring pairs share nothing; its first 32 bits seed a
    torch.Generator (which reads no more than 32). The global random state is neither read nor changed.
    """
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    return torch.randperm(num_samples, generator=torch.Generator().manual_seed(mixed))


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
    """Batches of one split, epoch after epoch, in memory and without worker processes.

    The first iteration yields epoch 0 and each further one the next epoch, also after one that was left early, unless
    `set_epoch` or `load_state_dict` says otherwise. Only the newest iteration moves the position that `state_dict`
    reports. The last batch of an epoch is smaller where batch_size does not divide the split, or left out with
    drop_last.

    Args:
        split: at least one sample; with drop_last at least one full batch. Sequences, events or anything else that
            makes its own batches.
        batch_size: samples per batch.
        shuffle: draw a new order for every epoch (see `epoch_order`); otherwise the order of the split.
        seed: at least 0; read only with shuffle or augment.
        drop_last: leave out an incomplete last batch.
        augment: a random change of every sample, new in every epoch, with the generators of `sample_generators`; what
            it is called with depends on the split (`ValueAugment`, `EventAugment`).
    Raises: ValueError if an argument is out of range or no batch can be made.

    Example:
        >>> from longspike.data import Split
        >>> split = Split(values=torch.zeros(5, 3, 1), lengths=torch.full((5,), 3), labels=torch.arange(5))
        >>> loader = BatchLoader(split, batch_size=2, shuffle=False, seed=0)
        >>> [batch.labels.tolist() for batch in loader]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        split: BatchSource[BatchT, AugmentT],
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool = False,
        augment: AugmentT | None = None,
    ) -> None:
        check_positive_int("BatchLoader", "batch_size", batch_size)
        check_positive_int("BatchLoader", "seed", seed, low=0)
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
        self.augment = augment
        self._epoch = 0
        self._next_batch = 0
        self._is_under_way = False
        self._num_iterations = 0

    def __len__(self) -> int:
        """The number of batches of a whole epoch."""
        num_full, rest = divmod(len(self.split), self.batch_size)
        return num_full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[BatchT]:
        """The batches of the epoch that is due, from the position that is due."""
        if self._is_under_way:
            self._move_to(self._epoch + 1, 0)
        self._is_under_way = True
        self._num_iterations += 1
        return self._batches(self._epoch, self._next_batch, self._num_iterations)

    def _batches(self, epoch: int, start_batch: int, iteration: int) -> Iterator[BatchT]:
        """Yield the batches from `start_batch` on; move the loader's position while no newer iteration exists."""
        num_samples = len(self.split)
        order = epoch_order(num_samples, seed=self.seed, epoch=epoch) if self.shuffle else torch.arange(num_samples)
        for index in range(start_batch, len(self)):
            if iteration == self._num_iterations:
                self._next_batch = index + 1
            yield self._draw(order[index * self.batch_size : (index + 1) * self.batch_size], epoch)
        if iteration == self._num_iterations:
            self._move_to(epoch + 1, 0)

    def _draw(self, indices: Tensor, epoch: int) -> BatchT:
        """The batch of these samples, changed by `augment` if there is one."""
        if self.augment is None:
            return self.split.batch(indices)
        rngs = sample_generators(indices, seed=self.seed, epoch=epoch)
        return self.split.batch(indices, augment=self.augment, rngs=rngs)

    def _move_to(self, epoch: int, next_batch: int) -> None:
        """Let the next iteration start there; iterations that run now no longer move the position."""
        self._epoch, self._next_batch = epoch, next_batch
        self._is_under_way = False
        self._num_iterations += 1

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration yield `epoch`, whole.

        The epoch of a state that was just loaded keeps its position, so a training loop that calls this before every
        epoch also resumes where it stopped.
        """
        check_positive_int("BatchLoader.set_epoch", "epoch", epoch, low=0)
        if self._is_under_way or epoch != self._epoch:
            self._move_to(epoch, 0)

    def _settings(self) -> dict[str, int]:
        """What has to be equal for a position to mean the same samples."""
        return {
            "num_samples": len(self.split),
            "batch_size": self.batch_size,
            "shuffle": int(self.shuffle),
            "seed": self.seed,
            "drop_last": int(self.drop_last),
        }

    def state_dict(self) -> dict[str, int]:
        """The position (`epoch`, and `next_batch`, the first batch not yet yielded) and the settings that it needs.

        Within the body of a loop, the batch at hand counts as yielded.
        """
        return {"epoch": self._epoch, "next_batch": self._next_batch, **self._settings()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration yield the batches of `state`'s epoch from its next_batch on; later ones are whole.

        A state that was taken within the last batch of an epoch leaves nothing: the next iteration is empty.

        Raises: ValueError if the state lacks an entry, comes from other settings or lies outside an epoch.
        """
        settings = self._settings()
        missing = sorted({"epoch", "next_batch", *settings} - state.keys())
        if missing:
            raise ValueError(
                f"BatchLoader.load_state_dict: `state` must hold what state_dict() returns; missing {missing}. "
                "Pass a state of a BatchLoader."
            )
        for name, value in settings.items():
            if state[name] != value:
                raise ValueError(
                    f"BatchLoader.load_state_dict: `state` must come from a loader with {name}={value}; "
                    f"got {name}={state[name]}. Build the loader as it was, or start a new epoch with set_epoch."
                )
        check_positive_int("BatchLoader.load_state_dict", "epoch", state["epoch"], low=0)
        check_positive_int("BatchLoader.load_state_dict", "next_batch", state["next_batch"], low=0)
        if state["next_batch"] > len(self):
            raise ValueError(
                f"BatchLoader.load_state_dict: `next_batch` must be at most {len(self)}, the batches of an epoch; "
                f"got {state['next_batch']}. Pass a state of this loader."
            )
        self._move_to(state["epoch"], state["next_batch"])

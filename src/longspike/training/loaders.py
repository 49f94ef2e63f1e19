"""What training asks of a source of batches, and how it finds its place in one: from the number of the step alone."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.lengths import Batch
from longspike._core.normalisation import Factor, plain
from longspike.errors import ConfigError
from longspike.training.seeding import epoch_seed, seed_generators

__all__ = [
    "EpochLoader",
    "FirstBatches",
    "FromStep",
    "LabelledBatch",
    "Loader",
    "Normalised",
    "PlainLoader",
    "labelled",
    "normalisation_of",
]


class LabelledBatch(Protocol):
    """Samples that the network's `classify` knows how to read, and labels (batch)."""

    @property
    def labels(self) -> Tensor: ...


class Loader(Protocol):
    """Batches, anew in every iteration; a DataLoader of PyTorch is one.

    A batch is a `LabelledBatch`, or a plain tuple or list of tensors: (x, labels) or (x, lengths, labels).
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


@runtime_checkable
class EpochLoader(Protocol):
    """Batches as a function of epoch and place; `longspike.data.BatchLoader` is one."""

    @property
    def settings(self) -> dict[str, int]:
        """What has to be equal for the same epoch and place to mean the same batches."""

    def __len__(self) -> int: ...
    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch from number `first` on."""


@runtime_checkable
class Normalised(Protocol):
    """Samples x = values * scale + shift; `longspike.data.Split` holds such."""

    @property
    def scale(self) -> Factor: ...
    @property
    def shift(self) -> Factor: ...


def normalisation_of(loader: EpochLoader | Loader) -> tuple[Factor, Factor] | None:
    """(scale, shift) of the samples that a loader draws from, also of a DataLoader's, or of a subset; None if unknown."""
    source: Any = loader
    while source is not None and not isinstance(source, Normalised):
        source = getattr(source, "split", None) or getattr(source, "dataset", None)
    return None if source is None else (plain(source.scale), plain(source.shift))


class PlainLoader:
    """A loader that only knows how to begin anew, e.g. a DataLoader of PyTorch, as an `EpochLoader`.

    Before an epoch PyTorch's generator is seeded from (seed, epoch); the batches before `first` are drawn and dropped.
    So what PyTorch's generator decides as an epoch begins is repeated: the order of `shuffle=True`, and all randomness in
    worker processes. What a generator of the loader's own decides is not, nor are random changes of samples in this
    process.

    Raises: TypeError if the loader does not know how many batches it has.
    """

    def __init__(self, loader: Loader, *, seed: int) -> None:
        try:
            self._num_batches = len(loader)
        except TypeError as error:
            raise TypeError(
                f"fit: `train_loader` must know how many batches an epoch has; got {describe(loader)} without a length. "
                "Give it a data set with a length."
            ) from error
        self._loader, self._seed = loader, seed

    @property
    def settings(self) -> dict[str, int]:
        """The number of batches: all that is known."""
        return {"num_batches": self._num_batches}

    def __len__(self) -> int:
        return self._num_batches

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch from number `first` on."""
        seed_generators(epoch_seed(self._seed, epoch))
        yield from itertools.islice(self._loader, first, None)


class FirstBatches:
    """The first `count` batches of every epoch of a loader, as an `EpochLoader` of shorter epochs."""

    def __init__(self, loader: EpochLoader, count: int) -> None:
        self._loader, self._count = loader, min(count, len(loader))

    @property
    def settings(self) -> dict[str, int]:
        """The loader's, and how many batches there are."""
        return {**self._loader.settings, "epoch_steps": self._count}

    def __len__(self) -> int:
        return self._count

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch from number `first` on."""
        yield from itertools.islice(self._loader.batches(epoch, first=first), self._count - first)


class FromStep:
    """What Lightning iterates: the batches from where `num_steps_done()` says, epoch, first = divmod(steps, batches).

    The trainer's own step count is thus the only record of the position, in memory and in a checkpoint. It is read when
    the first batch is asked for. The loader's settings are saved beside it, to refuse another loader.
    """

    def __init__(self, loader: EpochLoader, num_steps_done: Callable[[], int]) -> None:
        self._loader, self._num_steps_done = loader, num_steps_done

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        epoch, first = divmod(self._num_steps_done(), len(self._loader))
        yield from self._loader.batches(epoch, first=first)

    def state_dict(self) -> dict[str, int]:
        """The loader's settings."""
        return self._loader.settings

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Raise ConfigError unless the loader's settings are those of `state`."""
        for name, value in self._loader.settings.items():
            if state.get(name, 0) != value:  # 0: what a version that did not know the setting did
                raise ConfigError(
                    f"fit: `train_loader` must be the one that the run began with, {name}={state.get(name)}; got "
                    f"{name}={value}. Build it as it was, or begin another run."
                )


def labelled(batch: Any) -> LabelledBatch:
    """The batch itself, or what a plain tuple or list of tensors, (x, labels) or (x, lengths, labels), stands for.

    Without lengths every step of x (batch, seqlen, ...) is valid.

    Raises: TypeError for a tuple or list of anything else.

    Example:
        >>> labelled((torch.zeros(2, 3, 1), torch.tensor([4, 5]))).lengths
        tensor([3, 3])
    """
    if type(batch) not in (tuple, list):  # a named tuple has names already
        named: LabelledBatch = batch
        return named
    if len(batch) not in (2, 3) or not all(isinstance(part, Tensor) for part in batch) or batch[0].dim() < 2:
        parts = ", ".join(describe(part) for part in batch)
        raise TypeError(
            "a batch must be (x, labels) or (x, lengths, labels), tensors with x of shape (batch, seqlen, ...), or have a "
            f"field `labels`; got ({parts}). Give the loader a collate_fn, e.g. longspike.data.collate."
        )
    x, labels = batch[0], batch[-1]
    lengths = batch[1] if len(batch) == 3 else torch.full((len(x),), x.shape[1], device=x.device)
    return Batch(x, lengths, labels)

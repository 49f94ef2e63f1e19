"""What training asks of a source of batches; `longspike.data.BatchLoader` is one."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class LabelledBatch(Protocol):
    """Samples that the network's `classify` knows how to read, and labels (batch)."""

    @property
    def labels(self) -> Tensor: ...


class Loader(Protocol):
    """Batches of an epoch."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[LabelledBatch]: ...


class ResumableLoader(Loader, Protocol):
    """A loader that can start at any batch of any epoch.

    Its state has the entries `epoch` and `next_batch`, and the settings that have to be equal; batches are a function
    of the state alone.
    """

    def state_dict(self) -> dict[str, int]: ...
    def load_state_dict(self, state: dict[str, int]) -> None: ...

"""What every classifier says of itself and answers to a batch, whatever the batch holds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from longspike.models import checkpoint
from longspike.models.observation import Classification, Observation

__all__ = ["AbstractClassifier", "Summary"]


class Summary(NamedTuple):
    """A network in words, for a report.

    title: its kind in a few words. rate: of what a firing rate is a share. rows: what else to list, heading -> text.
    """

    title: str
    rate: str
    rows: dict[str, str]


class AbstractClassifier(nn.Module, ABC):
    """A network that classifies the batches of a data set: all that training and evaluation know of it.

    A new kind of network needs these members and nothing in either room. `config` is the frozen dataclass that
    describes it completely.
    """

    config: Any

    @property
    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """The spiking layers' names, in the order of their activity; none in a dense network."""

    @property
    @abstractmethod
    def is_causal(self) -> bool:
        """Whether what it says after a step rests on the steps so far alone."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters."""
        return next(self.parameters()).dtype

    @property
    def is_spiking(self) -> bool:
        """Whether any layer spikes."""
        return bool(self.layer_names)

    @abstractmethod
    def summary(self) -> Summary:
        """The network in words."""

    @abstractmethod
    def classify(self, batch: Any) -> Classification:
        """The answer to a batch; differentiable, and as fast as can be."""

    @abstractmethod
    def observe(self, batch: Any, *, fractions: Sequence[float]) -> Observation:
        """The answer to a batch and what led to it: slower than `classify`, for looking.

        Args:
            fractions: after which shares of a sample's steps, in (0, 1), an early answer is wanted.
        Raises: ValueError if the network does not give one answer a sample.
        """

    def save(self, path: str | Path, *, metadata: dict[str, Any] | None = None) -> None:
        """Write weights (safetensors) and configuration (JSON) to the folder `path`, whole or not at all."""
        checkpoint.save(self, self.config, path, metadata=metadata or {})

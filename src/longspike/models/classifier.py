"""What every classifier answers to a batch, whatever the batch holds."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn


class LayerActivity(NamedTuple):
    """Spikes of a layer over a batch (a differentiable scalar), and how many neuron updates could have spiked."""

    num_spikes: Tensor
    num_updates: int

    @property
    def rate(self) -> Tensor:
        """Spikes per update."""
        return self.num_spikes / max(self.num_updates, 1)


class Classification(NamedTuple):
    """Logits (batch, classes) and the activity of every spiking layer (none without spikes)."""

    logits: Tensor
    activity: tuple[LayerActivity, ...]


class AbstractClassifier(nn.Module, ABC):
    """A network that classifies the batches of a data set: what training and testing need to know of it."""

    @abstractmethod
    def classify(self, batch: Any) -> Classification:
        """The answer to a batch."""

    @abstractmethod
    def save(self, path: str | Path, *, metadata: dict[str, Any] | None = None) -> None:
        """Write weights (safetensors) and configuration (JSON) to the folder `path`, whole or not at all."""

"""A recipe: everything that decides the outcome of a training run."""

from dataclasses import asdict, dataclass
from typing import Any

from longspike.data.image_augment import CropAndFlip
from longspike.errors import ConfigError
from longspike.events.augmentation import Augmentation
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig
from longspike.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A named run.

    Attributes:
        name: as in `longspike train NAME`. description: one line.
        data: the data set's name, see `longspike.data.available()`.
        model, training: the network and how it is trained.
        expected: what to expect, and how long it takes, honestly.
        augmentation: random changes of the training samples; None for none.
    """

    name: str
    description: str
    data: str
    model: SpikeSSMConfig | FlamesConfig | FlamesSequenceConfig
    training: TrainingConfig
    expected: str
    augmentation: Augmentation | CropAndFlip | None = None

    def __post_init__(self) -> None:
        mistakes = [
            f"`{name}` must not be empty"
            for name in ("name", "description", "data", "expected")
            if not getattr(self, name).strip()
        ]
        if isinstance(self.model, SpikeSSMConfig):
            mistakes += self._sequence_mistakes(self.model)
        if mistakes:
            raise ConfigError(f"Recipe {self.name!r}: " + "; ".join(mistakes) + ".")

    def _sequence_mistakes(self, model: SpikeSSMConfig) -> list[str]:
        mistakes = []
        if model.pool != "mean":
            mistakes.append(f'`model.pool` must be "mean" to classify sequences; got {model.pool!r}')
        if self.training.rate_target is not None and not model.neuron.is_spiking:
            mistakes.append(
                f"`training.rate_target` has no effect on the neuron {model.neuron.kind!r}, which does not spike; "
                "set it to None"
            )
        return mistakes

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

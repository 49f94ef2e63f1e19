"""A recipe: everything that decides the outcome of a training run."""

from dataclasses import asdict, dataclass
from typing import Any

from longspike._core.errors import ConfigError
from longspike.models.config import SpikeSSMConfig
from longspike.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A named run.

    Attributes:
        name: as in `longspike train NAME`. description: one line.
        data: the data set's name, see `longspike.data.available()`.
        model, training: the network and how it is trained.
        expected: what to expect, and how long it takes, honestly.
    """

    name: str
    description: str
    data: str
    model: SpikeSSMConfig
    training: TrainingConfig
    expected: str

    def __post_init__(self) -> None:
        mistakes = [
            f"`{name}` must not be empty"
            for name in ("name", "description", "data", "expected")
            if not getattr(self, name).strip()
        ]
        if self.model.pool != "mean":
            mistakes.append(f'`model.pool` must be "mean" to classify sequences; got {self.model.pool!r}')
        if self.training.rate_target is not None and not self.model.neuron.is_spiking:
            mistakes.append(
                f"`training.rate_target` has no effect on the neuron {self.model.neuron.kind!r}, which does not spike; "
                "set it to None"
            )
        if mistakes:
            raise ConfigError(f"Recipe {self.name!r}: " + "; ".join(mistakes) + ".")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

"""A recipe: everything that decides the outcome of a training run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from longspike._core.decoding import Decoder
from longspike._core.mistakes import Mistakes, shown
from longspike.data.image_augment import CropAndFlip
from longspike.data.own import OwnData
from longspike.data.sound_augment import SoundAugment
from longspike.errors import ConfigError
from longspike.events.augmentation import Augmentation
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.pair_config import SpikeSSMPairConfig
from longspike.tasks.definition import AbstractTask
from longspike.tasks.table import DEFAULT_TASK, task
from longspike.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A named run.

    Attributes:
        name: as in `longspike train NAME`; also of the run's folder. description: one line.
        data: the data set's name, see `longspike.data.available()`; or own data, as `longspike.data.describe_data` found it.
        model, training: the network and how it is trained.
        expected: what to expect, and how long it takes, honestly.
        augmentation: random changes of the training samples; None for none.
        from_model: a saved model whose weights the network begins with, see `longspike.models.start_from`; None begins with
            random ones.
    """

    name: str
    description: str
    data: str | OwnData
    model: SpikeSSMConfig | SpikeLMConfig | SpikeSSMPairConfig | FlamesConfig | FlamesSequenceConfig
    training: TrainingConfig
    expected: str
    augmentation: Augmentation | CropAndFlip | SoundAugment | None = None
    from_model: str | None = None

    def __post_init__(self) -> None:
        mistakes = Mistakes(f"Recipe {self.name!r}", self)
        for name in ("name", "description", "data", "expected"):
            if isinstance(value := getattr(self, name), str) and not value.strip():
                mistakes.add(f"`{name}` must not be empty")
        if {"/", "\\"} & set(self.name) or self.name in (".", ".."):
            mistakes.add(f"`name` must be the name of a folder, not a path; got {self.name!r}")
        asked, stack = self.task, self._stack
        if isinstance(stack, SpikeSSMConfig):
            self._check_sequence_model(stack, asked, mistakes)
        if self.training.label_smoothing and not asked.has_classes:
            mistakes.add(f"`training.label_smoothing` has no effect on values ({asked.name}); set it to 0")
        mistakes.part(lambda: asked.metric(self.training.selection))
        mistakes.raise_any()

    @property
    def _stack(self) -> Any:
        return self.model.stack if isinstance(self.model, SpikeLMConfig) else self.model

    @property
    def task(self) -> AbstractTask:
        """What is learnt."""
        return task(self._stack.task if isinstance(self._stack, SpikeSSMConfig) else DEFAULT_TASK)

    def _check_sequence_model(self, model: SpikeSSMConfig, asked: AbstractTask, mistakes: Mistakes) -> None:
        if model.block == "attention" and self.training.carry_state:
            mistakes.add(
                "`training.carry_state` must be False with attention, which would remember every step; got True"
            )
        if model.pool != "mean" and asked.reads_out == "sample":
            mistakes.add(f'`model.pool` must be "mean" for the task {asked.name!r}; got {model.pool!r}')
        if self.training.rate_target is not None and not model.neuron.is_spiking:
            mistakes.add(
                f"`training.rate_target` has no effect on the neuron {model.neuron.kind!r}, which does not spike; "
                "set it to None"
            )

    @property
    def data_name(self) -> str:
        """What the command line calls the data: the name of a data set, or the path of own data."""
        return self.data if isinstance(self.data, str) else self.data.path

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> "Recipe":
        """The recipe that `as_dict` wrote, by this version or an earlier one: a field that came later gets its default.

        Raises: ConfigError naming every key that is unknown, or missing and without a default, and every value that does
            not fit.

        Example:
            >>> from longspike.recipes import recipe
            >>> Recipe.from_dict(recipe("digits").as_dict()) == recipe("digits")
            True
        """
        if not isinstance(tree, Mapping):
            raise ConfigError(f"a recipe must be an object with the keys of `Recipe`; got {shown(tree)}.")
        decoder = Decoder(fills_in=True)
        recipe = decoder.decode(cls, tree)
        if recipe is None:
            raise ConfigError(f"the recipe is not valid: {' '.join([*decoder.misread, *decoder.invalid])}")
        return recipe

"""What a network's input and its answers mean: it is saved with the network and applied to what users hand over raw."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from longspike._core.mistakes import Mistakes, shown
from longspike._core.normalisation import Factor, factor, is_factor
from longspike._core.vocabulary import Vocabulary
from longspike.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """The normalisation, the order or the vocabulary of a network's training data, its classes, the pace of its steps.

        x = raw[permutation] * scale + shift

    None means that nobody has said it. FLAMES needs no normalisation; its sensor and step are in its configuration.

    Attributes:
        scale, shift: of the values that were trained on, a number or a tuple of one a channel; both or neither.
        output_scale, output_shift: of a network that was taught a number a sample, output = number * scale + shift.
        class_names: of the outputs, in their order.
        steps_per_second: of the sequences that were trained on.
        samples_per_step: of sounds that were trained on, how many of their samples, full scale being [-1, 1), are a step.
        permutation: step t of what was trained on is raw step permutation[t], as in psmnist; samples of that length only.
        vocabulary: of a network that reads texts.

    Example:
        >>> spec = InputSpec(scale=0.5, shift=1.0, class_names=("cat", "dog"))
        >>> spec.normalised(torch.tensor([4, 0])).tolist(), spec.names(2)
        ([3.0, 1.0], ('cat', 'dog'))
    """

    scale: Factor | None = None
    shift: Factor | None = None
    output_scale: float = 1.0
    output_shift: float = 0.0
    class_names: tuple[str, ...] | None = None
    steps_per_second: float | None = None
    samples_per_step: int | None = None
    vocabulary: Vocabulary | None = None
    permutation: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        mistakes = Mistakes("InputSpec", self)
        if (self.scale is None) is not (self.shift is None):
            mistakes.add("`scale` and `shift` must be given together")
        for name in ("scale", "shift"):
            value = getattr(self, name)
            if value is not None and not is_factor(value, may_be_zero=name == "shift"):
                of = "finite numbers" if isinstance(value, tuple) else "a finite number"
                mistakes.add(f"`{name}` must be {of}{' other than 0' * (name == 'scale')}; got {shown(value)}")
        if not is_factor(self.output_scale, may_be_zero=False) or not is_factor(self.output_shift, may_be_zero=True):
            mistakes.add("`output_scale` and `output_shift` must be finite numbers, `output_scale` not 0")
        names = self.class_names
        if names is not None and not (isinstance(names, tuple) and all(isinstance(name, str) for name in names)):
            mistakes.add(f"`class_names` must be a tuple of texts; got {type(names).__name__}")
        mistakes.numbers("steps_per_second", or_none=True)
        mistakes.integers("samples_per_step", or_none=True)
        if not isinstance(self.vocabulary, Vocabulary | None):
            mistakes.add(f"`vocabulary` must be a Vocabulary, or be None; got {shown(self.vocabulary)}")
        order = self.permutation
        if order is not None and not (isinstance(order, tuple) and order and sorted(order) == list(range(len(order)))):
            mistakes.add(f"`permutation` must be a tuple of the numbers from 0 in any order; got {shown(order)}")
        mistakes.raise_any()

    def ordered(self, raw: Tensor) -> Tensor:
        """Steps (steps, ...) in the order of the training data.

        Raises: ValueError if that is the order of another number of steps.
        """
        if self.permutation is None:
            return raw
        if len(raw) != len(self.permutation):
            raise ValueError(
                f"the model reads {len(self.permutation)} steps, in an order of its own (input_spec.permutation); "
                f"got {len(raw)} steps. Give whole samples."
            )
        return raw[torch.tensor(self.permutation, device=raw.device)]

    def pace_remark(self, steps_per_second: float) -> str:
        """What is to be said of input at this pace: nothing if the training data had the same, to a thousandth."""
        trained = self.steps_per_second
        if trained is None:
            return (
                f"the input has {steps_per_second:g} steps a second; at how many the model was trained it does not say"
            )
        if abs(steps_per_second - trained) <= 1e-3 * trained:
            return ""
        return (
            f"the input has {steps_per_second:g} steps a second, and the model was trained at {trained:g}: "
            "resample the input"
        )

    def check_sound(self, path: Path, steps_per_second: float | None) -> None:
        """Raise ConfigError if a file is a sound of another sampling rate than those that were trained on."""
        size, trained = self.samples_per_step, self.steps_per_second
        if path.suffix.lower() != ".wav" or size is None or trained is None or steps_per_second is None:
            return
        if self.pace_remark(steps_per_second):
            raise ConfigError(
                f"{path} is sampled at {steps_per_second * size:g} Hz, and the model was trained at {trained * size:g} Hz. "
                "Resample the sound."
            )

    def normalised(self, raw: Tensor) -> Tensor:
        """x in float32, as the training data was; raw as float32 where the normalisation is not known."""
        x = raw.to(torch.float32)
        if self.scale is None or self.shift is None:
            return x
        return x.mul(factor(self.scale, x)).add(factor(self.shift, x))

    def names(self, num_outputs: int) -> tuple[str, ...]:
        """One name an output: its number where no names were given, or another number of them."""
        given = self.class_names
        return given if given is not None and len(given) == num_outputs else tuple(map(str, range(num_outputs)))

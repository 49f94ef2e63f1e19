"""A person's own data described once and for all: where it lies, how it is read and divided, and what is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longspike._core.decoding import Decoder
from longspike._core.mistakes import Mistakes
from longspike._core.normalisation import Factor, is_factor
from longspike._core.vocabulary import NUM_BYTES
from longspike.data.own.reading import Reading
from longspike.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnData:
    """What `describe_data` found, in plain values: a recipe keeps it, and `longspike.data.load` makes the data set of it.

    Attributes:
        path: the file or folder, absolute. name: of the data set, and of the run.
        reading: how it is read and divided; nothing in it is left to be inferred.
        task: what is learnt: "classification", one class a sample; "regression", a number a sample; "step_labels", one class
            a step; "forecasting", what comes next; "language", the next byte, character or word of a text.
        class_names: in the order of the labels; of a forecast the values, "wind +1"; what a number is. channel_names: of the
            inputs of a step.
        num_train, num_val, num_test: samples, or pieces of them where time divides them, or tokens of a text.
        num_tokens: of a text, the size of its vocabulary.
        shortest, longest: steps of a sample.
        scale, shift: x = value * scale + shift, as measured on the training samples.
        target_scale, target_shift: of numbers that are learnt, output = number * scale + shift, as measured on the training
            samples.
        steps_per_second: None if the files do not say.
        left_out: columns and arrays that are not read.
        sensor_size: of events, (width, height); None for sequences.
    """

    path: str
    name: str
    reading: Reading
    task: str = "classification"
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...] = ()
    num_train: int
    num_val: int
    num_test: int
    shortest: int = 0
    longest: int = 0
    scale: Factor = 1.0
    shift: Factor = 0.0
    target_scale: float = 1.0
    target_shift: float = 0.0
    steps_per_second: float | None = None
    left_out: tuple[str, ...] = ()
    sensor_size: tuple[int, int] | None = None
    num_tokens: int = NUM_BYTES

    def __post_init__(self) -> None:
        mistakes = Mistakes("the description of the data", self)
        mistakes.integers("num_train", "num_val", "num_test", low=0)
        mistakes.integers("num_tokens")
        if not is_factor(self.scale, may_be_zero=False) or not is_factor(self.shift, may_be_zero=True):
            mistakes.add(f"`scale` and `shift` must be finite, `scale` not 0; got {self.scale} and {self.shift}")
        if not is_factor(self.target_scale, may_be_zero=False) or not is_factor(self.target_shift, may_be_zero=True):
            mistakes.add("`target_scale` and `target_shift` must be finite, `target_scale` not 0")
        mistakes.raise_any()

    @property
    def d_input(self) -> int:
        """The values of a step."""
        return len(self.channel_names)

    @property
    def num_classes(self) -> int:
        """The classes."""
        return len(self.class_names)

    @property
    def has_events(self) -> bool:
        """Whether it holds recordings of events, not sequences."""
        return self.sensor_size is not None

    @property
    def unit(self) -> str:
        """Of a text, what is learnt to come next: bytes, characters or words."""
        return self.reading.unit or "bytes"

    @property
    def division(self) -> str:
        """How the samples were divided, in words."""
        reading = self.reading
        test = "" if reading.test else f"test {reading.test_share:.0%} and "
        if reading.kind == "text":
            return f"{test}validation {reading.val_share:.0%}, both from the end"
        if reading.window is not None:
            last = "the last steps" if reading.test else "the last steps for the test, those before for validation"
            return f"{test}validation {reading.val_share:.0%} by time, {last}; pieces of {reading.window} steps"
        if self.task != "classification" and reading.group is None:
            return f"{test}validation {reading.val_share:.0%} held out, seed {reading.split_seed}"
        how = "by class" if reading.group is None else f"by groups ({reading.group})"
        return f"{test}validation {reading.val_share:.0%} held out {how}, seed {reading.split_seed}"

    @property
    def source(self) -> str:
        """Origin and division in a sentence."""
        given = f", test samples from {Path(self.reading.test).name!r}" if self.reading.test else ""
        counts = f"{self.num_train:,}/{self.num_val:,}/{self.num_test:,}"
        parts = self.unit if self.reading.kind == "text" else "pieces" if self.reading.window else "samples"
        return f"Own data, {Path(self.path).name!r}{given}; {self.division}: {counts} {parts}."


def own_data_of(metadata: Mapping[str, Any]) -> OwnData | None:
    """The own data that a model was trained on, by its metadata; None if it was another data set.

    Raises: ConfigError if the record is damaged.
    """
    recipe = metadata.get("recipe")
    tree = recipe.get("data") if isinstance(recipe, Mapping) else None
    if not isinstance(tree, Mapping):
        return None
    decoder = Decoder(fills_in=True)
    found: OwnData | None = decoder.decode(OwnData, tree, "data")
    if found is None:
        raise ConfigError(
            f"the model's record of its data is damaged: {' '.join(decoder.misread + decoder.invalid)[:200]}"
        )
    return found

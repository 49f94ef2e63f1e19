"""Data sets: three splits, the names of their classes, and where they come from; sequences and events."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from torch import Tensor

from longspike._core.checks import check_positive_int
from longspike._core.vocabulary import Vocabulary
from longspike.data.event_splits import AnyEventSplit
from longspike.data.holdout import HOLDOUT_SEED, SHARE, hold_out
from longspike.data.pair_splits import PairSplit
from longspike.data.ragged_splits import RaggedSplit
from longspike.data.splits import Split
from longspike.data.token_rows import TokenRow
from longspike.data.token_splits import TokenSplit

AnySequenceSplit = Split | RaggedSplit | TokenSplit | PairSplit | TokenRow
"""Sequences of values, of one length or each as long as it is, or of tokens, or pairs of those; or a corpus of tokens."""


class LabelledSplit(Protocol):
    """What a data set asks of its parts."""

    @property
    def labels(self) -> Tensor: ...
    def __len__(self) -> int: ...
    def select(self, indices: Tensor) -> Self: ...


SplitT = TypeVar("SplitT", bound=LabelledSplit)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AbstractBundle(ABC, Generic[SplitT]):
    """The parts of a data set and the checks that they fit together; see `DataBundle` and `EventBundle`."""

    name: str
    train: SplitT
    val: SplitT
    test: SplitT
    num_classes: int
    class_names: tuple[str, ...]
    source: str

    @abstractmethod
    def _common(self) -> dict[str, tuple[object, str]]:
        """What every part has to have: per attribute its value, and the remedy where a part has another."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the parts, their classes and what they have in common agree."""
        where = type(self).__name__
        check_positive_int(where, "num_classes", self.num_classes)
        if len(self.class_names) != self.num_classes:
            raise ValueError(
                f"{where}: `class_names` must have {self.num_classes} entries, one per class; "
                f"got {len(self.class_names)}. Name every class in the order of the labels."
            )
        if not self.source.strip():
            raise ValueError(f"{where}: `source` must name the origin and the terms; got an empty text. Say both.")
        for part, split in (("train", self.train), ("val", self.val), ("test", self.test)):
            self._check_part(f"{where}: ", part, split)

    def _check_part(self, where: str, part: str, split: SplitT) -> None:
        if len(split) == 0:
            raise ValueError(f"{where}`{part}` must hold at least one sample; got none. Hold out fewer.")
        for name, (value, remedy) in self._common().items():
            if getattr(split, name, None) != value:
                raise ValueError(
                    f"{where}`{part}` must have {name}={value}; got {name}={getattr(split, name, None)}. {remedy}"
                )
        if isinstance(split, TokenRow):  # its labels are its tokens, which lie below d_input
            if self.num_classes != split.d_input:
                raise ValueError(
                    f"{where}num_classes must be {split.d_input}, the tokens of `{part}`; got {self.num_classes}. "
                    "Name every token."
                )
            return
        if split.labels.is_floating_point() and split.labels.shape[-1] != self.num_classes:
            raise ValueError(
                f"{where}labels of `{part}` must have num_classes={self.num_classes} values; got {split.labels.shape[-1]}. "
                "Count the outputs as classes."
            )
        if not split.labels.is_floating_point() and int(split.labels.max()) >= self.num_classes:
            raise ValueError(
                f"{where}labels of `{part}` must lie below num_classes={self.num_classes}; "
                f"got max={int(split.labels.max())}. Number the classes from 0."
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DataBundle(AbstractBundle[AnySequenceSplit]):
    """A data set: three splits with one normalisation or one vocabulary, and what a report has to say about them.

    `val` is held out from the published training files with a fixed seed, stratified by class; `test` is the
    published test set and takes no part in any choice.

    Args:
        name: the registry's name.
        train, val, test: each a `Split` or `RaggedSplit` with the same d_input, scale and shift, or each a `TokenSplit`,
            a `PairSplit` or a `TokenRow` with the same d_input; none of them empty.
        num_classes: labels lie in 0 .. num_classes - 1; where they are values, how many there are.
        d_input: of every split: features of a step, or the size of the vocabulary.
        class_names: one name per class, in the order of the labels, or per value.
        source: one sentence on origin and terms, to print beside results.
        vocabulary: by which texts became the tokens; None for other tokens and for values.
        steps_per_second: of every sample; None where nobody has said it. samples_per_step: of sounds, as in `InputSpec`.
        permutation: the order in which the steps of every sample come, as `InputSpec.permutation`; None: as they are.
    Raises: ValueError if the parts do not fit together.
    """

    d_input: int
    vocabulary: Vocabulary | None = None
    permutation: tuple[int, ...] | None = None
    steps_per_second: float | None = None
    samples_per_step: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless the parts, their classes, what they have in common and the vocabulary agree."""
        super(DataBundle, self).__post_init__()  # slots: dataclass makes another class than the one compiled here
        has = self.vocabulary
        if has is not None and (not self.has_tokens or has.size != self.d_input):
            kind = "tokens" if self.has_tokens else "values"
            raise ValueError(
                f"DataBundle: `vocabulary` must be that of tokens, with {self.d_input} of them (d_input); got one of "
                f"{has.size} with {kind}. Leave it out, or encode the texts by it."
            )

    @property
    def has_tokens(self) -> bool:
        """Whether a step is a token; otherwise it is `d_input` values."""
        return isinstance(self.train, TokenSplit | PairSplit | TokenRow)

    @property
    def has_pairs(self) -> bool:
        """Whether a sample is two sequences."""
        return isinstance(self.train, PairSplit)

    def _common(self) -> dict[str, tuple[object, str]]:
        common: dict[str, tuple[object, str]] = {"d_input": (self.d_input, "Build all splits from the same features.")}
        if isinstance(self.train, Split | RaggedSplit):
            one = "Use one normalisation for all splits."
            common |= {"scale": (self.train.scale, one), "shift": (self.train.shift, one)}
        return common


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventBundle(AbstractBundle[AnyEventSplit]):
    """An event data set: three splits, and what a report has to say about them.

    `val` and `test` are the published ones where there are such; otherwise they are held out with a fixed seed,
    stratified by class, and `source` says so. `test` takes no part in any choice.

    Args:
        name: the registry's name.
        train, val, test: splits of one sensor_size, in memory or read on demand, none of them empty.
        num_classes: labels lie in 0 .. num_classes - 1.
        sensor_size: (width, height).
        class_names: one name per class, in the order of the labels.
        source: one sentence on origin and terms, to print beside results.
    Raises: ValueError if the parts do not fit together.
    """

    sensor_size: tuple[int, int]

    def _common(self) -> dict[str, tuple[object, str]]:
        return {"sensor_size": (tuple(self.sensor_size), "Build all splits from the same sensor.")}


def without_validation(split: SplitT, *, seed: int = HOLDOUT_SEED) -> tuple[SplitT, SplitT]:
    """A published training split in two: what is trained on, and one sample in ten for validation (see `hold_out`)."""
    kept, held_out = hold_out(split.labels, num_held_out=max(1, len(split) // SHARE), seed=seed)
    return split.select(kept), split.select(held_out)

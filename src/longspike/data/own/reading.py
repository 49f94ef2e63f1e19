"""How data is read and divided: what a person may say of it, and what is inferred where nothing is said."""

from dataclasses import dataclass

from longspike._core.mistakes import Mistakes
from longspike._core.vocabulary import UNITS
from longspike.data.holdout import HOLDOUT_SEED

KINDS = ("wide", "long", "arrays", "ts", "folder", "events", "text")
NORMALISATIONS = ("channel", "all", "none")
HEADERS = ("yes", "no")
MARKS = ("apart", "kept")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How files of samples are read, and how the samples are divided. None leaves it to be inferred from the files.

    A column is named by its header or by its number, from 1.

    Attributes:
        kind: wide (a table, a row a sample), long (a table, a row a step), arrays (npy, npz), ts (aeon, UCR), folder (a
            folder per class), events (recordings of event cameras, a folder per class), text.
        header: of a table, whether its first line names the columns: yes or no.
        label: the column, or the array, of the labels; for an .npy file the .npy file of the labels.
        sample: of a long table, the column that says which sample a row belongs to.
        time: of a long table, the column by which the rows of a sample are put in order.
        values: the columns of the values, apart by commas; of arrays, the name of the array.
        channels: of a wide table, how many values belong to a step: a row holds step after step.
        group: samples of one group stay together, on one side of the division (a person, a recording): a column; for files,
            which part of their names says it, from 1: in anna_walk_03.csv part 1 is anna.
        frame: of sounds, samples taken together as the channels of one step.
        horizon: of a forecast, how many steps ahead, all of them up to there.
        window: of what is divided by time, the steps of a piece; the network begins anew with each.
        unit: of a text, what is learnt to come next: bytes, characters or words; bytes if nothing is said.
        marks: of words, whether marks stand apart, "so," as "so" and ",", or are kept as they are.
        test: the file or folder of the test samples; without it they are held out.
        test_share: of the samples, held out for testing where no test file is given.
        val_share: of the samples, held out for validation.
        split_seed: of what is held out.
        sensor_size: of recordings of events that do not say it: width,height.
        format: of recordings of events whose content does not tell.
        columns: of recordings of events in text that does not name its columns, such as "t x y p".
        time_unit: of recordings of events in text whose times are no microseconds: s, ms, us or ns.
        normalise: bring every channel by itself, or all of them together, to mean 0 and deviation 1, as measured on the
            training samples; or none.
    Raises: ConfigError naming every mistake.
    """

    kind: str | None = None
    header: str | None = None
    label: str | None = None
    sample: str | None = None
    time: str | None = None
    values: tuple[str, ...] | None = None
    channels: int | None = None
    group: str | None = None
    frame: int | None = None
    horizon: int | None = None
    window: int | None = None
    unit: str | None = None
    marks: str | None = None
    test: str | None = None
    test_share: float = 0.2
    val_share: float = 0.1
    split_seed: int = HOLDOUT_SEED
    normalise: str | None = None
    sensor_size: tuple[int, int] | None = None
    format: str | None = None
    columns: str | None = None
    time_unit: str | None = None

    def __post_init__(self) -> None:
        mistakes = Mistakes("the reading of the data", self)
        mistakes.integers("channels", "frame", "horizon", "window", or_none=True)
        mistakes.integers("split_seed", low=0, high=2**32 - 1)
        mistakes.numbers("test_share", "val_share", high=1)
        choices = {
            "kind": KINDS,
            "header": HEADERS,
            "unit": UNITS,
            "marks": MARKS,
            "normalise": NORMALISATIONS,
        }
        mistakes.choices({name: some for name, some in choices.items() if getattr(self, name) is not None})
        if not mistakes and self.test_share + self.val_share >= 1:
            mistakes.add(
                "`test_share` and `val_share` must leave something to train on; got "
                f"{self.test_share:g} and {self.val_share:g}"
            )
        mistakes.raise_any()

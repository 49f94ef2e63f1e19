"""`longspike train classify DATA` and its like: a recipe for data of one's own, made from what is found in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.train import OWN, RunOptions, carry_out
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from longspike.data import OwnData, Reading
    from longspike.recipes import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnOptions(RunOptions):
    """What `longspike train classify DATA` is told besides the reading of the data and the recipe's fields.

    Args:
        task: What is to be learnt: classify, the class of each sequence; regress, a number for each sequence; label, the
            class of each step; forecast, the values that come next; lm, the next byte, character or word of a text; events,
            the class of each recording of events.
        data: A table (.csv, .tsv, .txt), arrays (.npz, .npy), a .ts file, or a folder with a folder per class; for label
            also a folder of recordings, for lm a text.
    """

    task: Annotated[str, tyro.conf.arg(metavar="TASK")]
    data: Annotated[Path, tyro.conf.arg(metavar="DATA")]


_HELP = """Train a network on data of your own: a table, arrays, a .ts file, or a folder with a folder per class.

What is found in the data is shown first; each line names the option that says it otherwise.
`longspike train classify DATA --help` also lists every field of the recipe that is made for the data, with its value.
"""


def for_own_words(words: Sequence[str]) -> Callable[..., int]:
    """The command for these words, TASK DATA ...: the data is described first, and the recipe's fields become options."""
    from longspike.cli.recipe_fields import changes, field_options, fields_of
    from longspike.cli.waiting import Waiting

    has_data = len(words) > 1 and not words[1].startswith("-")
    if not has_data and not {"-h", "--help"} & set(words):
        raise ConfigError(
            f"DATA is missing. Write `longspike train {words[0]} DATA`, a file or a folder, with the options behind it; "
            f"`longspike train {words[0]} --help` lists them."
        )
    with Waiting(f"{words[0]}: reading the data"):
        from longspike.data import Reading
        from longspike.recipes.own import own_recipe

        readings = fields_of(Reading(), [field.name for field in fields(Reading)])
        own = _described(words[0], Path(words[1]), _said(words[2:], readings)) if has_data else None
    unread = readings()
    if own is None:
        return _helping(readings, unread)
    recipe = own_recipe(own)
    made = field_options(recipe)
    unchanged = made()

    def train_own_fields(
        options: Annotated[OwnOptions, tyro.conf.arg(name="")],
        reading: Annotated[readings, tyro.conf.arg(name="")] = unread,  # type: ignore[valid-type]
        changed: Annotated[made, tyro.conf.arg(name="")] = unchanged,  # type: ignore[valid-type]
    ) -> int:
        return _carry_out(options, recipe, own, (*options.overrides, *changes(changed)))

    train_own_fields.__doc__ = _HELP
    return train_own_fields


def _helping(readings: type, unread: Any) -> Callable[..., int]:
    """The command without data, which has no more than help."""

    def train_own_reading(
        options: Annotated[OwnOptions, tyro.conf.arg(name="")],
        reading: Annotated[readings, tyro.conf.arg(name="")] = unread,  # type: ignore[valid-type]
    ) -> int:
        raise ConfigError("DATA is missing.")

    train_own_reading.__doc__ = _HELP
    return train_own_reading


def _said(words: Sequence[str], readings: type) -> "Reading":
    """How the data is to be read, from the options among the words; what is wrong with other words is found later.

    Raises: ConfigError naming every value that does not fit.
    """
    from longspike._core.decoding import Decoder, Text
    from longspike.data import Reading

    names = {f"--{field.name.replace('_', '-')}": field.name for field in fields(readings)}
    said: dict[str, Text] = {}
    for k, word in enumerate(words):
        option, sign, value = word.partition("=")
        option = option.replace("_", "-")
        if option in names:
            following = words[k + 1] if k + 1 < len(words) else ""
            said[names[option]] = Text(value if sign else following)
    decoder = Decoder(fills_in=True)
    reading: Reading | None = decoder.decode(Reading, said)
    if reading is None:
        texts = [text.replace("--set ", "--") for text in decoder.misread]
        raise ConfigError(" ".join([*texts, *decoder.invalid]))
    return reading


def _described(task: str, path: Path, reading: "Reading") -> "OwnData":
    from dataclasses import replace

    from longspike.data import describe_data

    said = replace(reading, kind="events") if task == "events" else reading
    return describe_data(path, reading=said, task=OWN[task])


def _carry_out(options: OwnOptions, recipe: "Recipe", own: "OwnData", overrides: tuple[str, ...]) -> int:
    from longspike.cli.own_facts import own_facts

    folder = Path("runs") / recipe.name if options.run_dir is None else options.run_dir
    return carry_out(options, recipe, overrides, [str(folder)], told=own_facts(own))

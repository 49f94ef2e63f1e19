"""Parses the words of a command; what is wrong with them is said in a plain line with the remedy."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import partial, wraps

from longspike.errors import ConfigError

Command = Callable[..., int | None]
WORDS = {"INT": "a whole number", "INT INT": "two whole numbers", "FLOAT": "a number"}
BORDER = re.compile(r"^[│|] ?|[│| ]*$")


def parsed(function: Command, name: str, words: Sequence[str]) -> Callable[[], int | None]:
    """The call of `function` that the words after `longspike NAME` ask for; help is printed and ends the process.

    Raises: ConfigError if they ask for none.
    """
    import tyro

    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalRequiredArgs)
    if {"-h", "--help"} & set(words):
        return tyro.cli(_postponed(function), prog=f"longspike {name}", args=words, config=config)
    box = io.StringIO()
    try:
        with redirect_stderr(box), _whole_lines():
            return tyro.cli(_postponed(function), prog=f"longspike {name}", args=words, config=config)
    except SystemExit:
        raise ConfigError(explained(box.getvalue(), name)) from None


def _postponed(function: Command) -> Callable[..., Callable[[], int | None]]:
    """Takes what `function` takes, and returns the call instead of its result."""

    @wraps(function)
    def call_later(*args: object, **options: object) -> Callable[[], int | None]:
        return partial(function, *args, **options)

    return call_later


@contextmanager
def _whole_lines() -> Iterator[None]:
    """Lets a box be as wide as its text, so that no line of it is broken."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "2000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def explained(box: str, name: str) -> str:
    """What tyro's box about the words after `longspike NAME` says, in one or two sentences.

    Example:
        >>> explained("| Unrecognized options: --jsn |\\n| Perhaps you meant: |\\n|     --json |", "info")
        'there is no option --jsn. Did you mean --json? `longspike info --help` lists what there is.'
    """
    text = "\n".join(BORDER.sub("", line) for line in box.splitlines())
    for pattern, say in _SAYINGS:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return f"{say(match, text)} `longspike {name} --help` lists what there is."
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return f"{' '.join(lines[1:3])} `longspike {name} --help` lists what there is."


def _unrecognized(match: re.Match[str], text: str) -> str:
    word = match[1].split(", ")[0]
    if not word.startswith("-"):
        return f"{word!r} is one word too many."
    near = re.search(r"Perhaps you meant:\s+(--[\w.-]+)", text)
    return f"there is no option {word}.{f' Did you mean {near[1]}?' if near else ''}"


def _missing(match: re.Match[str], text: str) -> str:
    """Names stand in the column of the first one, what they are further in."""
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in match[1].splitlines() if re.search(r"\w", line)]
    names = [name for column, name in lines if column == lines[0][0]]
    said = [f"one of {name.strip('{}').replace(',', ', ')}" if name.startswith("{") else name for name in names]
    return f"{' and '.join(said)} {'is' if len(said) == 1 else 'are'} missing."


def _too_few(match: re.Match[str], text: str) -> str:
    return f"{match[1]} needs {'a value' if match[2] == '1' else f'{match[2]} values'}."


def _bad_choice(match: re.Match[str], text: str) -> str:
    choices = re.findall(r"'([^']*)'", match[3])
    if "None" in choices:  # then tyro has them in no order
        choices = sorted(set(choices) - {"None"})
    argument = match[2] if match[2].startswith("-") else match[2].upper()
    return f"{argument} must be one of {', '.join(choices)}; got {match[1]!r}."


def _bad_value(match: re.Match[str], text: str) -> str:
    option = match[1].split("/")[-1]
    form = re.search(rf"Argument helptext:\s+.*?{re.escape(option)} (\S.*)", text)
    kind = (form[1] if form else "a value of its kind").replace("{None}|", "").strip("{} ")
    wanted = WORDS.get(kind, kind)
    got = re.search(r"(?:from \[(.*?)\]|: ('[^']*'))\.?$", match[2], re.MULTILINE)
    return f"{option} must be {wanted}; got {got[1] or got[2]}." if got else f"{option} must be {wanted}."


_SAYINGS: tuple[tuple[str, Callable[[re.Match[str], str], str]], ...] = (
    (r"Missing from [^\n]*:\n(.*?)(?:Unrecognized|For full|\Z)", _missing),
    (r"Unrecognized options: ([^\n]+)", _unrecognized),
    (r"Missing value for argument '([^']+)'\. Expected (\d+)", _too_few),
    (r"invalid choice '([^']*)' for argument '([^']+)'\. Expected one of \((.*?)\)", _bad_choice),
    (r"Error parsing ([^:\n]+): (.*)", _bad_value),
)
"""Patterns of tyro's sentences, and how we say it."""

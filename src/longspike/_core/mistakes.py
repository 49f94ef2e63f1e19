"""Everything that is wrong with a configuration, in one error; and the name that a mistyped one was meant to be."""

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from numbers import Real

from longspike.errors import ConfigError

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 4


def shown(value: object) -> str:
    """A value in a message: of an array or tensor its shape and dtype, of anything else the beginning.

    Example:
        >>> import torch
        >>> shown(torch.zeros(2, 3)), shown("zoh"), shown(list(range(1000)))
        ('a Tensor of shape (2, 3) and dtype torch.float32', "'zoh'", '[0, 1, 2, 3, ...]')
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None and shape != ():
        return f"a {type(value).__name__} of shape {tuple(shape)} and dtype {dtype}"
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " Did you mean 'the nearest known name'?", or nothing if none is near.

    Example:
        >>> "There is no 'smnits'." + did_you_mean("smnits", ("digits", "smnist"))
        "There is no 'smnits'. Did you mean 'smnist'?"
    """
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def is_integer(value: object, *, low: int, high: int | None = None) -> bool:
    """Whether `value` is an integer from `low` to `high`; True and False are none."""
    is_one = isinstance(value, int) and not isinstance(value, bool)
    return is_one and value >= low and (high is None or value <= high)  # type: ignore[operator]


class Mistakes:
    """Checks the fields of a configuration and raises all that is wrong with them at once.

    Args: where: what the message begins with. config: whose fields are checked, by name.

    Example:
        >>> from types import SimpleNamespace
        >>> mistakes = Mistakes("Net", SimpleNamespace(depth=0, width=3))
        >>> mistakes.integers("depth", "width")
        >>> mistakes.add("`width` must be even; got 3")
        >>> mistakes.raise_any()
        Traceback (most recent call last):
        longspike.errors.ConfigError: Net: `depth` must be an integer of at least 1; got 0; `width` must be even; got 3.
    """

    def __init__(self, where: str, config: object) -> None:
        self._where, self._config, self._found = where, config, list[str]()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, mistake: str) -> None:
        """One more."""
        self._found.append(mistake)

    def _expect(self, is_right: Callable[[object], bool], names: tuple[str, ...], what: str, or_none: bool) -> None:
        for name in names:
            value = getattr(self._config, name)
            if not (is_right(value) or (or_none and value is None)):
                self.add(f"`{name}` must {what}{', or be None' if or_none else ''}; got {shown(value)}")

    def integers(self, *names: str, low: int = 1, high: int | None = None, or_none: bool = False) -> None:
        """These fields must be integers of at least `low`, and of at most `high` if there is one."""
        what = f"be an integer of at least {low}{'' if high is None else f' and at most {high}'}"
        self._expect(lambda x: is_integer(x, low=low, high=high), names, what, or_none)

    def numbers(
        self, *names: str, low: float = 0, high: float = math.inf, closed_low: bool = False, or_none: bool = False
    ) -> None:
        """These fields must be finite numbers above `low` (or `low` itself, if closed) and below `high`."""

        def lies(x: object) -> bool:
            is_number = isinstance(x, Real) and not isinstance(x, bool)
            return is_number and (low <= x if closed_low else low < x) and x < high  # type: ignore[operator]

        if math.isfinite(high):
            what = f"lie in {'[' if closed_low else '('}{low:g}, {high:g})"
        else:
            what = f"be at least {low:g} and finite" if closed_low else "be positive and finite"
        self._expect(lies, names, what, or_none)

    def rising(self, first: str, second: str) -> None:
        """0 < first <= second must hold, both finite numbers."""
        values = getattr(self._config, first), getattr(self._config, second)
        is_positive = all(isinstance(x, Real) and 0 < x < math.inf for x in values)  # type: ignore[operator]
        if not (is_positive and values[0] <= values[1]):
            self.add(f"0 < `{first}` <= `{second}` must hold; got {shown(values[0])} and {shown(values[1])}")

    def choices(self, allowed: Mapping[str, tuple[str, ...]]) -> None:
        """Each of these fields must be one of its words."""
        for name, words in allowed.items():
            what = f"be one of {', '.join(map(repr, words))}"
            self._expect(lambda x, words=words: isinstance(x, str) and x in words, (name,), what, False)  # type: ignore[misc]

    def part(self, make: Callable[[], object]) -> None:
        """What `make` raises as ValueError, a ConfigError of a part for example, is a mistake too."""
        try:
            make()
        except ValueError as error:
            self.add(str(error).removeprefix(f"{self._where}: ").removesuffix("."))

    def raise_any(self) -> None:
        """Raise ConfigError if there are any."""
        if self._found:
            raise ConfigError(f"{self._where}: {'; '.join(self._found)}.")

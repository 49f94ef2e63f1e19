"""Plain values into frozen configurations: what is unknown, missing or of another type is collected by name."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from longspike._core.mistakes import did_you_mean, shown

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class Text(str):
    """A value as a user typed it, to be read as the type of its field."""


class Decoder:
    """Reads trees of plain values, as JSON has them, and keeps every mistake instead of stopping at the first.

    Args:
        fills_in: a key that is missing gets its field's default, as files of earlier versions need; else it is a mistake.

    Attributes:
        misread: unknown keys, missing keys, values of another type. invalid: what the configurations refused themselves.
    """

    def __init__(self, *, fills_in: bool = False) -> None:
        self._fills_in = fills_in
        self.misread: list[str] = []
        self.invalid: list[str] = []

    def decode(self, kind: Any, value: Any, key: str = "") -> Any:
        """`value` as a `kind`: a dataclass, an int, float, bool or str, a tuple of those, or a union with None."""
        options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        has_none = type(None) in options
        if has_none and (value is None or (isinstance(value, Text) and value.lower() == "none")):
            return None
        classes = [option for option in options if is_dataclass(option)]
        if classes and isinstance(value, Mapping):
            return self._configuration(min(classes, key=lambda each: len(set(_names(each)) ^ set(value))), value, key)
        target = _target([option for option in options if option is not type(None)], value)
        if get_origin(target) is tuple:
            return self._tuple(get_args(target), value, key)
        try:
            return _scalar(target, value)
        except (ValueError, KeyError, OverflowError):
            what = "an object" if classes else _WORDS[target]
            self._expected(what + (" or none" if has_none else ""), value, key)
            return None

    def _expected(self, what: str, value: Any, key: str) -> None:
        self.misread.append(f"{'--set ' * isinstance(value, Text)}{key}: expected {what}; got {shown(value)}.")

    def _tuple(self, kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...] | None:
        items = [Text(word.strip()) for word in value.split(",") if value.strip()] if isinstance(value, Text) else value
        if kinds[-1] is Ellipsis and isinstance(items, list | tuple):
            kinds = kinds[:1] * len(items)
        if not isinstance(items, list | tuple) or len(items) != len(kinds):
            self._expected(
                "values"
                if kinds[-1] is Ellipsis
                else f"{len(kinds)} values" + " separated by commas" * isinstance(value, Text),
                value,
                key,
            )
            return None
        return tuple(self.decode(kind, item, key) for kind, item in zip(kinds, items, strict=True))

    def _configuration(self, kind: Any, tree: Mapping[str, Any], key: str) -> Any:
        prefix = f"{key}." if key else ""
        known, hints = _names(kind), get_type_hints(kind)
        before = len(self.misread) + len(self.invalid)
        for name in tree:
            if name not in known:
                self.misread.append(f"there is no key {prefix + str(name)!r}.{did_you_mean(str(name), known)}")
        needed = _without_default(kind) if self._fills_in else known
        self.misread += [f"the key {prefix + name!r} is missing." for name in needed if name not in tree]
        values = {name: self.decode(hints[name], tree[name], f"{prefix}{name}") for name in tree if name in known}
        if len(self.misread) + len(self.invalid) > before:
            return None
        try:
            return kind(**values)
        except (ValueError, TypeError) as error:
            self.invalid.append(str(error))
            return None


def _target(options: list[Any], value: Any) -> Any:
    """The option that `value` is read as: of a tuple and others the tuple if it has several parts."""
    has_parts = isinstance(value, list | tuple) or (isinstance(value, Text) and "," in value)
    fitting = [option for option in options if (get_origin(option) is tuple) is has_parts]
    return (fitting or options)[0]


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _without_default(kind: Any) -> list[str]:
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def _scalar(target: Any, value: Any) -> Any:
    if isinstance(value, Text):
        return _BOOLS[value.lower()] if target is bool else target(str(value))
    fitting = (int, float) if target is float else target
    if isinstance(value, bool) is not (target is bool) or not isinstance(value, fitting):
        raise ValueError
    return target(value)

"""The fields of a recipe as options of the command line; each carries the text that --set would take."""

from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import tyro

if TYPE_CHECKING:
    from longspike.recipes import Recipe

_METAVARS = {int: "INT", float: "FLOAT", bool: "BOOL", str: "TEXT", type(None): "none", Ellipsis: "..."}


def field_options(recipe: "Recipe") -> type:
    """A class for tyro with an option for every key of `recipe` that can be changed, and its value as the default."""
    return fields_of(
        recipe, [name for name in ("model", "training", "augmentation") if getattr(recipe, name) is not None]
    )


def changes(options: Any, prefix: str = "") -> Iterator[str]:
    """What was changed, as key=value."""
    for each in fields(options):
        value, key = getattr(options, each.name), f"{prefix}{each.name}"
        if is_dataclass(value):
            yield from changes(value, f"{key}.")
        elif value != each.default:
            yield f"{key}={value}"


def text_of(value: Any) -> str:
    """A value as --set takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def fields_of(config: Any, names: list[str]) -> type:
    """A twin of `config` whose values are texts, so that all mistakes are found at once, when the recipe is whole."""
    hints = get_type_hints(type(config))
    options: list[tuple[str, Any, Any]] = []
    for name in names:
        value = getattr(config, name)
        if is_dataclass(value):
            nested = fields_of(value, [each.name for each in fields(value)])
            options.append((name, nested, field(default_factory=nested)))
        else:
            kind = Annotated[str, tyro.conf.arg(metavar=_metavar(hints[name]))]
            options.append((name, kind, field(default=text_of(value))))
    made = make_dataclass(type(config).__name__, options, kw_only=True, frozen=True)
    made.__doc__ = type(config).__doc__
    return made


def _metavar(kind: Any) -> str:
    if kind in _METAVARS:
        return _METAVARS[kind]
    return ("," if getattr(kind, "__origin__", None) is tuple else "|").join(map(_metavar, get_args(kind)))

"""Changes to a recipe, written as text: `model.d_model=32`."""

import difflib
import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from longspike.errors import ConfigError
from longspike.recipes.definition import Recipe

_SECTIONS = ("model", "training", "augmentation")
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def override_keys(config: Any, prefix: str) -> dict[str, Any]:
    """Every key below `prefix` with the type of its value."""
    hints = get_type_hints(type(config))
    keys: dict[str, Any] = {}
    for field in fields(config):
        value, key = getattr(config, field.name), f"{prefix}.{field.name}"
        keys |= override_keys(value, key) if is_dataclass(value) else {key: hints[field.name]}
    return keys


def _parse(key: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return _parse_tuple(key, text, get_args(kind))
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if text.lower() == "none" and type(None) in options:
        return None
    target = next(option for option in options if option is not type(None))
    try:
        if target is bool:
            return _BOOLS[text.lower()]
        return target(text)
    except (ValueError, KeyError):
        none = " or none" if type(None) in options else ""
        raise ConfigError(f"--set {key}: expected {_WORDS[target]}{none}; got {text!r}.") from None


def _parse_tuple(key: str, text: str, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    words = text.split(",")
    if len(words) != len(kinds):
        raise ConfigError(f"--set {key}: expected {len(kinds)} values separated by commas; got {text!r}.")
    return tuple(_parse(key, word.strip(), kind) for word, kind in zip(words, kinds, strict=True))


def _replaced(config: Any, changes: dict[str, Any], prefix: str) -> Any:
    """`config` with all changes at once, so that it is checked once, when it is whole."""
    new: dict[str, Any] = {}
    for field in fields(config):
        value, key = getattr(config, field.name), f"{prefix}.{field.name}"
        if is_dataclass(value):
            if any(name.startswith(f"{key}.") for name in changes):
                new[field.name] = _replaced(value, changes, key)
        elif key in changes:
            new[field.name] = changes[key]
    return replace(config, **new)


def with_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """`recipe` with fields changed by `key=value` texts, each read as its field's type; "none" where None is allowed.

    Raises: ConfigError for a text without "=", an unknown or repeated key, a value of another type or out of range.

    Example:
        >>> from longspike.recipes import recipe
        >>> with_overrides(recipe("digits"), ["model.neuron.rho=0"]).model.neuron.rho
        0.0
    """
    keys: dict[str, Any] = {}
    present = [section for section in _SECTIONS if getattr(recipe, section) is not None]
    for section in present:
        keys |= override_keys(getattr(recipe, section), section)
    changes: dict[str, Any] = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {text}: expected key=value, for example training.lr=0.005.")
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1) or [k for k in keys if k.endswith(f".{key}")][:1]
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"--set {text}: there is no key {key!r}.{hint} The keys are: {', '.join(keys)}.")
        if key in changes:
            raise ConfigError(f"--set {text}: {key!r} was set before. Give it once.")
        changes[key] = _parse(key, value, keys[key])
    sections, mistakes = {}, []
    for section in present:
        try:
            sections[section] = _replaced(getattr(recipe, section), changes, section)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError(f"the changed recipe is not valid: {' '.join(mistakes)}")
    return replace(recipe, **sections)

"""Changes to a recipe, written as text: `model.d_model=32`."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from longspike._core.decoding import Decoder, Text
from longspike._core.mistakes import did_you_mean
from longspike.errors import ConfigError
from longspike.recipes.definition import Recipe


def override_keys(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every key below `prefix` with the type of its value; of a recipe, those that decide the run."""
    hints = get_type_hints(type(config))
    keys: dict[str, Any] = {}
    for field in fields(config):
        value, key = getattr(config, field.name), f"{prefix}.{field.name}" if prefix else field.name
        if is_dataclass(value) and key != "data":  # what was found in the data belongs together
            keys |= override_keys(value, key)
        elif prefix or key == "from_model":
            keys[key] = hints[field.name]
    return keys


def with_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """`recipe` with fields changed by `key=value` texts, each read as its field's type; "none" where None is allowed.

    Raises: ConfigError naming every text without "=", every unknown or repeated key, and every value of another type or
        out of range.

    Example:
        >>> from longspike.recipes import recipe
        >>> with_overrides(recipe("digits"), ["model.neuron.rho=0"]).model.neuron.rho
        0.0
    """
    tree, keys = recipe.as_dict(), override_keys(recipe)
    mistakes: list[str] = []
    given: set[str] = set()
    has_unknown = False
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign:
            mistakes.append(f"--set {text}: expected key=value, for example training.lr=0.005.")
        elif key not in keys:
            has_unknown = True
            longer = next((each for each in keys if each.endswith(f".{key}")), key)
            mistakes.append(f"--set {text}: there is no key {key!r}.{did_you_mean(longer, keys)}")
        elif key in given:
            mistakes.append(f"--set {text}: {key!r} was set before. Give it once.")
        else:
            given.add(key)
            _put(tree, key, Text(value))
    decoder = Decoder()
    changed = decoder.decode(Recipe, tree)
    mistakes += decoder.misread
    if has_unknown:
        mistakes.append("`longspike recipes RECIPE` lists the keys.")
    if decoder.invalid:
        mistakes.append(f"the changed recipe is not valid: {' '.join(decoder.invalid)}")
    if mistakes:
        raise ConfigError(" ".join(mistakes))
    return changed


def _put(tree: dict[str, Any], key: str, value: Text) -> None:
    *path, name = key.split(".")
    for part in path:
        tree = tree[part]
    tree[name] = value

"""The recipes, resolved, compared with a list that is changed on purpose.

To change it: longspike recipes --json > tests/golden/recipes.json
"""

import json
from pathlib import Path
from typing import Any

from longspike.recipes import Recipe, recipe, recipes

PINNED = json.loads((Path(__file__).parent / "recipes.json").read_text())


def leaves(tree: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {key: leaf for name, value in tree.items() for key, leaf in leaves(value, f"{prefix}.{name}").items()}


def test_every_recipe_is_what_it_was() -> None:
    now = {name: json.loads(json.dumps(recipe(name).as_dict())) for name in recipes()}
    assert list(now) == [pinned["name"] for pinned in PINNED]
    for pinned in PINNED:
        before, after = (leaves(tree, pinned["name"]) for tree in (pinned, now[pinned["name"]]))
        changed = {key: (before.get(key), after.get(key)) for key in before | after}
        changed = {key: pair for key, pair in changed.items() if pair[0] != pair[1]}
        assert changed == {}, "was, is; if on purpose: longspike recipes --json > tests/golden/recipes.json"


def test_every_recipe_is_read_back_whole() -> None:
    for pinned in PINNED:
        assert Recipe.from_dict(pinned) == recipe(pinned["name"])

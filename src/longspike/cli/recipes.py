"""`longspike recipes`: lists the recipes, or shows one."""

from typing import Annotated, Any

import tyro

from longspike.cli.output import print_facts, print_json, print_line, print_table
from longspike.cli.recipe_fields import text_of


def recipes(
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[NAME]")] = None, *, json: bool = False
) -> int:
    """List the recipes, or show one with every value that --set can change.

    Args:
        name: A recipe to show in full; also a Python file of your own, or a run's recipe.json.
        json: Print JSON.
    """
    from longspike.recipes import load
    from longspike.recipes import recipes as recipe_names

    if name is not None:
        chosen = load(name)
        if json:
            print_json(chosen.as_dict())
        else:
            _print_recipe(chosen.as_dict() | {"data": chosen.data_name})
        return 0
    everything = [load(each) for each in recipe_names()]
    if json:
        print_json([each.as_dict() for each in everything])
    else:
        print_table([(each.name, each.description, each.expected) for each in everything])
    return 0


def _print_recipe(tree: dict[str, Any]) -> None:
    print_facts([(key, tree[key]) for key in ("name", "description", "data", "expected")])
    print_line("\nchange with --set key=value, or as an option, e.g. --training.epochs 5:")
    sections = [name for name in ("model", "training", "augmentation") if tree[name] is not None]
    print_table([row for name in sections for row in _rows(tree[name], name)], indent=2)


def _rows(tree: dict[str, Any], prefix: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, value in tree.items():
        name = f"{prefix}.{key}"
        rows += _rows(value, name) if isinstance(value, dict) else [(name, text_of(value))]
    return rows

"""Recipes: runs as plain Python functions that return one frozen description."""

from longspike.recipes.definition import Recipe
from longspike.recipes.loading import load
from longspike.recipes.overrides import override_keys, with_overrides
from longspike.recipes.run import RunResult, run
from longspike.recipes.sweep import SweepRow, Variant, sweep, variants
from longspike.recipes.table import recipe, recipes

__all__ = [
    "Recipe",
    "RunResult",
    "SweepRow",
    "Variant",
    "load",
    "override_keys",
    "recipe",
    "recipes",
    "run",
    "sweep",
    "variants",
    "with_overrides",
]

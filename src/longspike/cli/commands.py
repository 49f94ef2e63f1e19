"""The table of commands; each lives in a file of its own and loads PyTorch only when it runs."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

DESCRIPTION = "Spiking state-space models: train, evaluate, stream."

_COMMANDS = ("train", "recipes", "data", "evaluate", "stream", "bench", "info")
"""Command `name` is the function `name` of the module `longspike.cli.name`."""


def commands() -> dict[str, Callable[..., int | None]]:
    """The commands by name, in the order in which help shows them."""
    table = {}
    for name in _COMMANDS:
        module = f"longspike.cli.{name}"
        if find_spec(module) is not None:
            table[name] = getattr(import_module(module), name)
    return table

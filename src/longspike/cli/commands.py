"""The table of commands; each lives in a file of its own, which is imported only when its command is named."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

_DESCRIPTION = "Spiking state-space models: train, evaluate, stream. `longspike COMMAND --help` says more."

_SUMMARIES = {
    "train": "Train a network by a recipe; it can be stopped and resumed at any moment.",
    "sweep": "Train variants of a recipe, over values and seeds, and compare them in a table.",
    "recipes": "List the recipes, or show one in full.",
    "data": "List, check, fetch, make and locate data sets.",
    "events": "Show what a recording of an event camera holds, or convert it.",
    "evaluate": "Measure a saved model: the metrics of its task, spikes, energy and speed.",
    "predict": "Ask a saved model about the samples of files, one line each.",
    "generate": "Let a language model go on with a text.",
    "stream": "Feed a saved model step by step, or with events, and watch it decide.",
    "bench": "Measure the speed of the operators on this machine.",
    "study": "Answer an open question about the memory: numbers, a plot and a table.",
    "info": "Show versions, the compiled extension, threads and extras.",
}
"""Command `name` is the function `name` of the module `longspike.cli.name`."""


def command_names() -> tuple[str, ...]:
    """The commands that are installed, in the order in which help shows them."""
    return tuple(name for name in _SUMMARIES if find_spec(f"longspike.cli.{name}") is not None)


def command(name: str, words: Sequence[str]) -> Callable[..., int | None]:
    """The function behind a command; a module whose options depend on the words has `for_words`, which finds it."""
    module = import_module(f"longspike.cli.{name}")
    return module.for_words(words) if "for_words" in vars(module) else getattr(module, name)


def overview() -> str:
    """The help of `longspike` itself; it imports no command, so that it comes at once."""
    rows = "".join(f"  • {name:<9} {_SUMMARIES[name]}\n" for name in command_names())
    return f"usage: longspike COMMAND [-h] [OPTIONS]\n\n{_DESCRIPTION}\n\ncommands:\n{rows}"

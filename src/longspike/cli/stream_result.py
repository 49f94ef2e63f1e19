"""How `longspike stream` ends, whatever it was fed with: a comparison, a summary, an exit code."""

from collections.abc import Callable, Sequence
from typing import Any

from longspike.cli.output import print_facts, print_json, print_json_line
from longspike.cli.waiting import Waiting


def compared(is_equal: Callable[[], bool]) -> bool:
    """What `is_equal` says, which runs the whole input at once."""
    with Waiting("comparing with the whole at once"):
        return is_equal()


def finish(
    result: dict[str, Any],
    facts: Sequence[tuple[str, ...]],
    *,
    is_equal: bool | None,
    as_json: bool,
    follows_lines: bool,
) -> int:
    """Print the result, as JSON or as facts and the comparison if there was one; the exit code.

    Args: follows_lines: whether decisions were printed as they were made, each on a line; the result is then one as well.
    """
    if as_json:
        (print_json_line if follows_lines else print_json)(result)
    else:
        words = {None: [], True: [("whole at once", "equal, bit for bit")], False: [("whole at once", "NOT equal")]}
        print_facts([*facts, *words[is_equal]])
    return 1 if is_equal is False else 0


def verdict(result: dict[str, Any]) -> str:
    """Whether a decision is right, where the label is known."""
    if result["label"] is None:
        return ""
    return ", right" if result["label"] == result["decision"] else f", wrong: it is {result['label']}"

"""Lets Sphinx show docstrings that are written to be read in an editor.

In them an indented block after a blank line is a formula, to be shown as it stands; `*`, `|` and a trailing `_` are what
they look like; a section may stand on one line (`Returns: the kept indices.`); and one entry of a section may describe
several arguments (`rho: its magnitude. gamma: its decay.`). This turns them into what Sphinx expects.
"""

import inspect
import re

from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Example|State|Reference):(?: +(.+))?$")
TITLES = {"Args": "Parameters", "Example": "Example"}
LISTED = ("Args", "Attributes", "Raises")
ENTRY = re.compile(r"([\w.]+(?:, [\w.]+)*):(?: +(.*))?$", re.DOTALL)


def _plain(text: str) -> str:
    """Outside backticks, no character has a meaning to reStructuredText."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", re.sub(r"([*|])", r"\\\1", part))
        for part in parts
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _entries(lines: list[str], names: set[str]) -> list[str]:
    """The entries of a section, each as one text; an entry that describes several known names is taken apart."""
    margin = min((_indent(line) for line in lines if line.strip()), default=0)
    joined: list[str] = []
    for line in lines:
        if line.strip() and _indent(line) == margin:
            joined.append(line.strip())
        elif line.strip():
            joined[-1] += f" {line.strip()}"
    found: list[str] = []
    for text in joined:
        start = 0
        for match in re.finditer(r"(?<=\.) (?=(\w+(?:, \w+)*): )", text):
            if set(match[1].split(", ")) <= names:
                found.append(text[start : match.start()])
                start = match.end()
        found.append(text[start:])
    return found


def _listed(lines: list[str], names: set[str]) -> list[str]:
    bullets = []
    for text in _entries(lines, names):
        match = ENTRY.match(text)
        bullets.append(f"    * **{match[1]}**: {_plain(match[2] or '')}" if match else f"    * {_plain(text)}")
    return bullets


def _section(name: str, first: str | None, body: list[str], names: set[str]) -> list[str]:
    """One section, heading included."""
    title = TITLES.get(name, name)
    if name == "Example":
        margin = min((_indent(line) for line in body if line.strip()), default=0)
        said = [f"{_plain(first)}", ""] if first else []
        return ["", f".. rubric:: {title}", "", *said, *(line[margin:] for line in body), ""]
    if name in LISTED and first is None:
        return ["", f":{title}:", *_listed(body, names), ""]
    text = " ".join(part for part in (first or "", *(line.strip() for line in body)) if part)
    return ["", f":{title}:", f"    {_plain(text)}", ""]


def _prose(lines: list[str]) -> list[str]:
    """Paragraphs as they are, indented ones as formulas."""
    result: list[str] = []
    is_formula = False
    for line in lines:
        if not line.strip():
            result.append("")
        elif _indent(line) == 0:
            is_formula = False
            result.append(_plain(line))
        else:
            if not is_formula and (not result or not result[-1]):
                result += [".. code-block:: text", ""]
                is_formula = True
            result.append(line if is_formula else _plain(line.strip()))
    return result


def rewritten(lines: list[str], names: set[str]) -> list[str]:
    """The docstring's lines as Sphinx understands them."""
    result: list[str] = []
    prose: list[str] = []
    k = 0
    while k < len(lines):
        match = SECTION.match(lines[k])
        if match is None:
            prose.append(lines[k])
            k += 1
            continue
        result += _prose(prose)
        prose = []
        end = k + 1
        while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > 0):
            end += 1
        result += _section(match[1], match[2], lines[k + 1 : end], names)
        k = end
    return [*result, *_prose(prose), ""]


def _names(obj: object) -> set[str]:
    """What a docstring may describe: arguments and attributes."""
    try:
        parameters = set(inspect.signature(obj).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        parameters = set()
    return parameters | set(getattr(obj, "__annotations__", {}))


def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The hook that autodoc calls with every docstring."""
    lines[:] = rewritten(lines, _names(obj))


def skip(app: Sphinx, what: str, name: str, obj: object, is_skipped: bool, options: object) -> bool | None:
    """A tuple's fields are described in its own docstring."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

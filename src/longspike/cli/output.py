"""Where output goes and how it looks: results to stdout, progress and errors to stderr; one table for all commands.

On a terminal text folds between words, and a table whose columns do not fit is stacked: a row becomes a few lines. In a
pipe or a file every line is whole, however long.
"""

import json
import sys
from collections.abc import Sequence
from errno import EPIPE
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from longspike._core.guarded import Guarded

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2
WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
UNLIMITED = 1_000_000
_drawn: list["Console"] = []
"""Where something is being redrawn on the last lines of the terminal, the latest last."""
READABLE = 24
"""Characters below which a column of prose is not narrowed."""


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_json_line(value: Any) -> None:
    """One JSON document on a line of stdout, at once: more follow."""
    print_now(json.dumps(value))


def print_now(line: str) -> None:
    """A short line on stdout, which whoever reads it gets at once, also through a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def console(*, is_error: bool = False) -> "Console":
    """Of rich, on stdout or stderr; unlimited in width where that is no terminal."""
    from rich.console import Console, ConsoleDimensions

    class Piped(Console):
        """Leaves it to `main` what a pipe without a reader means; rich would end the process."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(EPIPE, "nobody reads the output")

    stream: Any = Guarded(sys.stderr, drops=True) if is_error else sys.stdout
    if _drawn and stream.isatty():
        return _drawn[-1]
    out = Piped(file=stream, highlight=False, markup=False, emoji=False)
    if not stream.isatty():
        out.width = UNLIMITED
    elif out.is_dumb_terminal:  # rich takes it for one of 80 columns
        out.size = ConsoleDimensions(*get_terminal_size())
    return out


def print_line(text: str = "", *, style: str = "") -> None:
    """A line of a result on stdout."""
    _print_folded(console(), text, style=style)


def note(text: str) -> None:
    """A remark on stderr."""
    out = console(is_error=True)
    _print_folded(out, text)
    out.file.flush()


def begin_drawing(out: "Console") -> None:
    """From now on what is printed on a terminal goes above what `out` redraws there."""
    _drawn.append(out)


def end_drawing(out: "Console") -> None:
    """The end of `begin_drawing`."""
    if out in _drawn:
        _drawn.remove(out)


def print_facts(
    facts: Sequence[tuple[str, ...]], *, title: str = "", remark: str = "", out: "Console | None" = None
) -> None:
    """Names and values, (name, value) or (name, value, what to know of it); an empty tuple leaves a blank line.

    Args: out: on stdout if not given.
    """
    out = console() if out is None else out
    _print_title(out, title)
    longest = max(map(len, facts), default=0)
    _print_rows(out, [fact + ("",) * (longest - len(fact)) for fact in facts], style="dim", last_style="dim")
    if remark:
        _print_folded(out, remark, style="dim")


def print_table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), title: str = "", indent: int = 0) -> None:
    """Rows of equal length, in columns; the header names them."""
    out = console()
    _print_title(out, title)
    _print_rows(out, rows, header=header, style="bold", indent=indent)


def _print_title(out: "Console", title: str) -> None:
    if title:
        _print_folded(out, title, style="bold")


def _print_folded(out: "Console", text: str, *, style: str = "", styled: int | None = None, indent: int = 0) -> None:
    """Lines that fold between words, continued `indent` blanks further in; the first `styled` characters have the style."""
    from rich.text import Text

    for line in text.split("\n"):
        margin = " " * (len(line) - len(line.lstrip()) + indent)
        is_short = len(line) <= out.width
        parts = [line] if is_short else wrap(line, out.width, subsequent_indent=margin, **WHOLE_WORDS) or [""]
        shown = Text("\n".join(parts))
        shown.stylize(style, 0, len(shown) if styled is None else min(styled, len(parts[0])))
        out.print(shown, soft_wrap=True)


def _print_rows(
    out: "Console",
    rows: Sequence[Sequence[str]],
    *,
    style: str,
    last_style: str = "",
    header: Sequence[str] = (),
    indent: int = 0,
) -> None:
    """In columns where all words fit, else stacked. The styles are of the first column, and of the last of three."""
    from rich.table import Table
    from rich.text import Text

    columns = list(zip(*([header, *rows] if header else rows), strict=True))
    widths = _widths(columns, out.width - indent - GAP * (len(columns) - 1))
    if widths is None:
        _print_stacked(out, rows, style=style, header=header, indent=indent)
        return
    grid = Table(box=None, show_header=bool(header), header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for k, width in enumerate(widths):
        column_style = style if k == 0 else last_style if k == 2 else ""
        grid.add_column(Text(header[k]) if header else "", width=width, style=column_style)
    for row in rows:
        grid.add_row(*map(Text, row))
    for line in out.render_lines(grid, out.options.update_width(sum(widths) + GAP * len(widths))):
        text = Text.assemble(" " * indent, *((part.text, part.style or "") for part in line))
        text.rstrip()
        out.print(text, soft_wrap=True)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Cells a column so that all fit, the widest giving way first; None if a word would break or prose be too narrow."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in columns]
    least = [
        max([min(width, READABLE), *(cell_len(word) for cell in column for word in cell.split())])
        for width, column in zip(widths, columns, strict=True)
    ]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        wide = [k for k in range(len(widths)) if widths[k] > least[k]]
        widths[max(wide, key=lambda k: widths[k])] -= 1
    return widths


def _print_stacked(
    out: "Console", rows: Sequence[Sequence[str]], *, style: str, header: Sequence[str], indent: int
) -> None:
    """The first cells of a row on a line, as many as fit, then a line for each of the others, with its column's name."""
    for row in rows:
        named = [f"{header[k]}: {cell}" if header and header[k] else cell for k, cell in enumerate(row)]
        first, *rest = [name for name, cell in zip(named, row, strict=True) if cell] or [""]
        styled = indent + len(first)
        while rest and not header and indent + len(first) + GAP + len(rest[0]) <= out.width:
            first += " " * GAP + rest.pop(0)
        _print_folded(out, " " * indent + first, style=style, styled=styled, indent=GAP)
        for cell in rest:
            _print_folded(out, " " * (indent + GAP) + cell, indent=GAP)

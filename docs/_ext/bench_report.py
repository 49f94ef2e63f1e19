"""The directive `bench-report`: tables and plots of `longspike bench`, made from results/bench.json and events.json."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from longspike.bench import growth_cells, text_cells
from longspike.bench.growth import slope
from longspike.bench.limits import LIMIT
from longspike.evaluation.figures import draw
from longspike.evaluation.style import COLOURS, EDGE, INK, MUTED, series

Lines = list[dict[str, Any]]
BY_SENSOR = "pixels of the sensor"
CHARTED = ("neuron", "ssm", "block")
"""Benchmarks whose tables compare few candidates, so that bars say more than numbers."""


def table_node(cells: Sequence[tuple[str, ...]]) -> nodes.table:
    """A table whose first row is the header."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in cells[0]), cols=len(cells[0]))
    head, body = nodes.thead(), nodes.tbody()
    for number, row in enumerate(cells):
        entries = (nodes.entry("", nodes.paragraph(text=cell)) for cell in row)
        (body if number else head).append(nodes.row("", *entries))
    group += [head, body]
    return nodes.table("", group)


def setting_nodes(report: dict[str, Any]) -> list[nodes.Node]:
    """The command, the machine and the versions that made a result."""
    machine = dict(report["machine"])
    caches = ", ".join(f"{name} {size}" for name, size in machine.pop("caches", {}).items())
    where = [f"{name} {value}" for name, value in machine.items()] + ([f"caches {caches}"] if caches else [])
    versions = [f"{name} {value}" for name, value in report["versions"].items()]
    return [
        nodes.literal_block(report["command"], report["command"], language="text"),
        nodes.paragraph(text=f"Machine: {', '.join(where)}. Versions: {', '.join(versions)}."),
    ]


def resolution_lines(events: dict[str, Any]) -> Lines:
    """Time of an event against the size of the sensor, from the results of longspike.bench.events."""
    lines = []
    for source in dict.fromkeys(row["source"] for row in events["resolution"]):
        rows = [row for row in events["resolution"] if row["source"] == source]
        x = [width * height for width, height in (map(int, row["sensor"].split("x")) for row in rows)]
        ns = [1e3 * row["us_per_event"] for row in rows]
        lines.append(
            {
                "operation": f"FLAMES-Tiny, {source}",
                "by": BY_SENSOR,
                "setting": f"nanoseconds an event, steps of {rows[0]['step_us']} us",
                "x": x,
                "ns_per_element": ns,
                "slope": slope(x, ns),
                "slope_large": slope(x[-3:], ns[-3:]),
            }
        )
    return lines


def image_node(image: str, words: str) -> nodes.raw:
    """A figure that lies in the page itself."""
    return nodes.raw("", f'<p><img src="{image}" alt="{escape(words)}"></p>', format="html")


def _paint_growth(figure: Any, lines: Lines) -> None:
    axes = figure.subplots()
    for k, line in enumerate(lines):
        axes.plot(line["x"], line["ns_per_element"], label=line["operation"], **series(k, marks=True))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(lines[0]["by"])
    axes.set_ylabel("ns per event" if lines[0]["by"] == BY_SENSOR else "ns per element")
    axes.grid(True, axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _paint_bars(figure: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Median times of a table on a logarithmic axis, with lines from the least to the greatest."""
    axes, at = figure.subplots(), range(len(rows))
    middle, low, high = zip(*(row["ms"] for row in rows), strict=True)
    of_kind = {True: EDGE, False: MUTED}
    colours = [COLOURS[0] if "longspike" in row["name"] else of_kind[row["name"].startswith(LIMIT)] for row in rows]
    axes.barh(at, middle, color=colours, height=0.62)
    spread = ([m - a for m, a in zip(middle, low, strict=True)], [b - m for m, b in zip(middle, high, strict=True)])
    axes.errorbar(middle, at, xerr=spread, fmt="none", ecolor=INK, elinewidth=1)
    for k, row in enumerate(rows):
        times = "" if row["times_ours"] in (None, [1, 1, 1]) else f", {row['times_ours'][0]:.3g}x"
        axes.annotate(
            f"{middle[k]:.3g} ms{times}", (high[k], k), (5, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xscale("log")
    axes.set_xlim(min(middle) / 3, max(high) * 4)
    axes.set_yticks(at, [row["name"] for row in rows])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(True, axis="x")
    axes.set_xlabel("milliseconds")


def speed_node(table: dict[str, Any]) -> nodes.raw:
    """Times of a table's candidates as bars."""
    rows = table["rows"]
    image = draw(0.7 + 0.26 * len(rows), lambda figure: _paint_bars(figure, rows), width=7.2)
    return image_node(image, f"milliseconds of each candidate: {table['title']}, {table['setting']}")


def growth_nodes(lines: Lines) -> list[nodes.Node]:
    """A plot and a table for every size that was varied."""
    found: list[nodes.Node] = []
    for by in dict.fromkeys(line["by"] for line in lines):
        some = [line for line in lines if line["by"] == by]
        image = draw(2.9, partial(_paint_growth, lines=some), width=7.2)
        title = f"Growth with the {by}: {some[0]['setting']}"
        found += [nodes.rubric(text=title), image_node(image, f"time against {by}"), table_node(growth_cells(some))]
    return found


def bench_nodes(report: dict[str, Any]) -> list[nodes.Node]:
    """Every table of `longspike bench`, then its growth."""
    found = setting_nodes(report)
    for table in report["tables"]:
        found += [
            nodes.rubric(text=f"{table['title']}: {table['setting']}"),
            *([speed_node(table)] if table["what"] in CHARTED else []),
            table_node(text_cells(table)),
            nodes.paragraph(text=" ".join([f"Counted: {table['counted']}.", *table["remarks"]])),
        ]
    return found + growth_nodes(report["growth"])


class BenchReport(SphinxDirective):
    """The tables and plots of one result file, named by its argument: bench.json or events.json."""

    required_arguments = 1
    _makers: dict[str, Callable[[dict[str, Any]], list[nodes.Node]]] = {  # noqa: RUF012
        "bench.json": bench_nodes,
        "events.json": lambda report: setting_nodes(report) + growth_nodes(resolution_lines(report)),
    }

    def run(self) -> list[nodes.Node]:
        """The nodes; a sentence if there is no such file."""
        path = Path(self.env.srcdir).parent / "results" / self.arguments[0]
        if not path.is_file():
            return [nodes.paragraph(text="This copy of the repository carries no such result; the command makes it.")]
        self.env.note_dependency(str(path))
        return self._makers[path.name](json.loads(path.read_text(encoding="utf-8")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("bench-report", BenchReport)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

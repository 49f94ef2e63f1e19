"""The figures of a report, each as text that an <img> can show: a data address that holds the whole image."""

import base64
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from longspike._core.extras import require
from longspike.evaluation.curves import Curve
from longspike.evaluation.result import AnytimePoint

INK, MUTED, GRID = "#1f2430", "#6b7280", "#e5e7eb"
COLOURS = ("#3b5bdb", "#e8590c", "#2b8a3e", "#9c36b5", "#0c8599", "#c2255c", "#5c940d", "#862e9c")
STYLE = {
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": "#9aa1ad",
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "path",
    "svg.hashsalt": "longspike",
}
MAX_NAME = 24
"""Longer class names are cut in legends."""


def plain(text: str) -> str:
    """`text`, not too long, and without a meaning to matplotlib, where two dollar signs would enclose a formula."""
    short = text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."
    return short.replace("$", r"\$")


def draw(width: float, height: float, kind: str, paint: Any, *args: Any) -> str:
    """Call paint(figure, *args) on an empty figure in the report's style; its image as a data address."""
    matplotlib = require("matplotlib", extra="viz", purpose="The report")
    figure_module = require("matplotlib.figure", extra="viz", purpose="The report")
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a class name in a script without a font
        figure = figure_module.Figure(figsize=(width, height), layout="constrained")
        paint(figure, *args)
        if kind == "svg":
            figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    return f"data:{mime};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _paint_curves(figure: Any, curves: dict[tuple[str, str], Curve]) -> None:
    titles = {"loss": "Loss", "accuracy": "Accuracy", "rate": "Firing rate"}
    quantities = [name for name in titles if any(key[0] == name for key in curves)]
    for axes, quantity in zip(np.atleast_1d(figure.subplots(1, len(quantities))), quantities, strict=True):
        for colour, split, width in ((COLOURS[0], "train", 1.0), (COLOURS[1], "val", 1.8)):
            if (quantity, split) in curves:
                marker = "o" if len(curves[quantity, split][0]) < 30 and split == "val" else None
                axes.plot(
                    *curves[quantity, split], color=colour, linewidth=width, label=split, marker=marker, markersize=3
                )
        axes.set_title(titles[quantity])
        axes.set_xlabel("optimiser step")
        axes.grid(True, axis="y")
        axes.legend()


def curves_figure(curves: dict[tuple[str, str], Curve]) -> str:
    """Loss, accuracy and firing rate during training."""
    num_panels = len({quantity for quantity, _ in curves})
    return draw(max(3.4 * num_panels, 10.2), 2.9, "svg", _paint_curves, curves)


def _paint_anytime(figure: Any, points: Sequence[AnytimePoint], num_classes: int) -> None:
    axes = figure.subplots()
    steps, values = [p.steps for p in points], [p.accuracy for p in points]
    axes.axhline(1 / num_classes, color=MUTED, linewidth=0.8, linestyle="--", label="chance")
    axes.plot(steps, values, color=COLOURS[0], marker="o", markersize=4, linewidth=1.6, label="running read-out")
    axes.set_ylim(0, 1.03)
    axes.set_xlim(0, steps[-1] * 1.03)
    axes.set_xlabel("steps seen")
    axes.set_ylabel("accuracy")
    axes.grid(True, axis="y")
    axes.legend(loc="upper left")


def anytime_figure(points: Sequence[AnytimePoint], num_classes: int) -> str:
    """Accuracy against the number of steps seen."""
    return draw(5.2, 2.9, "svg", _paint_anytime, points, num_classes)


def _paint_rates(figure: Any, rates: Sequence[float], silent: Sequence[float], layers: Sequence[str]) -> None:
    axes = figure.subplots()
    both = ((-0.19, rates, COLOURS[0], "firing rate"), (0.19, silent, "#ced4da", "silent"))
    for offset, values, colour, label in both if silent else ((0.0, rates, COLOURS[0], "firing rate"),):
        bars = axes.barh(np.arange(len(values)) + offset, values, height=0.36, color=colour, label=label)
        axes.bar_label(bars, labels=[f"{value:.1%}" for value in values], padding=3, fontsize=8, color=INK)
    axes.set_yticks(range(len(rates)), layers)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*rates, *silent, 1e-3) * 1.25)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)


def rates_figure(rates: Sequence[float], silent: Sequence[float], layers: Sequence[str]) -> str:
    """Firing rate and share of silent neurons, if known, of every layer."""
    return draw(5.2, max(2.9, 0.55 * len(rates) + 1), "svg", _paint_rates, rates, silent, layers)

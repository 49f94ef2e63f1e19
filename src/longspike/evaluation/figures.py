"""The figures of a report, each as text that an <img> can show: a data address that holds the whole image."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from longspike.evaluation.curves import Curve
from longspike.evaluation.result import AnytimePoint
from longspike.evaluation.style import COLOURS, EDGE, INK, MUTED, data_address, legend_above, plot_curve, series, svg
from longspike.tasks.definition import Metric

WIDTH = 5.2
"""Inches: as wide as a telephone, so that letters keep their size there; a desktop shows two or three side by side."""
MAX_NAME = 24
"""Longer class names are cut in legends."""


def plain(text: str) -> str:
    """`text`, not too long, and without a meaning to matplotlib, where two dollar signs would enclose a formula."""
    short = text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."
    return short.replace("$", r"\$")


def draw(height: float, paint: Callable[[Any], None], *, width: float = WIDTH) -> str:
    """Call paint(figure) on an empty figure in the style of all; its image as a data address."""
    return data_address(svg((width, height), paint, purpose="The report"))


def curve_figures(curves: dict[tuple[str, str], Curve], metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Titles and images of loss, metrics and firing rate during training, as far as they were logged."""
    titles = {"loss": "Loss", **{metric.name: metric.title for metric in metrics}, "rate": "Firing rate"}
    found = [name for name in titles if any(key[0] == name for key in curves)]
    return [(titles[name], draw(2.6, partial(_paint_curve, quantity=name, curves=curves), width=3.9)) for name in found]


def _paint_curve(figure: Any, *, quantity: str, curves: dict[tuple[str, str], Curve]) -> None:
    axes = figure.subplots()
    for k, split in enumerate(("train", "val")):
        if (quantity, split) in curves:
            steps, values = curves[quantity, split]
            has_marks = split == "val" and len(steps) < 30
            plot_curve(axes, steps, values, label=split, **{**series(k, marks=has_marks), "linewidth": 1.0 + k})
    axes.set_xlabel("optimiser step")
    axes.grid(True, axis="y")
    legend_above(axes, columns=2)


def anytime_figure(points: Sequence[AnytimePoint], metric: Metric, chance: float | None) -> str:
    """A metric against the number of steps seen; chance: the line of who guesses, in a plot from 0 to 1, or None."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        steps, values = [p.steps for p in points], [p.value for p in points]
        axes.plot(steps, values, label="running read-out", **series(0, marks=True))
        if chance is not None:
            axes.axhline(chance, color=MUTED, linewidth=1, linestyle=":", label="chance")
            axes.set_ylim(0, 1.03)
        axes.set_xlim(0, steps[-1] * 1.03)
        axes.set_xlabel("steps seen")
        axes.set_ylabel(metric.title)
        axes.grid(True, axis="y")
        legend_above(axes, columns=2)

    return draw(2.9, paint)


def rates_figure(rates: Sequence[float], silent: Sequence[float], layers: Sequence[str]) -> str:
    """Firing rate and share of silent neurons, if known, of every layer."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        both = ((-0.19, rates, COLOURS[0], "firing rate"), (0.19, silent, EDGE, "silent"))
        for offset, values, colour, label in both if silent else ((0.0, rates, COLOURS[0], "firing rate"),):
            bars = axes.barh(np.arange(len(values)) + offset, values, height=0.36, color=colour, label=label)
            axes.bar_label(bars, labels=[f"{value:.1%}" for value in values], padding=3, fontsize=8, color=INK)
        axes.set_yticks(range(len(rates)), layers)
        axes.invert_yaxis()
        axes.set_xlim(0, max(*rates, *silent, 1e-3) * 1.25)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(True, axis="x")
        legend_above(axes, columns=2)

    return draw(max(2.9, 0.55 * len(rates) + 1), paint)

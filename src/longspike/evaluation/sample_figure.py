"""The figure of a sample: its input, the spikes of the layers and the answers over time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from longspike.evaluation.figures import draw, plain
from longspike.evaluation.result import Sample
from longspike.evaluation.style import COLOURS, GRID, INK, MAX_POINTS, plot_curve, series
from longspike.models.observation import EventInput, Trace

MAX_VALUES = 3
"""Outputs whose values are drawn."""
MAX_INPUT_LINES = 3
"""Inputs with more features are drawn as an image."""
BINS = 120
"""Of the event rate over time."""
PICTURES = 1.9
"""Inches that the images of events are high."""
POLARITIES = (("off events", COLOURS[1]), ("on events", COLOURS[0]))


class _Clock(NamedTuple):
    """When spikes and probabilities are, in the unit of the axis, and the axis itself."""

    times: np.ndarray
    low: float
    high: float
    label: str


def _clock(trace: Trace) -> _Clock:
    if isinstance(trace.x, EventInput):
        last_us = max([int(trace.x.t_us[-1]) + 1, *trace.times[-1:].tolist()])  # there may be no tick
        return _Clock(trace.times / 1e6, 0.0, last_us / 1e6, "seconds")
    return _Clock(trace.times, -0.5, len(trace.times) - 0.5, "step")


def event_images(image: np.ndarray) -> np.ndarray:
    """(2, height, width, 4) in [0, 1]: off and on events of (2, height, width) counts, each in its own colour.

    Transparent without events. Opacity grows with the square root of the count, up to the 99th percentile of the counts.
    """
    counts = image.astype(np.float64)
    full = np.quantile(counts[counts > 0], 0.99) if counts.any() else 1.0
    return np.stack(
        [_shade(np.sqrt(each / full), colour) for each, (_, colour) in zip(counts, POLARITIES, strict=True)]
    )


def _shade(strength: np.ndarray, colour: str) -> np.ndarray:
    """(..., 4): `colour`, written #rrggbb, as opaque as `strength` (...), cut to [0, 1]."""
    rgb = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return np.concatenate([np.broadcast_to(rgb, (*strength.shape, 3)), strength.clip(0, 1)[..., None]], axis=-1)


def _paint_event_rate(axes: Any, events: EventInput, clock: _Clock) -> None:
    counts, edges = np.histogram(events.t_us / 1e6, bins=BINS, range=(clock.low, clock.high))
    axes.stairs(counts / np.diff(edges), edges, color=INK, fill=True, alpha=0.75)
    axes.set_ylabel("events/s")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 4))


def _paint_numbers(axes: Any, x: np.ndarray, clock: _Clock) -> None:
    if x.shape[1] > MAX_INPUT_LINES:
        strength = (x.T - x.min()) / max(float(np.ptp(x)), 1e-12)
        extent = (clock.low, clock.high, x.shape[1], 0)
        axes.imshow(_shade(strength, COLOURS[0]), aspect="auto", interpolation="nearest", extent=extent)
    else:
        for k in range(x.shape[1]):
            colour = COLOURS[k] if x.shape[1] > 1 else INK
            plot_curve(axes, clock.times, x[:, k], color=colour, linewidth=0.9, drawstyle="steps-mid")
    axes.set_ylabel("input")


def is_banded(sample: Sample) -> bool:
    """Whether the input is longer than it is drawn, as a mean in a band."""
    x = sample.trace.x
    return not isinstance(x, EventInput) and x.shape[1] <= MAX_INPUT_LINES and len(x) > MAX_POINTS


def _paint_input(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    x = sample.trace.x
    if isinstance(x, EventInput):
        _paint_event_rate(axes, x, clock)
    else:
        _paint_numbers(axes, x, clock)


def _paint_spikes(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    """All layers under each other, one row a neuron, a colour a layer."""
    base, centres = 0, []
    for k, layer in enumerate(sample.trace.spikes):
        steps, neurons = np.nonzero(layer)
        size = float(np.clip(1400 / max(len(layer), 1), 0.5, 9))
        colour = COLOURS[k % len(COLOURS)]
        axes.scatter(
            clock.times[steps], neurons + base, s=size, marker="s", linewidths=0, color=colour, rasterized=True
        )
        centres.append(base + layer.shape[1] / 2)
        base += layer.shape[1]
        axes.axhline(base - 0.5, color=GRID, linewidth=1)
    axes.set_ylim(base - 0.5, -0.5)
    axes.set_yticks(centres, sample.trace.layer_names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _paint_probabilities(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    """Of the leading classes in colour; each answer holds until the next."""
    probabilities = sample.trace.answers
    if probabilities is None or not len(probabilities):
        axes.text(0.5, 0.5, "no tick", transform=axes.transAxes)
        return
    times = np.append(clock.times, clock.high)
    held = np.concatenate([probabilities, probabilities[-1:]])
    judged = {sample.label, sample.prediction} if isinstance(sample.label, int) else set()
    leading = set(np.argsort(probabilities.max(axis=0))[-4:].tolist()) | judged
    order = sorted(leading, key=lambda c: -float(probabilities[-1, c]))
    axes.plot(times, np.delete(held, order, axis=1), color=GRID, linewidth=0.8, drawstyle="steps-post")
    for k, c in enumerate(order):
        name = plain(names[c]) + (" (true)" if judged and c == sample.label else "")
        axes.plot(times, held[:, c], label=name, drawstyle="steps-post", **series(k))
    axes.set_ylim(-0.02, 1.05)
    axes.set_ylabel("probability")


def _paint_values(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    """The first outputs in colour, and what they should be in dashes: a value of every step, or one."""
    answers = sample.trace.answers
    if answers is None:
        return
    for k in range(min(MAX_VALUES, answers.shape[1])):
        look = series(k)
        plot_curve(axes, clock.times, answers[:, k], label=plain(names[k]), **look)
        true = np.broadcast_to(sample.label[..., k], len(answers))
        axes.plot(clock.times, true, color=look["color"], linestyle="--", linewidth=0.9)
    axes.set_ylabel("values")


PANELS = {
    "input": _paint_input,
    "spikes": _paint_spikes,
    "probabilities": _paint_probabilities,
    "values": _paint_values,
}


def _heights(trace: Trace, has_classes: bool) -> dict[str, float]:
    """The panels that this sample has, from above, and their heights in inches."""
    neurons = sum(layer.shape[1] for layer in trace.spikes)
    heights = {"input": 0.9}
    if neurons:
        heights["spikes"] = 1.0 + min(neurons, 600) / 120
    if trace.answers is not None:
        heights["probabilities" if has_classes else "values"] = 1.1
    return heights


def _paint_pictures(figure: Any, place: Any, image: np.ndarray) -> None:
    """Off and on events apart: where both are, no mixture of two colours could be read."""
    for (title, colour), picture, part in zip(POLARITIES, event_images(image), place.subgridspec(1, 2), strict=True):
        axes = figure.add_subplot(part)
        axes.imshow(picture, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=GRID)
        axes.set_title(title, color=colour, fontsize=9)


def _paint(figure: Any, sample: Sample, names: Sequence[str], heights: dict[str, float]) -> None:
    clock, x = _clock(sample.trace), sample.trace.x
    pictures = {"pictures": PICTURES} if isinstance(x, EventInput) else {}
    grid = figure.add_gridspec(len(pictures) + len(heights), 1, height_ratios=[*pictures.values(), *heights.values()])
    if isinstance(x, EventInput):
        _paint_pictures(figure, grid[0], x.image)
    panels: list[Any] = []
    for k, name in enumerate(heights):
        axes = figure.add_subplot(grid[len(pictures) + k], sharex=panels[0] if panels else None)
        PANELS[name](axes, sample, clock, names)
        axes.tick_params(labelbottom=k == len(heights) - 1)
        panels.append(axes)
    panels[-1].set_xlim(clock.low, clock.high)
    if clock.label == "step":
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlabel(clock.label)
    if panels[-1].get_legend_handles_labels()[0]:
        figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def sample_figure(sample: Sample, names: Sequence[str], *, has_classes: bool) -> str:
    """The input, the spikes of every neuron and the answers over time; of events, an image of each polarity too.

    Args:
        names: of the outputs. has_classes: whether they are classes, whose answers are probabilities, or values.
    """
    heights = _heights(sample.trace, has_classes)
    height = 1.2 + sum(heights.values()) + (PICTURES if isinstance(sample.trace.x, EventInput) else 0)
    return draw(height, lambda figure: _paint(figure, sample, names, heights))

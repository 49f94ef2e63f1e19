"""The figure of a sample: its input, the spikes of the layers and class probabilities over time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from longspike.evaluation.figures import COLOURS, GRID, INK, draw, plain
from longspike.evaluation.result import Sample
from longspike.models.observation import EventInput, Trace

MAX_INPUT_LINES = 3
"""Inputs with more features are drawn as an image."""
BINS = 120
"""Of the event rate over time."""
ON, OFF = np.array([0.23, 0.36, 0.86]), np.array([0.91, 0.35, 0.05])


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


def event_image(image: np.ndarray) -> np.ndarray:
    """(height, width, 3) in [0, 1]: white without events, blue where on, orange where off events prevail.

    Brightness falls with the square root of a pixel's count up to the 99th percentile of the active pixels.
    """
    counts = image.astype(np.float64)
    total = counts.sum(axis=0)
    full = np.quantile(total[total > 0], 0.99) if total.any() else 1.0
    strength = np.sqrt(total / full).clip(0, 1)[..., None]
    share_on = (counts[1] / np.maximum(total, 1))[..., None]
    return 1 - strength * (1 - (share_on * ON + (1 - share_on) * OFF))


def _paint_event_rate(axes: Any, events: EventInput, clock: _Clock) -> None:
    counts, edges = np.histogram(events.t_us / 1e6, bins=BINS, range=(clock.low, clock.high))
    axes.stairs(counts / np.diff(edges), edges, color=INK, fill=True, alpha=0.75)
    axes.set_ylabel("events/s")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 4))


def _paint_values(axes: Any, x: np.ndarray, clock: _Clock) -> None:
    if x.shape[1] > MAX_INPUT_LINES:
        axes.imshow(
            x.T, aspect="auto", cmap="Greys", interpolation="nearest", extent=(clock.low, clock.high, x.shape[1], 0)
        )
    else:
        for k in range(x.shape[1]):
            colour = COLOURS[k] if x.shape[1] > 1 else INK
            axes.plot(clock.times, x[:, k], color=colour, linewidth=0.9, drawstyle="steps-mid")
    axes.set_ylabel("input")


def _paint_input(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    x = sample.trace.x
    if isinstance(x, EventInput):
        _paint_event_rate(axes, x, clock)
    else:
        _paint_values(axes, x, clock)


def _paint_spikes(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    """All layers under each other, one row a neuron, a colour a layer."""
    base, centres = 0, []
    for k, layer in enumerate(sample.trace.spikes):
        steps, neurons = np.nonzero(layer)
        size = float(np.clip(1400 / max(len(layer), 1), 0.5, 9))
        colour = COLOURS[k % len(COLOURS)]
        axes.scatter(clock.times[steps], neurons + base, s=size, marker="s", linewidths=0, color=colour)
        centres.append(base + layer.shape[1] / 2)
        base += layer.shape[1]
        axes.axhline(base - 0.5, color=GRID, linewidth=1)
    axes.set_ylim(base - 0.5, -0.5)
    axes.set_yticks(centres, sample.trace.layer_names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _paint_probabilities(axes: Any, sample: Sample, clock: _Clock, names: Sequence[str]) -> None:
    """Of the leading classes in colour; each answer holds until the next."""
    probabilities = sample.trace.probabilities
    if probabilities is None or not len(probabilities):
        axes.text(0.5, 0.5, "no tick", transform=axes.transAxes)
        return
    times = np.append(clock.times, clock.high)
    held = np.concatenate([probabilities, probabilities[-1:]])
    leading = set(np.argsort(probabilities.max(axis=0))[-4:].tolist()) | {sample.label, sample.prediction}
    order = sorted(leading, key=lambda c: -float(probabilities[-1, c]))
    axes.plot(times, np.delete(held, order, axis=1), color=GRID, linewidth=0.8, drawstyle="steps-post")
    for k, c in enumerate(order):
        name = plain(names[c]) + (" (true)" if c == sample.label else "")
        style = {"color": COLOURS[k], "linewidth": 1.6, "linestyle": "-" if k < 4 else "--"}
        axes.plot(times, held[:, c], label=name, drawstyle="steps-post", **style)
    axes.set_ylim(-0.02, 1.05)
    axes.set_ylabel("probability")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


PANELS = {"input": _paint_input, "spikes": _paint_spikes, "probabilities": _paint_probabilities}


def _heights(trace: Trace) -> dict[str, float]:
    """The panels that this sample has, from above, and their heights in inches."""
    neurons = sum(layer.shape[1] for layer in trace.spikes)
    heights = {"input": 0.9}
    if neurons:
        heights["spikes"] = 1.0 + min(neurons, 600) / 120
    if trace.probabilities is not None:
        heights["probabilities"] = 1.1
    return heights


def _paint(figure: Any, sample: Sample, names: Sequence[str]) -> None:
    heights, clock, x = _heights(sample.trace), _clock(sample.trace), sample.trace.x
    widths = (1, 1.7) if isinstance(x, EventInput) else (1,)
    grid = figure.add_gridspec(len(heights), len(widths), width_ratios=widths, height_ratios=list(heights.values()))
    if isinstance(x, EventInput):
        picture = figure.add_subplot(grid[:, 0])
        picture.imshow(event_image(x.image), interpolation="nearest")
        picture.set_xticks([])
        picture.set_yticks([])
        picture.set_title(f"{len(x.t_us):,} events, {len(clock.times):,} ticks")
    panels: list[Any] = []
    for k, name in enumerate(heights):
        axes = figure.add_subplot(grid[k, -1], sharex=panels[0] if panels else None)
        PANELS[name](axes, sample, clock, names)
        axes.tick_params(labelbottom=k == len(heights) - 1)
        panels.append(axes)
    panels[-1].set_xlim(clock.low, clock.high)
    if clock.label == "step":
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlabel(clock.label)


def sample_figure(sample: Sample, names: Sequence[str]) -> str:
    """The input, the spikes of every neuron and class probabilities over time; beside them, an image of all events.

    Args:
        names: of the classes.
    """
    height = 0.7 + sum(_heights(sample.trace).values())
    return draw(
        10.2, max(height, 4.4) if isinstance(sample.trace.x, EventInput) else height, "png", _paint, sample, names
    )

"""The figure of an event sample in a report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from longspike.evaluation.event_result import EventTrace
from longspike.evaluation.figures import COLOURS, GRID, INK, draw, plain

BINS = 120
"""Of the event rate over time."""
ON, OFF = np.array([0.23, 0.36, 0.86]), np.array([0.91, 0.35, 0.05])


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


def _paint_rate(axes: Any, sample: EventTrace, end_s: float) -> None:
    counts, edges = np.histogram(sample.t_us / 1e6, bins=BINS, range=(0, end_s))
    axes.stairs(counts / np.diff(edges), edges, color=INK, fill=True, alpha=0.75)
    axes.set_ylabel("events/s")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 4))


def _paint_raster(axes: Any, sample: EventTrace) -> None:
    """All memory blocks under each other, one row a channel, a colour a block."""
    base, centres = 0, []
    for k, block in enumerate(sample.spikes):
        ticks, channels = np.nonzero(block)
        size = float(np.clip(1400 / max(len(sample.tick_us), 1), 0.5, 9))
        times = sample.tick_us[ticks] / 1e6
        axes.scatter(times, channels + base, s=size, marker="s", linewidths=0, color=COLOURS[k % len(COLOURS)])
        centres.append(base + block.shape[1] / 2)
        base += block.shape[1]
        axes.axhline(base - 0.5, color=GRID, linewidth=1)
    axes.set_ylim(base - 0.5, -0.5)
    axes.set_yticks(centres, [f"memory {k + 1}" for k in range(len(sample.spikes))])
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _paint_probabilities(axes: Any, sample: EventTrace, names: Sequence[str], end_s: float) -> None:
    probabilities = sample.probabilities
    if probabilities is None or not len(probabilities):
        axes.text(0.5, 0.5, "no tick" if probabilities is not None else "not streamed", transform=axes.transAxes)
        return
    times = np.append(sample.tick_us / 1e6, end_s)
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


def _paint(figure: Any, sample: EventTrace, names: Sequence[str]) -> None:
    grid = figure.add_gridspec(3, 2, width_ratios=(1, 1.7), height_ratios=(0.8, 1.6, 1.2))
    picture = figure.add_subplot(grid[:, 0])
    picture.imshow(event_image(sample.image), interpolation="nearest")
    picture.set_xticks([])
    picture.set_yticks([])
    picture.set_title(f"{len(sample.t_us):,} events, {len(sample.tick_us):,} ticks")
    end_s = max(float(sample.t_us[-1] + 1) / 1e6, float(sample.tick_us[-1]) / 1e6 if len(sample.tick_us) else 0.0)
    rate = figure.add_subplot(grid[0, 1])
    _paint_rate(rate, sample, end_s)
    raster = figure.add_subplot(grid[1, 1], sharex=rate)
    _paint_raster(raster, sample)
    probabilities = figure.add_subplot(grid[2, 1], sharex=rate)
    _paint_probabilities(probabilities, sample, names, end_s)
    for axes in (rate, raster):
        axes.tick_params(labelbottom=False)
    probabilities.set_xlim(0, end_s)
    probabilities.set_xlabel("seconds")


def event_figure(sample: EventTrace, names: Sequence[str]) -> str:
    """All events in one image; beside it, over time, their rate, the memory's spikes and class probabilities."""
    return draw(10.2, 4.4, "png", _paint, sample, names)

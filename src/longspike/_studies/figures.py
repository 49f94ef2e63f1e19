"""The plots of the studies, in the style of the evaluation's report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longspike._core.extras import require
from longspike._core.files import replace_text
from longspike._studies.rank import RankStudy
from longspike._studies.retention import RetentionPoint, RetentionStudy
from longspike._studies.transitions import DECAYS, RULES, TransitionPoint, TransitionStudy
from longspike.evaluation.style import COLOURS, MARKERS, MUTED, series, svg

PURPOSE = "The plot of a study"
SILENCE_FACTOR = 4.0
"""Silence is drawn this far right of the longest interval."""


def require_plots() -> None:
    """Raise MissingExtraError before a study starts that could not draw its plot."""
    require("matplotlib", extra="viz", purpose=PURPOSE)


def save_figure(path: Path, size: tuple[float, float], paint: Callable[[Any], None]) -> Path:
    """Call paint(figure) on an empty figure of `size` inches and write it as SVG, the same bytes for the same figures."""
    image = svg(size, paint, purpose=PURPOSE)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, image)
    return path


def _grid(axes: Any) -> None:
    axes.grid(True, axis="y")


def _legend_below(figure: Any, axes: Any) -> None:
    """One legend for all panels, where no curve is."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=6)


def _transition_line(axes: Any, points: Sequence[TransitionPoint], quantity: str, **style: Any) -> None:
    axes.plot([p.size for p in points], [max(getattr(p, quantity), 1e-16) for p in points], **style)


def transitions_figure(study: TransitionStudy, path: Path) -> Path:
    """Norm and radius of T, error of T and of the state, against |A| Dt; a column for each rank, dashed without decay."""
    rows = {
        "radius": "spectral radius of T",
        "norm": "norm of T",
        "error": "error of T",
        "state_error": "error of the state",
    }

    def paint(figure: Any) -> None:
        grid = figure.subplots(len(rows), len(study.settings.ranks), sharex=True, sharey="row", squeeze=False)
        for column, rank in enumerate(study.settings.ranks):
            for row, (quantity, title) in enumerate(rows.items()):
                axes = grid[row, column]
                for k, rule in enumerate(RULES):
                    for decay, line in zip(DECAYS, ("-", "--"), strict=True):
                        points = [p for p in study.points if (p.rank, p.decay, p.rule) == (rank, decay, rule)]
                        if rule != "expm" or row < 2:
                            label = rule if decay == DECAYS[0] else None
                            style = {**series(k, marks=True), "linestyle": line, "markevery": (5 * k, 20)}
                            _transition_line(axes, points, quantity, label=label, **style)
                for limit in study.limits:
                    if limit.rank == rank and limit.radius_exceeds_1 and row == 0:
                        line = "-" if limit.decay == DECAYS[0] else "--"
                        axes.axvline(limit.radius_exceeds_1, color=COLOURS[2], linewidth=0.7, linestyle=line)
                axes.set_xscale("log")
                axes.set_yscale("log")
                axes.set_ylim((1e-3, 1e6) if row < 2 else (1e-7, 1e4))
                axes.minorticks_off()
                axes.set_title(f"{title}, rank {rank}")
                _grid(axes)
            grid[-1, column].set_xlabel("|A| Dt")
        figure.suptitle(
            "solid: spike-aware decay; dashed: none; vertical: taylor2 unstable from here", fontsize=8, color=MUTED
        )
        _legend_below(figure, grid[0, 0])

    return save_figure(path, (3.9 * len(study.settings.ranks), 8.6), paint)


def rank_figure(study: RankStudy, path: Path) -> Path:
    """Error of the read-out against lag for every bandwidth; test accuracy; cost of a tick."""

    def paint(figure: Any) -> None:
        panels = figure.subplots(1, len(study.settings.cycles) + 2, squeeze=False)[0]
        for axes, cycles in zip(panels, study.settings.cycles, strict=False):
            for k, rank in enumerate(study.settings.ranks):
                found = next(s for s in study.spans if (s.rank, s.cycles) == (rank, cycles)).spans
                errors = np.array([span.errors for span in found])
                style = {**series(k, marks=True), "markevery": (2 * k, 8)}
                axes.plot(found[0].lags, errors.mean(axis=0), label=f"rank {rank}", **style)
            axes.set_title(f"{cycles:g} cycles per 1/dt")
            axes.set_xlabel("lag, units of 1/dt")
            axes.set_ylim(0, 1.1)
            _grid(axes)
        panels[0].set_ylabel("error of the best linear read-out")
        _legend_below(figure, panels[0])
        at = np.arange(len(study.settings.ranks))
        names = [f"rank {rank}" for rank in study.settings.ranks]
        accuracy, cost = panels[-2], panels[-1]
        for k, each in enumerate(study.accuracies):
            colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
            accuracy.plot([k] * len(each.accuracies), each.accuracies, marker, color=colour, markersize=4)
            accuracy.plot([k - 0.2, k + 0.2], [each.mean] * 2, color=colour, linewidth=1.6)
        accuracy.set_title(f"{study.settings.data}: test accuracy")
        cost.bar(at, [each.tick_us for each in study.costs], width=0.5, color=COLOURS[0])
        cost.set_title("CPU us a tick")
        for axes in (accuracy, cost):
            axes.set_xticks(at, names)
            axes.set_xlim(-0.6, len(at) - 0.4)
            _grid(axes)

    return save_figure(path, (2.7 * (len(study.settings.cycles) + 2), 3.4), paint)


def _retention_line(axes: Any, x: Sequence[float], points: Sequence[RetentionPoint], k: int, label: str) -> None:
    values, style = np.array([point.accuracies for point in points]), series(k, marks=True)
    axes.plot(x, values.mean(axis=1), label=label, **style)
    axes.fill_between(x, values.min(axis=1), values.max(axis=1), color=style["color"], alpha=0.15, linewidth=0)


def retention_figure(study: RetentionStudy, path: Path) -> Path:
    """Accuracy against the delay in silence and with distractors, and against the interval; bands: all seeds."""
    settings = study.settings
    columns = {
        f"distractors every {settings.isi} steps": lambda p: p.isi == settings.isi and p.delay in settings.delays,
        "silence": lambda p: p.isi is None and p.delay in settings.delays,
        f"delay {settings.delay} steps": lambda p: (
            p.delay == settings.delay and (p.isi is None or p.isi in settings.isis)
        ),
    }

    def paint(figure: Any) -> None:
        panels = figure.subplots(1, 3, sharey=True)
        silent_at = max(settings.isis) * SILENCE_FACTOR
        for axes, (title, is_shown) in zip(panels, columns.items(), strict=True):
            is_by_isi = axes is panels[-1]
            for k, name in enumerate(settings.memories):
                points = [p for p in study.points if p.memory == name and is_shown(p)]
                points.sort(key=lambda p: (p.isi or silent_at) if is_by_isi else p.delay)
                x = [float(p.isi or silent_at) if is_by_isi else float(p.delay) for p in points]
                _retention_line(axes, x, points, k, name)
            axes.axhline(study.chance, color=MUTED, linewidth=0.8, linestyle=":")
            if not is_by_isi:
                axes.axvspan(settings.train_delays[1], max(settings.delays) * 1.2, color=MUTED, alpha=0.12, linewidth=0)
            axes.set_xscale("log")
            axes.set_ylim(0, 1.03)
            axes.set_title(title)
            axes.set_xlabel("mean inter-spike interval, steps (rightmost: silence)" if is_by_isi else "delay, steps")
            _grid(axes)
        panels[0].set_ylabel("accuracy at the probe")
        _legend_below(figure, panels[0])

    return save_figure(path, (10.8, 3.7), paint)

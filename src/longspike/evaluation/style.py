"""How every figure of the package looks: one palette, one style, SVG that follows the reader's light or dark page."""

import base64
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from longspike._core.extras import require

INK, MUTED, EDGE, GRID = "#1f2430", "#6b7280", "#9aa1ad", "#e5e7eb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Of Okabe and Ito (2008), who chose them for readers with any kind of colour vision; yellow is left out, grey added."""
LINES, MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v")
DARK = {INK: "#e6e8ec", MUTED: "#a3abb9", EDGE: "#7b8494", GRID: "#3a404b", COLOURS[0]: "#4aa3df"}
"""What stands for a colour on a dark page; the others are seen on both."""
DARK_RULES = "".join(
    f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
    for light, dark in DARK.items()
    for kind in ("fill", "stroke")
)
DARK_SHEET = f"<style>@media (prefers-color-scheme: dark){{{DARK_RULES}}}</style>"
STYLE = {
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "longspike",
}
RASTER_DPI = 160
"""Of what is drawn as an image within a figure: thousands of spikes."""
MAX_POINTS = 240
"""A longer curve is drawn as its least, mean and greatest values; more points than pixels would be a solid band."""


def series(k: int, *, marks: bool = False) -> dict[str, Any]:
    """How the k-th of several curves is drawn: by a colour and a kind of line, and a marker if asked for."""
    style = {"color": COLOURS[k % len(COLOURS)], "linestyle": LINES[k % len(LINES)], "linewidth": 1.6}
    return style | ({"marker": MARKERS[k % len(MARKERS)], "markersize": 4} if marks else {})


def envelope(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, least, mean and greatest y of `MAX_POINTS` stretches of a curve that has at least as many points."""
    starts = np.linspace(0, len(y), MAX_POINTS + 1).astype(int)
    sizes, starts = np.diff(starts), starts[:-1]
    means = (np.add.reduceat(values.astype(float), starts) / sizes for values in (x, y))
    middle, mean = means
    return middle, np.minimum.reduceat(y, starts), mean, np.maximum.reduceat(y, starts)


def plot_curve(axes: Any, x: Any, y: Any, **style: Any) -> None:
    """A curve; of one that is longer than the figure is wide, the mean in a band from least to greatest."""
    x, y = np.asarray(x), np.asarray(y)
    if len(y) <= MAX_POINTS:
        axes.plot(x, y, **style)
        return
    middle, low, mean, high = envelope(x, y)
    axes.fill_between(middle, low, high, color=style["color"], alpha=0.25, linewidth=0)
    axes.plot(middle, mean, **{**style, "marker": None, "drawstyle": "default"})


def legend_above(axes: Any, *, columns: int) -> None:
    """The legend between title and axes, where no curve is."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, columnspacing=1.2, handlelength=2.4)


def svg(size: tuple[float, float], paint: Callable[[Any], None], *, purpose: str) -> str:
    """Call paint(figure) on an empty figure of `size` inches; the image as SVG, the same text for the same figures.

    Its ground is transparent, and its ink follows `prefers-color-scheme`.
    """
    matplotlib = require("matplotlib", extra="viz", purpose=purpose)
    figure_module = require("matplotlib.figure", extra="viz", purpose=purpose)
    stream = io.StringIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a class name in a script without a font
        figure = figure_module.Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.savefig(stream, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    head, defs, rest = stream.getvalue().partition("<defs>")
    return f"{head}{DARK_SHEET}\n {defs}{rest}"


def data_address(image: str) -> str:
    """An SVG as text that an <img> can show without a file."""
    return f"data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode('ascii')}"

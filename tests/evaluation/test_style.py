"""The figures' style: colours that are told apart, long curves as bands, ink that follows a dark page."""

import itertools

import numpy as np
import pytest

from longspike.evaluation.style import COLOURS, DARK, INK, LINES, MAX_POINTS, envelope, plot_curve, series, svg

pytest.importorskip("matplotlib", reason="figures need longspike[viz]")

SEEN = {
    "all cones": np.eye(3),
    "no red cones": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "no green cones": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "no blue cones": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
"""On linear RGB, of Machado, Oliveira and Fernandes (2009), at full severity."""


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("eyes", SEEN)
def test_every_eye_tells_curves_apart(eyes: str) -> None:
    """By colour among those that share a kind of line; the first two by colour alone."""
    for (i, a), (j, b) in itertools.combinations(enumerate(COLOURS), 2):
        distance = np.abs(np.cbrt(SEEN[eyes] @ (linear(a) - linear(b)))).max()
        assert distance > 0.3 or series(i)["linestyle"] != series(j)["linestyle"], (a, b)
    assert np.abs(SEEN[eyes] @ (linear(COLOURS[0]) - linear(COLOURS[1]))).max() > 0.15
    assert len({(series(k)["color"], series(k)["linestyle"]) for k in range(len(COLOURS) * len(LINES))}) == 28


def test_ink_is_read_on_light_and_dark_pages() -> None:
    assert 1.05 / (luminance(INK) + 0.05) > 7
    assert (luminance(DARK[INK]) + 0.05) / (luminance("#1c1f26") + 0.05) > 7
    assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour in COLOURS)
    assert all((luminance(DARK.get(colour, colour)) + 0.05) / (luminance("#1c1f26") + 0.05) > 3 for colour in COLOURS)


def test_a_long_curve_is_its_least_mean_and_greatest() -> None:
    x = np.arange(6 * MAX_POINTS)
    middle, low, mean, high = envelope(x, (-1.0) ** x * (1 + x))
    assert middle.tolist() == (6 * np.arange(MAX_POINTS) + 2.5).tolist()
    assert low.tolist() == (-(6.0 * np.arange(MAX_POINTS) + 6)).tolist()
    assert high.tolist() == (6.0 * np.arange(MAX_POINTS) + 5).tolist()
    assert mean.tolist() == [-0.5] * MAX_POINTS
    uneven = envelope(np.arange(1460), np.ones(1460))
    assert all(len(part) == MAX_POINTS for part in uneven)
    assert uneven[2].tolist() == [1.0] * MAX_POINTS


@pytest.mark.parametrize(("seqlen", "num_bands"), [(MAX_POINTS, 0), (MAX_POINTS + 1, 1)])
def test_a_curve_has_a_band_only_where_it_is_longer_than_the_figure(seqlen: int, num_bands: int) -> None:
    found: list[int] = []

    def paint(figure: object) -> None:
        axes = figure.subplots()  # type: ignore[attr-defined]
        plot_curve(axes, np.arange(seqlen), np.sin(np.arange(seqlen)), drawstyle="steps-mid", **series(0, marks=True))
        found.extend((len(axes.collections), len(axes.lines)))

    image = svg((3, 2), paint, purpose="A test")
    assert found == [num_bands, 1]
    assert image == svg((3, 2), paint, purpose="A test")
    assert f'[style*="fill: {INK}"]{{fill:{DARK[INK]}!important}}' in image

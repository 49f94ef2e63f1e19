"""The simulated camera against a plain loop over pixels and crossings, and its moving image against geometry."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longspike.events import EVENT_DTYPE, check_events
from longspike.events.denoise import refractory_filter
from longspike.events.simulate import mismatched_contrast, saccade_frames, simulate_events
from tolerances import SIGMAS

SHAPE = (3, 5)  # height, width
TIMES = np.array([10, 400, 1700, 1800, 5000, 5003])


def film(seed: int, num_frames: int = 6) -> np.ndarray:
    """Frames of random intensities."""
    return np.random.default_rng(seed).random((num_frames, *SHAPE))


def simulate_by_loop(
    frames: np.ndarray, times_us: np.ndarray, rise: np.ndarray, fall: np.ndarray, log_offset: float
) -> list[tuple[int, ...]]:
    """One pixel after the other, one crossing after the other; sorted as (t, frame, y, x, order)."""
    found = []
    for y in range(frames.shape[1]):
        for x in range(frames.shape[2]):
            reference = math.log(frames[0, y, x] + log_offset)
            for k in range(len(frames) - 1):
                before, after = (math.log(frames[i, y, x] + log_offset) for i in (k, k + 1))
                order = 0
                while after >= reference + rise[y, x] or after <= reference - fall[y, x]:
                    is_on = after >= reference + rise[y, x]
                    reference += rise[y, x] if is_on else -fall[y, x]
                    t = times_us[k] + (reference - before) / (after - before) * (times_us[k + 1] - times_us[k])
                    found.append((math.floor(t), k, y, x, order, int(is_on)))
                    order += 1
    return [(x, y, t, p) for t, _, y, x, _, p in sorted(found)]


@given(seed=st.integers(0, 2**31 - 1), contrast=st.floats(0.05, 1.5), contrast_off=st.floats(0.05, 1.5))
def test_the_simulator_is_the_loop(seed: int, contrast: float, contrast_off: float) -> None:
    frames = film(seed)
    rng = np.random.default_rng(seed)
    rise = contrast * rng.uniform(0.7, 1.3, SHAPE)
    fall = contrast_off * rng.uniform(0.7, 1.3, SHAPE)
    events = simulate_events(frames, TIMES, contrast=rise, contrast_off=fall, log_offset=0.07)
    check_events("test", events, SHAPE[::-1])
    assert events.tolist() == simulate_by_loop(frames, TIMES, rise, fall, 0.07)


@given(change=st.floats(0.01, 3.0), contrast=st.floats(0.05, 1.0))
def test_the_number_of_crossings(change: float, contrast: float) -> None:
    """floor(d log I / contrast) events, all of them on while the pixel brightens and off while it darkens."""
    share = change / contrast
    if abs(share - round(share)) < 1e-6:
        return
    frames = np.array([[[0.2]], [[0.3 * math.exp(change) - 0.1]]])
    times_us = np.array([0, 1_000_000])
    brighter = simulate_events(frames, times_us, contrast=contrast)
    darker = simulate_events(frames[::-1], times_us, contrast=contrast)
    assert brighter["p"].tolist() == [1] * math.floor(share)
    assert darker["p"].tolist() == [0] * math.floor(share)
    crossings = contrast * np.arange(1, math.floor(share) + 1) / change * 1e6
    assert np.abs(brighter["t"] - crossings).max(initial=0.0) <= 1.0


@given(seed=st.integers(0, 999))
def test_a_film_that_only_brightens_gives_on_events_only(seed: int) -> None:
    events = simulate_events(np.cumsum(film(seed), axis=0), TIMES, contrast=0.1)
    assert len(events) > 0
    assert events["p"].all()


def test_nothing_moves_nothing_fires() -> None:
    still = np.repeat(film(1, 1), 6, axis=0)
    assert len(simulate_events(still, TIMES)) == 0
    assert len(simulate_events(film(1, 1), TIMES[:1])) == 0


def test_a_linear_film_does_not_depend_on_the_frame_rate() -> None:
    """log intensity that is linear in time crosses at the same times however many frames show it."""

    def exponential(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        times_us = np.linspace(0, 64_000, num_frames).astype(np.int64)
        return 0.3 * np.exp(np.arange(1, 16).reshape(SHAPE) * 1e-5 * times_us[:, None, None]) - 0.1, times_us

    few, many = (simulate_events(*exponential(n), contrast=0.13) for n in (2, 65))
    assert len(few) == len(many) > 50
    by_pixel = [np.lexsort((e["t"], e["x"], e["y"])) for e in (few, many)]
    assert np.abs(few["t"][by_pixel[0]] - many["t"][by_pixel[1]]).max() <= 1


def test_refractory_period_is_the_filter() -> None:
    frames = film(3)
    free = simulate_events(frames, TIMES, contrast=0.05)
    held = simulate_events(frames, TIMES, contrast=0.05, refractory_us=150)
    assert 0 < len(held) < len(free)
    assert np.array_equal(held, refractory_filter(free, refractory_us=150))


def test_noise_has_its_rate_and_leaves_the_signal_alone() -> None:
    still = np.full((2, 40, 50), 0.5)
    noise = simulate_events(still, np.array([7, 1_000_007]), noise_rate_hz=3.0, rng=np.random.default_rng(1))
    check_events("test", noise, (50, 40))
    assert abs(len(noise) - 6000) < SIGMAS * 6000**0.5
    assert abs(noise["p"].mean() - 0.5) < SIGMAS * 0.5 / 6000**0.5
    assert noise["t"].min() >= 7
    assert noise["t"].max() < 1_000_007
    frames = film(4)
    clean = simulate_events(frames, TIMES, contrast=0.1)
    noisy = simulate_events(frames, TIMES, contrast=0.1, noise_rate_hz=2000.0, rng=np.random.default_rng(1))
    assert len(noisy) > len(clean)
    assert set(clean.tolist()) <= set(noisy.tolist())


def test_the_simulation_is_a_function_of_the_seed() -> None:
    frames = film(5)
    before = frames.copy()
    runs = [
        simulate_events(frames, TIMES, noise_rate_hz=5000.0, rng=np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
    assert np.array_equal(frames, before)


def test_mismatch_spreads_the_thresholds() -> None:
    thresholds = mismatched_contrast(0.3, (60, 50), spread=0.05, rng=np.random.default_rng(0))
    assert thresholds.shape == (50, 60)
    assert abs(thresholds.mean() - 0.3) < SIGMAS * 0.015 / 3000**0.5
    assert thresholds.std() == pytest.approx(0.015, rel=0.1)
    assert mismatched_contrast(0.3, (60, 50), spread=5.0, rng=np.random.default_rng(0)).min() == pytest.approx(0.03)


def test_saccades_move_the_image_along_the_triangle() -> None:
    """The centre of mass of a spot passes the corners, and goes straight between them."""
    spot = np.zeros((5, 7))
    spot[1, 4] = 2.0
    frames, times_us = saccade_frames(
        spot, (23, 19), scale=1.5, amplitude_px=3.0, saccade_us=8_000, frames_per_saccade=4
    )
    assert times_us.tolist() == list(range(0, 24_001, 2000))
    y, x = np.mgrid[:19, :23]
    mass = frames.sum(axis=(1, 2))
    centre = np.stack([(frames * x).sum(axis=(1, 2)) / mass, (frames * y).sum(axis=(1, 2)) / mass], axis=1)
    middle = np.array([11 + 1.5 * (4 - 3), 9 + 1.5 * (1 - 2)])
    corners = middle + 3.0 * (np.array([[0, 0], [0.5, 1], [1, 0], [0.125, 0.125]]) - 0.5)
    path = np.concatenate([np.linspace(a, b, 4, endpoint=False) for a, b in itertools.pairwise(corners)])
    # a hat sampled every 1/1.5 of its half-width: its centre of mass is off by a fraction of a pixel
    assert np.abs(centre - np.concatenate([path, corners[-1:]])).max() < 0.25


def test_whole_pixel_shifts_move_the_image_exactly() -> None:
    image = np.arange(1.0, 7.0).reshape(2, 3)
    frames, _ = saccade_frames(image, (9, 8), amplitude_px=2.0, saccade_us=100, frames_per_saccade=1)
    for frame, (left, top) in zip(frames[:3], [(2, 2), (3, 4), (4, 2)], strict=True):
        expected = np.zeros((8, 9))
        expected[top : top + 2, left : left + 3] = image
        assert np.array_equal(frame, expected)


def test_half_pixel_shifts_are_bilinear() -> None:
    frames, _ = saccade_frames(np.array([[4.0]]), (4, 3), amplitude_px=0.0, saccade_us=1, frames_per_saccade=1)
    assert frames[0].tolist() == [[0, 0, 0, 0], [0, 2, 2, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("frames", "times_us", "options", "message"),
    [
        (np.zeros((3, 5)), TIMES, {}, r"`frames` must have shape \(num_frames, height, width\); got \(3, 5\)"),
        (-film(0), TIMES, {}, "`frames` must be finite intensities of at least 0. Scale the images"),
        (film(0), TIMES[:5], {}, r"`times_us` must hold one integer per frame, shape \(6,\); got shape \(5,\)"),
        (film(0), TIMES * 1.0, {}, r"`times_us` must hold one integer .*got shape \(6,\), dtype float64"),
        (film(0), TIMES[::-1], {}, "`times_us` must start at 0 or later and rise from frame to frame"),
        (film(0), TIMES - 11, {}, "`times_us` must start at 0 or later"),
        (film(0), TIMES, {"contrast": 0.0}, r"`contrast` must be a number above 0, or one per pixel of shape \(3, 5\)"),
        (film(0), TIMES, {"contrast_off": np.ones((5, 3))}, r"`contrast_off` must be .*got shape \(5, 3\)"),
        (film(0), TIMES, {"log_offset": 0.0}, "`log_offset` must lie in"),
        (film(0), TIMES, {"refractory_us": -1}, "`refractory_us` must lie in"),
        (film(0), TIMES, {"noise_rate_hz": math.nan}, "`noise_rate_hz` must be a finite number; got nan"),
    ],
)
def test_simulate_rejects(frames: np.ndarray, times_us: np.ndarray, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_events(frames, times_us, **options)


def test_noise_needs_a_generator() -> None:
    with pytest.raises(TypeError, match=r"simulate_events: `rng` must be a numpy.random.Generator; got NoneType"):
        simulate_events(film(0), TIMES, noise_rate_hz=1.0)


def test_saccade_frames_rejects() -> None:
    with pytest.raises(ValueError, match=r"`image` must have shape \(rows, columns\); got \(3,\)"):
        saccade_frames(np.zeros(3), (5, 5))
    with pytest.raises(ValueError, match=r"`saccade_us` must lie in \[20, inf\]; got 5"):
        saccade_frames(np.zeros((3, 3)), (5, 5), saccade_us=5)
    with pytest.raises(ValueError, match="`frames_per_saccade` must be an integer of at least 1; got 0"):
        saccade_frames(np.zeros((3, 3)), (5, 5), frames_per_saccade=0)
    assert saccade_frames(np.zeros((3, 3)), (5, 4))[0].dtype == np.float64
    assert simulate_events(np.zeros((2, 3, 3)), np.array([0, 1])).dtype == EVENT_DTYPE

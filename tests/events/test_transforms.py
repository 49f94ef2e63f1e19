"""Transforms of event arrays: identities, counts, bounds, and inputs that stay as they are."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_samples import event_arrays, random_events
from longspike.events import EVENT_DTYPE, check_events, make_events, transforms
from longspike.events.augmentation import Augmentation

SENSOR = (11, 7)
events_on_sensor = event_arrays(SENSOR)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


EVERY = {
    "sort_time": lambda e: transforms.sort_time(e),
    "merge": lambda e: transforms.merge(e),
    "crop_time": lambda e: transforms.crop_time(e, start_us=3, end_us=200),
    "crop_space": lambda e: transforms.crop_space(e, left=2, top=1, width=5, height=4),
    "shift_space": lambda e: transforms.shift_space(e, SENSOR, dx=2, dy=-1),
    "scale_space": lambda e: transforms.scale_space(e, SENSOR, target=(5, 6)),
    "crop_centre": lambda e: transforms.crop_centre(e, SENSOR, target=(5, 6)),
    "rotate": lambda e: transforms.rotate(e, SENSOR, degrees=10.0),
    "flip_x": lambda e: transforms.flip_x(e, SENSOR),
    "flip_y": lambda e: transforms.flip_y(e, SENSOR),
    "flip_polarity": lambda e: transforms.flip_polarity(e),
    "jitter_time": lambda e: transforms.jitter_time(e, std_us=5.0, rng=generator()),
    "jitter_space": lambda e: transforms.jitter_space(e, SENSOR, std_px=1.0, rng=generator()),
    "drop_events": lambda e: transforms.drop_events(e, probability=0.3, rng=generator()),
    "drop_area": lambda e: transforms.drop_area(e, SENSOR, share=0.3, rng=generator()),
    "downsample_space": lambda e: transforms.downsample_space(e, factor=3),
    "scale_time": lambda e: transforms.scale_time(e, factor=0.7),
    "augmentation": lambda e: Augmentation(
        flip_x_probability=0.5, flip_y_probability=0.5, flip_polarity_probability=0.5, max_rotation_degrees=20.0,
        max_shift_px=2, jitter_px=0.5, max_time_scale=1.5, jitter_us=30.0, max_dropped_area=0.2, drop_probability=0.1,
    )(e, SENSOR, generator()),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
@given(events=events_on_sensor)
def test_pure_and_valid(name: str, events: np.ndarray) -> None:
    """The input stays, the output is an array of its own, on the sensor and in order, the same at every call."""
    before = events.copy()
    events.flags.writeable = False
    found = EVERY[name](events)
    assert np.array_equal(events, before)
    assert not np.shares_memory(found, events)
    check_events("test", found, SENSOR)
    assert np.array_equal(found, EVERY[name](events))


@given(events=events_on_sensor)
def test_flips_are_involutions(events: np.ndarray) -> None:
    for flip in (
        lambda e: transforms.flip_x(e, SENSOR),
        lambda e: transforms.flip_y(e, SENSOR),
        transforms.flip_polarity,
    ):
        assert np.array_equal(flip(flip(events)), events)


def test_flips_by_hand() -> None:
    events = np.array([(0, 1, 5, 1), (10, 6, 6, 0)], EVENT_DTYPE)
    assert transforms.flip_x(events, SENSOR).tolist() == [(10, 1, 5, 1), (0, 6, 6, 0)]
    assert transforms.flip_y(events, SENSOR).tolist() == [(0, 5, 5, 1), (10, 0, 6, 0)]
    assert transforms.flip_polarity(events).tolist() == [(0, 1, 5, 0), (10, 6, 6, 1)]


@given(events=events_on_sensor)
def test_half_a_turn_is_both_flips(events: np.ndarray) -> None:
    turned = transforms.rotate(events, SENSOR, degrees=180.0)
    assert np.array_equal(turned, transforms.flip_y(transforms.flip_x(events, SENSOR), SENSOR))
    assert np.array_equal(transforms.rotate(events, SENSOR, degrees=0.0), events)


def test_a_quarter_turn_is_clockwise() -> None:
    upper_left = np.array([(0, 0, 1, 1)], EVENT_DTYPE)
    assert transforms.rotate(upper_left, (6, 6), degrees=90.0).tolist() == [(5, 0, 1, 1)]


@given(events=events_on_sensor, dx=st.integers(-12, 12), dy=st.integers(-12, 12))
def test_shift_drops_what_leaves(events: np.ndarray, dx: int, dy: int) -> None:
    shifted = transforms.shift_space(events, SENSOR, dx=dx, dy=dy)
    x, y = events["x"].astype(int) + dx, events["y"].astype(int) + dy
    inside = (x >= 0) & (x < 11) & (y >= 0) & (y < 7)
    assert shifted["x"].tolist() == x[inside].tolist()
    assert np.array_equal(shifted["t"], events["t"][inside])
    back = transforms.shift_space(shifted, SENSOR, dx=-dx, dy=-dy)
    assert np.array_equal(back, events[inside])


@given(events=events_on_sensor, cut=st.integers(0, 320))
def test_crop_time_is_a_mask_and_halves_are_the_whole(events: np.ndarray, cut: int) -> None:
    early = transforms.crop_time(events, start_us=0, end_us=cut)
    late = transforms.crop_time(events, start_us=cut, end_us=10_001)
    assert np.array_equal(early, events[events["t"] < cut])
    assert np.array_equal(np.concatenate((early, late)), events)


@given(events=events_on_sensor)
def test_crop_space_is_a_mask(events: np.ndarray) -> None:
    found = transforms.crop_space(events, left=2, top=1, width=5, height=4)
    x, y = events["x"], events["y"]
    expected = events[(x >= 2) & (x < 7) & (y >= 1) & (y < 5)]
    assert found["x"].tolist() == [int(v) - 2 for v in expected["x"]]
    assert found["y"].tolist() == [int(v) - 1 for v in expected["y"]]
    assert np.array_equal(found[["t", "p"]], expected[["t", "p"]])
    assert np.array_equal(transforms.crop_space(events, left=0, top=0, width=11, height=7), events)


@given(events=events_on_sensor, other=events_on_sensor)
def test_merge_keeps_every_event(events: np.ndarray, other: np.ndarray) -> None:
    merged = transforms.merge(events, other)
    check_events("test", merged, SENSOR)
    assert sorted(merged.tolist()) == sorted(events.tolist() + other.tolist())
    assert np.array_equal(transforms.merge(events), events)


def test_merge_and_sort_are_stable() -> None:
    first, second = np.array([(1, 0, 5, 1)], EVENT_DTYPE), np.array([(2, 0, 5, 1), (3, 0, 4, 1)], EVENT_DTYPE)
    assert transforms.merge(first, second)["x"].tolist() == [3, 1, 2]


@given(events=events_on_sensor, seed=st.integers(0, 999))
def test_jitter_of_zero_is_the_identity(events: np.ndarray, seed: int) -> None:
    assert np.array_equal(transforms.jitter_time(events, std_us=0.0, rng=generator(seed)), events)
    assert np.array_equal(transforms.jitter_space(events, SENSOR, std_px=0.0, rng=generator(seed)), events)
    assert np.array_equal(transforms.drop_events(events, probability=0.0, rng=generator(seed)), events)
    assert np.array_equal(transforms.drop_area(events, SENSOR, share=0.0, rng=generator(seed)), events)
    assert len(transforms.drop_events(events, probability=1.0, rng=generator(seed))) == 0
    assert len(transforms.drop_area(events, SENSOR, share=1.0, rng=generator(seed))) == 0


def test_jitter_time_keeps_counts_and_moves_by_its_standard_deviation() -> None:
    events = random_events(20_000, SENSOR, duration_us=1)
    events["t"] = 1000
    found = transforms.jitter_time(events, std_us=40.0, rng=generator())
    assert len(found) == len(events)
    assert found["t"].std() == pytest.approx(40.0, rel=0.03)
    assert found["t"].mean() == pytest.approx(1000.0, abs=1.5)
    assert transforms.jitter_time(events, std_us=1e5, rng=generator())["t"].min() == 0


def test_jitter_space_moves_by_its_standard_deviation() -> None:
    events = np.full(20_000, np.array((50, 30, 0, 1), EVENT_DTYPE), EVENT_DTYPE)
    found = transforms.jitter_space(events, (101, 61), std_px=3.0, rng=generator())
    assert len(found) == len(events)
    assert (found["x"].astype(float).std(), found["y"].astype(float).std()) == pytest.approx((3.0, 3.0), rel=0.03)
    assert found["x"].mean() == pytest.approx(50.0, abs=0.1)
    moved = found.astype([(n, float) for n in "xytp"])
    assert abs(np.corrcoef(moved["x"], moved["y"])[0, 1]) < 0.05


def test_drops_match_their_shares() -> None:
    events = random_events(20_000, (40, 30))
    kept = transforms.drop_events(events, probability=0.3, rng=generator())
    assert len(kept) == pytest.approx(14_000, abs=400)
    pixels = np.zeros(1200, EVENT_DTYPE)
    pixels["x"], pixels["y"] = np.arange(1200) % 40, np.arange(1200) // 40
    left = transforms.drop_area(pixels, (40, 30), share=0.25, rng=generator())
    assert len(left) == 1200 - 20 * 15


def test_a_dropped_area_lies_anywhere() -> None:
    """Two by one pixels of three by two: every place is drawn, those at the right and lower edge too."""
    pixels = np.array([(x, y, 0, 1) for y in range(2) for x in range(3)], EVENT_DTYPE)
    rng = generator()
    places = set()
    for _ in range(100):
        kept = {event[:2] for event in transforms.drop_area(pixels, (3, 2), share=0.25, rng=rng).tolist()}
        places.add(min({(x, y) for x in range(3) for y in range(2)} - kept))
    assert places == {(0, 0), (1, 0), (0, 1), (1, 1)}


def test_the_middle_of_odd_differences() -> None:
    """x' = x - (7 - 4) // 2, y' = y - (4 - 7) // 2."""
    events = np.array([(1, 0, 5, 1), (4, 3, 6, 0), (0, 1, 7, 1), (5, 1, 8, 1)], EVENT_DTYPE)
    assert transforms.crop_centre(events, (7, 4), target=(4, 7)).tolist() == [(0, 2, 5, 1), (3, 5, 6, 0)]


@given(events=events_on_sensor, factor=st.integers(1, 12))
def test_downsampling_keeps_every_event(events: np.ndarray, factor: int) -> None:
    coarse = transforms.downsample_space(events, factor=factor)
    assert len(coarse) == len(events)
    check_events("test", coarse, (-(-11 // factor), -(-7 // factor)))
    assert coarse["x"].tolist() == [int(v) // factor for v in events["x"]]
    if factor == 1:
        assert np.array_equal(coarse, events)


@given(events=events_on_sensor, factor=st.integers(1, 50))
def test_stretched_time_comes_back(events: np.ndarray, factor: int) -> None:
    stretched = transforms.scale_time(events, factor=factor)
    assert np.array_equal(stretched["t"], events["t"] * factor)
    assert np.array_equal(transforms.scale_time(events, factor=1.0), events)


@given(events=events_on_sensor, seed=st.integers(0, 999))
def test_the_default_augmentation_is_the_identity(events: np.ndarray, seed: int) -> None:
    assert np.array_equal(Augmentation()(events, SENSOR, generator(seed)), events)


def test_augmentation_composes_the_transforms() -> None:
    events = random_events(200, SENSOR)
    flips = Augmentation(flip_x_probability=1.0, flip_y_probability=1.0, flip_polarity_probability=1.0)
    expected = transforms.flip_polarity(transforms.rotate(events, SENSOR, degrees=180.0))
    assert np.array_equal(flips(events, SENSOR, generator()), expected)


def test_augmentation_is_a_function_of_the_seed() -> None:
    events = random_events(200, SENSOR)
    augment = Augmentation(max_shift_px=3, jitter_us=20.0, max_rotation_degrees=15.0)
    first = augment(events, SENSOR, generator(1))
    np.random.default_rng(5).random(3)
    assert np.array_equal(first, augment(events, SENSOR, generator(1)))
    assert not np.array_equal(first, augment(events, SENSOR, generator(2)))


def test_augmentation_draws_every_shift() -> None:
    centre = np.array([(5, 3, 0, 1)], EVENT_DTYPE)
    rng = generator()
    places = {tuple(Augmentation(max_shift_px=1)(centre, SENSOR, rng).tolist()[0][:2]) for _ in range(200)}
    assert places == {(x, y) for x in (4, 5, 6) for y in (2, 3, 4)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip_x_probability": 1.5}, r"`flip_x_probability` must lie in \[0, 1\]; got 1.5"),
        ({"drop_probability": float("nan")}, "`drop_probability` must be a finite number; got nan"),
        ({"max_shift_px": -1}, "`max_shift_px` must be an integer of at least 0; got -1"),
        ({"max_shift_px": 1.5}, "`max_shift_px` must be an integer"),
        ({"max_time_scale": 0.5}, r"`max_time_scale` must lie in \[1, 1e\+06\]; got 0.5"),
        ({"max_rotation_degrees": 181}, r"`max_rotation_degrees` must lie in \[0, 180\]"),
    ],
)
def test_augmentation_rejects(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"Augmentation: {message}"):
        Augmentation(**changes)


def test_another_sensor_size_places_every_corner() -> None:
    corners = make_events(x=[0, 49, 0, 49, 25], y=[0, 0, 19, 19, 10], t=[1, 2, 3, 4, 5], p=[0, 1, 0, 1, 1])
    scaled = transforms.scale_space(corners, (50, 20), target=(40, 30))
    assert scaled["x"].tolist() == [0, 39, 0, 39, 20]
    assert scaled["y"].tolist() == [0, 0, 28, 28, 15]
    cropped = transforms.crop_centre(corners, (50, 20), target=(40, 30))
    assert cropped[["x", "y", "t"]].tolist() == [(20, 15, 5)]


ONE = np.array([(12, 0, 1, 1)], EVENT_DTYPE)
LATE = np.array([(0, 0, 2**52, 1)], EVENT_DTYPE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: transforms.flip_x(ONE, SENSOR),
            "flip_x: `x` of the events must lie below 11; got 12. Give the sensor",
        ),
        (lambda: transforms.rotate(ONE, SENSOR, degrees=5.0), "rotate: `x` of the events must lie below 11"),
        (lambda: transforms.rotate(ONE, (20, 5), degrees=400.0), r"`degrees` must lie in \[-360, 360\]; got 400"),
        (lambda: transforms.flip_y(ONE, (5, 0)), r"`sensor_size` must be \(width, height\) in pixels, each from"),
        (lambda: transforms.shift_space(ONE, (20, 5), dx=0.5, dy=0), "`dx` must be an integer of at least -65536"),
        (
            lambda: transforms.scale_space(ONE, SENSOR, target=(5, 5)),
            "scale_space: `x` of the events must lie below 11",
        ),
        (lambda: transforms.crop_centre(ONE, (20, 5), target=(5, 0)), r"crop_centre: `sensor_size` must be \(width"),
        (lambda: transforms.crop_time(ONE, start_us=5, end_us=4), "`end_us` must be at least `start_us`, 5; got 4"),
        (
            lambda: transforms.crop_space(ONE, left=-1, top=0, width=1, height=1),
            "`left` must be an integer of at least",
        ),
        (lambda: transforms.drop_events(ONE, probability=-0.1, rng=generator()), r"`probability` must lie in \[0, 1\]"),
        (lambda: transforms.downsample_space(ONE, factor=0), "`factor` must be an integer of at least 1; got 0"),
        (lambda: transforms.scale_time(LATE, factor=10.0), r"`factor` must keep times within 2\*\*53 microseconds"),
        (lambda: transforms.scale_time(ONE, factor=-1.0), "`factor` must lie in"),
        (lambda: transforms.merge(), "merge: give at least one array of events; got none"),
        (lambda: transforms.sort_time(ONE[None]), r"`events` must have one axis; got shape \(1, 1\)"),
    ],
)
def test_rejects_values(call: Callable[[], np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_rejects_types() -> None:
    with pytest.raises(TypeError, match=r"sort_time: `events` must be a numpy array of .*EVENT_DTYPE; got dtype int64"):
        transforms.sort_time(np.zeros(3, np.int64))
    with pytest.raises(TypeError, match=r"`rng` must be a numpy.random.Generator; got int. Make one with"):
        transforms.drop_events(ONE, probability=0.5, rng=3)
    with pytest.raises(TypeError, match=r"Augmentation: `rng` must be"):
        Augmentation()(ONE, SENSOR, None)

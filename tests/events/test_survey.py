"""The facts of a recording, against NumPy on all its events at once."""

import numpy as np
import pytest

from event_samples import random_events
from longspike.events import EVENT_DTYPE
from longspike.events.survey import survey

SIZE = (11, 7)


def test_packets_do_not_matter() -> None:
    events = random_events(500, SIZE, duration_us=10_000, seed=4)
    found = survey(np.split(events, [0, 3, 3, 200]), sensor_size=SIZE)
    counts, _, _ = np.histogram2d(events["y"], events["x"], bins=(7, 11), range=((0, 7), (0, 11)))
    assert (found.pixel_counts == counts).all()
    assert (found.num_events, found.num_on) == (500, int(events["p"].sum()))
    assert (found.first_us, found.last_us) == (int(events["t"][0]), int(events["t"][-1]))
    assert found.events_per_s == pytest.approx(500e6 / found.duration_us)
    assert found.num_active_pixels == int((counts > 0).sum())
    hottest = found.hottest(3)
    assert [n for _, _, n in hottest] == sorted(counts.ravel(), reverse=True)[:3]
    assert all(counts[y, x] == n for x, y, n in hottest)


def test_equally_hot_pixels_come_in_raster_order() -> None:
    events = np.array([(5, 2, 0, 1), (3, 4, 1, 0), (9, 0, 2, 1), (3, 4, 3, 1), (1, 2, 4, 0)], EVENT_DTYPE)
    assert survey([events], sensor_size=SIZE).hottest(4) == [(3, 4, 2), (9, 0, 1), (1, 2, 1), (5, 2, 1)]


def test_nothing() -> None:
    found = survey([], sensor_size=SIZE)
    assert (found.num_events, found.duration_us, found.events_per_s, found.hottest(3)) == (0, 0, None, [])

"""The embedded event data set: sizes, splits shared with the digits, and a simulation that repeats."""

import numpy as np
import pytest
import torch

from longspike.data.sets.digits import load_digits
from longspike.data.sets.event_digits import CONTRAST, SENSOR_SIZE, load_event_digits, simulate_digit
from longspike.events import check_events

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")


def digit(index: int) -> np.ndarray:
    from sklearn.datasets import load_digits as sklearn_digits

    return sklearn_digits().images[index]


def test_one_recording() -> None:
    thresholds = np.full(SENSOR_SIZE[::-1], CONTRAST)
    events = simulate_digit(digit(3), contrast=thresholds, rng=np.random.default_rng(3))
    check_events("test", events, SENSOR_SIZE)
    assert 800 <= len(events) <= 1500
    assert 150_000 <= events["t"][-1] <= 300_000
    milliseconds = np.bincount(events["t"] // 1000)
    assert milliseconds.max() < 0.04 * len(events)  # no moment at which all pixels fire, the last one included
    again = simulate_digit(digit(3), contrast=thresholds, rng=np.random.default_rng(3))
    assert np.array_equal(events, again)


@pytest.mark.slow
def test_the_data_set() -> None:
    bundle, digits = load_event_digits(), load_digits()
    assert "Simulated" in bundle.source
    assert load_event_digits() is bundle
    for part in ("train", "val", "test"):
        split = getattr(bundle, part)
        assert torch.equal(torch.as_tensor(split.labels), getattr(digits, part).labels)
        lengths = np.diff(np.asarray(split.offsets))
        assert lengths.min() > 600
        assert lengths.max() < 1600
        assert split.offsets[-1] == len(split.events)
        for k in (0, len(split) - 1):
            check_events("test", split.sample(k), SENSOR_SIZE)

"""Ragged batches: collating and splitting are inverse, and every rule is checked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from event_samples import event_arrays, random_events
from longspike.events import EVENT_DTYPE
from longspike.events.ragged import RaggedEvents, check_ragged, collate_events

SENSOR = (11, 7)


@given(samples=st.lists(event_arrays(SENSOR), max_size=5))
def test_split_undoes_collate(samples: list[np.ndarray]) -> None:
    batch = collate_events(samples, sensor_size=SENSOR)
    assert batch.batch == len(samples)
    assert batch.lengths.tolist() == [len(sample) for sample in samples]
    for found, expected in zip(batch.split(), samples, strict=True):
        assert found.dtype == EVENT_DTYPE
        assert np.array_equal(found, expected)


def test_dtypes_are_those_of_the_contract() -> None:
    batch = collate_events(
        [random_events(5, SENSOR, seed=1), random_events(0, SENSOR), random_events(3, SENSOR, seed=2)]
    )
    assert [x.dtype for x in batch] == [torch.int32, torch.int32, torch.int64, torch.int32, torch.int64]
    assert batch.offsets.tolist() == [0, 5, 5, 8]


def test_collate_owns_its_memory() -> None:
    events = random_events(4, SENSOR, seed=1)
    before = events.copy()
    batch = collate_events([events])
    batch.t.zero_()
    batch.x.zero_()
    assert np.array_equal(events, before)


def test_to_moves_every_tensor() -> None:
    batch = collate_events([random_events(4, SENSOR, seed=1)])
    assert {tensor.device.type for tensor in batch.to("meta")} == {"meta"}
    assert isinstance(batch.to("cpu"), RaggedEvents)


def test_time_may_go_back_between_samples_but_not_within_one() -> None:
    rising = np.array([(0, 0, 5, 1), (0, 0, 5, 1), (0, 0, 9, 0)], EVENT_DTYPE)
    collate_events([rising, rising])
    falling = rising[::-1].copy()
    with pytest.raises(ValueError, match=r"`t` must not decrease within a sample; it does at event 1 of sample 2"):
        collate_events([rising, np.empty(0, EVENT_DTYPE), falling])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ((11, 0, 0, 0), r"`x` of the events must lie below 11; got 11. Give the sensor_size"),
        ((0, 7, 0, 0), r"`y` of the events must lie below 7; got 7"),
        (
            (0, 0, -1, 1),
            r"`t` must lie in \[0, 4611686018427387904\]; got min=-1, max=-1.*microseconds since its start",
        ),
        ((0, 0, 0, 2), r"`p` must lie in \[0, 1\]; got min=2, max=2"),
    ],
)
def test_collate_rejects_events_off_the_sensor(record: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collate_events([np.array([record], EVENT_DTYPE)], sensor_size=SENSOR)


def test_collate_rejects_another_dtype() -> None:
    with pytest.raises(TypeError, match=r"`events` must have x, y, t and p; got an array of dtype float64"):
        collate_events([np.zeros(3)])
    with pytest.raises(TypeError, match="got list"):
        collate_events([[1, 2]])
    with pytest.raises(ValueError, match=r"`sensor_size` must be \(width, height\).*got \(3,\)"):
        collate_events([], sensor_size=(3,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": torch.zeros(3, dtype=torch.int64)}, r"`x` must be a tensor of shape \(3,\) and dtype torch.int32; got"),
        ({"p": torch.zeros(2, dtype=torch.int32)}, r"`p` must be a tensor of shape \(3,\)"),
        ({"y": torch.tensor([0, -1, 0], dtype=torch.int32)}, r"`y` must lie in \[0, 6\]; got min=-1, max=0"),
        ({"offsets": torch.tensor([0, 2])}, r"`offsets` must rise from 0 to the number of events, 3; got \[0, 2\]"),
        ({"offsets": torch.tensor([0, 4, 3])}, r"`offsets` must rise from 0"),
        ({"offsets": torch.tensor([0, 3], dtype=torch.int32)}, r"`offsets` must be an int64 tensor \(batch \+ 1,\)"),
    ],
)
def test_check_ragged_rejects(changes: dict[str, torch.Tensor], message: str) -> None:
    batch = collate_events([random_events(3, SENSOR, seed=3)])
    with pytest.raises(ValueError, match=message):
        check_ragged(batch._replace(**changes), sensor_size=SENSOR)

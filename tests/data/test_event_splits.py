"""Splits of event samples: in memory = read on demand, batches, augmentation, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from event_samples import event_arrays, random_events
from longspike.data import BatchLoader, EventAugment, EventBatch, EventBundle, EventSplit, LazyEventSplit, divide
from longspike.data.event_splits import split_of_samples
from longspike.errors import DataFileError
from longspike.events import EVENT_DTYPE
from longspike.events.augmentation import Augmentation

SENSOR_SIZE = (9, 6)
samples_of_events = st.lists(event_arrays(SENSOR_SIZE, most=12), min_size=1, max_size=6)


def in_memory(samples: list[np.ndarray]) -> EventSplit:
    """The samples as a split whose labels are their numbers."""
    return split_of_samples(samples, torch.arange(len(samples)), sensor_size=SENSOR_SIZE)


def on_demand(samples: list[np.ndarray]) -> LazyEventSplit:
    """The same, read from the list when drawn."""
    return LazyEventSplit(
        sources=tuple(range(len(samples))),
        labels=torch.arange(len(samples)),
        sensor_size=SENSOR_SIZE,
        reader=samples.__getitem__,
    )


def shift(events: np.ndarray, sensor_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """An augmentation: all events in a column that is drawn."""
    changed = events.copy()
    changed["x"] = rng.integers(sensor_size[0])
    return changed


def contents(batch: EventBatch) -> list[tuple[int, bytes]]:
    """Label and events of every sample."""
    return [(int(y), events.tobytes()) for events, y in zip(batch.events.split(), batch.labels, strict=True)]


@given(samples=samples_of_events, data=st.data())
def test_memory_and_demand_give_the_samples(samples: list[np.ndarray], data: st.DataObject) -> None:
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(samples) - 1), max_size=5)), dtype=torch.int64)
    expected = [(index, samples[index].tobytes()) for index in chosen.tolist()]
    for split in (in_memory(samples), on_demand(samples), on_demand(samples).in_memory()):
        assert len(split) == len(samples)
        assert contents(split.batch(chosen)) == expected
        selected = split.select(chosen)
        assert [selected.sample(k).tobytes() for k in range(len(selected))] == [content for _, content in expected]
        assert selected.labels.tolist() == chosen.tolist()


@pytest.mark.parametrize("make", [in_memory, on_demand])
def test_a_split_is_a_data_set_of_pytorch(make: Any) -> None:
    samples = [random_events(3 + k, SENSOR_SIZE, seed=k) for k in range(5)]
    split = make(samples)
    assert isinstance(split, Dataset)
    assert [(events.tobytes(), label) for events, label in split] == [(s.tobytes(), k) for k, s in enumerate(samples)]
    loader = DataLoader(split, batch_size=2, collate_fn=split.collate)
    expected = BatchLoader(split, batch_size=2, shuffle=False, seed=0)
    assert [contents(batch) for batch in loader] == [contents(batch) for batch in expected]


def test_a_sample_in_memory_is_a_view() -> None:
    split = in_memory([random_events(4, SENSOR_SIZE), random_events(3, SENSOR_SIZE, seed=1)])
    assert np.shares_memory(split.sample(1), split.events)
    tensor_offsets = EventSplit(
        events=split.events, offsets=torch.tensor([0, 4, 7]), labels=split.labels, sensor_size=SENSOR_SIZE
    )
    assert tensor_offsets.sample(1).tobytes() == split.sample(1).tobytes()


@pytest.mark.parametrize("augment", [shift, Augmentation(max_shift_px=2, flip_x_probability=0.5, drop_probability=0.3)])
@given(batch_size=st.integers(1, 8), epoch=st.integers(0, 9), num_drawn=st.integers(0, 2))
def test_loaders_repeat_an_augmented_epoch_when_resumed(
    augment: EventAugment, batch_size: int, epoch: int, num_drawn: int
) -> None:
    samples = [random_events(3 + k, SENSOR_SIZE, seed=k) for k in range(7)]
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": True, "seed": 5, "augment": augment}
    batches = [contents(batch) for batch in BatchLoader(in_memory(samples), **options).batches(epoch)]
    num_drawn = min(num_drawn, len(batches))
    resumed = BatchLoader(on_demand(samples), **options).batches(epoch, first=num_drawn)
    assert [contents(batch) for batch in resumed] == batches[num_drawn:]
    one_by_one = BatchLoader(in_memory(samples), **(options | {"batch_size": 1, "shuffle": False})).batches(epoch)
    together = [sample for batch in batches for sample in batch]
    assert sorted(together) == sorted(sample for batch in one_by_one for sample in contents(batch))


def test_augmentation_changes_with_the_epoch_and_leaves_the_split() -> None:
    split = in_memory([random_events(5, SENSOR_SIZE, seed=k) for k in range(6)])
    before = split.events.tobytes()
    loader = BatchLoader(split, batch_size=6, shuffle=False, seed=0, augment=shift)
    (first,), (second,) = list(loader), list(loader)
    assert contents(first) != contents(second)
    assert first.events.lengths.tolist() == [5] * 6
    assert split.events.tobytes() == before


def test_an_augmentation_that_leaves_the_sensor_is_refused() -> None:
    def leave(events: np.ndarray, sensor_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        changed = events.copy()
        changed["x"] = sensor_size[0]
        return changed

    loader = BatchLoader(in_memory([random_events(5, SENSOR_SIZE)]), batch_size=1, shuffle=False, seed=0, augment=leave)
    with pytest.raises(ValueError, match="`x` of the events must lie below 9; got 9"):
        list(loader)


def split_arguments() -> dict[str, Any]:
    """Arguments of a good split of two samples."""
    events = random_events(7, SENSOR_SIZE)
    return {
        "events": events,
        "offsets": np.array([0, 3, 7]),
        "labels": torch.tensor([1, 0]),
        "sensor_size": SENSOR_SIZE,
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("events", np.zeros(7), "`events` must be a numpy array of longspike.events.EVENT_DTYPE; got dtype float64"),
        ("offsets", np.array([0, 3, 7], np.int32), r"`offsets` must be int64 of shape \(num_samples \+ 1,\)"),
        ("offsets", np.array([], np.int64), r"`offsets` must be int64 of shape \(num_samples \+ 1,\)"),
        ("offsets", np.array([0, 3, 6]), "`offsets` must rise from 0 to the number of events, 7; got 0 to 6"),
        ("offsets", np.array([0, 8, 7]), "`offsets` must rise from 0"),
        ("labels", torch.tensor([1, 0, 0]), r"`labels` must be an int64 tensor of shape \(2,\), one entry per"),
        ("labels", np.array([1, 0]), r"`labels` must be an int64 tensor of shape \(2,\)"),
        ("labels", torch.tensor([1, -1]), "`labels` must be at least 0; got min=-1. Number the classes from 0"),
        ("sensor_size", (9, 0), r"`sensor_size` must be \(width, height\)"),
        ("sensor_size", (2, 6), "`x` of the events must lie below 2"),
        ("sensor_size", (9, 2), "`y` of the events must lie below 2"),
    ],
)
def test_a_split_refuses(name: str, value: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        EventSplit(**(split_arguments() | {name: value}))


def test_times_must_rise_within_a_sample_only() -> None:
    arguments = split_arguments()
    events = arguments["events"].copy()
    events["t"] = [4, 5, 6, 0, 1, 2, 3]
    EventSplit(**(arguments | {"events": events}))
    EventSplit(
        **(arguments | {"events": events, "offsets": np.array([0, 0, 3, 7, 7]), "labels": torch.zeros(4).long()})
    )
    events["t"] = [4, 5, 6, 0, 1, 3, 2]
    with pytest.raises(ValueError, match=r"in the order of time within a sample; sample 1 is not\. Sort each"):
        EventSplit(**(arguments | {"events": events}))
    events["p"][2] = 2
    with pytest.raises(ValueError, match="`p` of the events must be 0 or 1"):
        EventSplit(**(arguments | {"events": events}))


@pytest.mark.parametrize("make", [in_memory, on_demand])
def test_indices_are_checked(make: Any) -> None:
    split = make([random_events(4, SENSOR_SIZE), random_events(3, SENSOR_SIZE)])
    for index in (-1, 2):
        with pytest.raises(IndexError, match=rf"`index` must lie in \[0, 1\]; got {index}"):
            split.sample(index)
    with pytest.raises(ValueError, match=r"`indices` must be an int64 tensor of one axis.*nonzero"):
        split.select(torch.tensor([True, False]))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros(2), "EVENT_DTYPE; got dtype float64"),
        (np.array([(9, 0, 0, 1)], EVENT_DTYPE), "`x` of the events must lie below 9; got 9"),
        (np.array([(0, 0, 5, 1), (0, 0, 4, 1)], EVENT_DTYPE), "must be in the order of time"),
    ],
)
def test_a_reader_that_breaks_the_rules_is_named(events: np.ndarray, message: str) -> None:
    split = LazyEventSplit(
        sources=(Path("odd.bin"),), labels=torch.tensor([0]), sensor_size=SENSOR_SIZE, reader=lambda path: events
    )
    with pytest.raises(DataFileError, match=rf"odd.bin holds no sample of this data set. .*{message}"):
        split.sample(0)


def test_lazy_labels_are_checked() -> None:
    with pytest.raises(ValueError, match=r"LazyEventSplit: `labels` must be an int64 tensor of shape \(1,\)"):
        LazyEventSplit(sources=(1,), labels=torch.tensor([0, 1]), sensor_size=SENSOR_SIZE, reader=lambda source: source)


def bundle_arguments() -> dict[str, Any]:
    """Arguments of a good bundle."""
    split = EventSplit(**split_arguments())
    return {
        "name": "own",
        "train": split,
        "val": on_demand([random_events(3, SENSOR_SIZE)]),
        "test": split,
        "num_classes": 2,
        "sensor_size": SENSOR_SIZE,
        "class_names": ("left", "right"),
        "source": "made here",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be an integer of at least 1"),
        ({"class_names": ("left",)}, "`class_names` must have 2 entries, one per class; got 1"),
        ({"source": " "}, "`source` must name the origin and the terms"),
        ({"sensor_size": (6, 9)}, r"`train` must have sensor_size=\(6, 9\); got sensor_size=\(9, 6\)"),
        ({"num_classes": 1, "class_names": ("left",)}, "labels of `train` must lie below num_classes=1; got max=1"),
        ({"val": on_demand([])}, "`val` must hold at least one sample; got none"),
    ],
)
def test_a_bundle_refuses(changes: dict[str, object], message: str) -> None:
    EventBundle(**bundle_arguments())
    with pytest.raises(ValueError, match=message):
        EventBundle(**(bundle_arguments() | changes))


@given(
    class_sizes=st.lists(st.integers(4, 30), min_size=1, max_size=5), seed=st.integers(0, 99), share=st.integers(3, 10)
)
def test_a_division_is_disjoint_and_stratified(class_sizes: list[int], seed: int, share: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(class_sizes)), torch.tensor(class_sizes))
    count = max(1, len(labels) // share)
    parts = divide(labels, num_val=count, num_test=count, seed=seed)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    assert [len(part) for part in parts[1:]] == [count, count]
    for part in parts[1:]:
        found = labels[part].bincount(minlength=len(class_sizes))
        expected = torch.tensor(class_sizes) * count / len(labels)
        assert float((found - expected).abs().max()) < 2.0
    assert all(
        torch.equal(a, b) for a, b in zip(parts, divide(labels, num_val=count, num_test=count, seed=seed), strict=True)
    )

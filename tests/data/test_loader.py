"""The loader: each sample once per epoch, order from (seed, epoch) alone, exact resumption."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import BatchLoader, Split, epoch_order, sample_generators

sizes = st.integers(1, 23)
batch_sizes = st.integers(1, 9)
seeds = st.integers(0, 2**40)
epochs = st.integers(0, 50)


def make_loader(num_samples: int, **options: object) -> BatchLoader:
    """A loader whose labels are the sample numbers."""
    split = Split(
        values=torch.ones(num_samples, 2, 1, dtype=torch.uint8),
        lengths=torch.full((num_samples,), 2),
        labels=torch.arange(num_samples),
    )
    return BatchLoader(split, **({"batch_size": 4, "shuffle": True, "seed": 3} | options))


def draw(loader: BatchLoader) -> list[list[int]]:
    """The labels of one iteration, batch by batch."""
    return [batch.labels.tolist() for batch in loader]


def flat(batches: list[list[int]]) -> list[int]:
    """The labels without the borders of batches."""
    return [label for batch in batches for label in batch]


@given(num_samples=sizes, batch_size=batch_sizes, shuffle=st.booleans(), seed=seeds)
def test_each_epoch_covers_each_sample_once(num_samples: int, batch_size: int, shuffle: bool, seed: int) -> None:
    loader = make_loader(num_samples, batch_size=batch_size, shuffle=shuffle, seed=seed)
    for _ in range(2):
        batches = draw(loader)
        assert len(batches) == len(loader)
        assert sorted(flat(batches)) == list(range(num_samples))
        assert all(len(batch) == batch_size for batch in batches[:-1])


@given(num_samples=sizes, batch_size=batch_sizes)
def test_drop_last_keeps_full_batches_only(num_samples: int, batch_size: int) -> None:
    if num_samples < batch_size:
        with pytest.raises(ValueError, match=f"`split` must hold at least {batch_size} samples.*got {num_samples}"):
            make_loader(num_samples, batch_size=batch_size, drop_last=True)
        return
    loader = make_loader(num_samples, batch_size=batch_size, drop_last=True)
    batches = draw(loader)
    assert [len(batch) for batch in batches] == [batch_size] * (num_samples // batch_size)
    assert len(batches) == len(loader)


@given(seed=seeds, epoch=epochs, global_seed=st.integers(0, 1000))
def test_order_is_a_function_of_seed_and_epoch(seed: int, epoch: int, global_seed: int) -> None:
    expected = epoch_order(50, seed=seed, epoch=epoch)
    torch.manual_seed(global_seed)
    state = torch.get_rng_state()
    loader = make_loader(50, seed=seed, batch_size=7)
    loader.set_epoch(epoch)
    assert flat(draw(loader)) == expected.tolist()
    assert torch.equal(torch.get_rng_state(), state)


def test_orders_differ_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(20, seed=seed, epoch=epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_iterations_go_through_the_epochs() -> None:
    loader = make_loader(10)
    expected = [epoch_order(10, seed=3, epoch=epoch).tolist() for epoch in range(4)]
    assert flat(draw(loader)) == expected[0]
    next(iter(loader))  # epoch 1, left early
    assert flat(draw(loader)) == expected[2]
    loader.set_epoch(1)
    assert flat(draw(loader)) == expected[1]
    assert flat(draw(loader)) == expected[2]


def test_without_shuffling_the_order_is_that_of_the_split() -> None:
    loader = make_loader(6, shuffle=False)
    assert draw(loader) == draw(loader) == [[0, 1, 2, 3], [4, 5]]


@given(num_samples=sizes, batch_size=batch_sizes, epoch=epochs, data=st.data())
def test_resuming_yields_exactly_the_remainder(
    num_samples: int, batch_size: int, epoch: int, data: st.DataObject
) -> None:
    whole = make_loader(num_samples, batch_size=batch_size)
    whole.set_epoch(epoch)
    expected, following = draw(whole), draw(whole)
    num_drawn = data.draw(st.integers(0, len(whole)))
    stopped = make_loader(num_samples, batch_size=batch_size)
    stopped.set_epoch(epoch)
    batches = iter(stopped)
    for _ in range(num_drawn):
        next(batches)
    state = stopped.state_dict()
    assert (state["epoch"], state["next_batch"]) == (epoch, num_drawn)
    resumed = make_loader(num_samples, batch_size=batch_size)
    resumed.load_state_dict(state)
    if data.draw(st.booleans()):
        resumed.set_epoch(epoch)  # as a training loop does before every epoch
    assert draw(resumed) == expected[num_drawn:]
    assert draw(resumed) == following


def test_a_finished_epoch_is_saved_as_the_start_of_the_next() -> None:
    loader = make_loader(6)
    draw(loader)
    assert (loader.state_dict()["epoch"], loader.state_dict()["next_batch"]) == (1, 0)


def test_set_epoch_starts_an_epoch_under_way_again() -> None:
    loader = make_loader(10)
    next(iter(loader))
    loader.set_epoch(0)
    assert flat(draw(loader)) == epoch_order(10, seed=3, epoch=0).tolist()


def test_an_older_iteration_does_not_move_the_position() -> None:
    loader = make_loader(12)
    older, newer = iter(loader), iter(loader)
    next(newer)
    list(older)
    assert (loader.state_dict()["epoch"], loader.state_dict()["next_batch"]) == (1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be an integer of at least 1; got 0"),
        ({"seed": -1}, "`seed` must be an integer of at least 0; got -1"),
    ],
)
def test_loader_rejects(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loader(5, **options)


def test_loader_rejects_an_empty_split() -> None:
    with pytest.raises(ValueError, match=r"`split` must hold at least 1 samples to make a batch; got 0"):
        make_loader(0)


def test_set_epoch_rejects_a_negative_epoch() -> None:
    with pytest.raises(ValueError, match=r"set_epoch: `epoch` must be an integer of at least 0; got -1"):
        make_loader(5).set_epoch(-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "must come from a loader with seed=3; got seed=4"),
        ({"batch_size": 5}, "must come from a loader with batch_size=4; got batch_size=5"),
        ({"num_samples": 9}, "must come from a loader with num_samples=10; got num_samples=9"),
        ({"epoch": -1}, "`epoch` must be an integer of at least 0; got -1"),
        ({"next_batch": -1}, "`next_batch` must be an integer of at least 0; got -1"),
        ({"next_batch": 4}, "`next_batch` must be at most 3, the batches of an epoch; got 4"),
    ],
)
def test_load_state_dict_rejects(changes: dict[str, int], message: str) -> None:
    loader = make_loader(10)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(loader.state_dict() | changes)


def test_load_state_dict_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"missing \['batch_size', .*'epoch', .*Pass a state of a BatchLoader"):
        make_loader(10).load_state_dict({})


def add_draws(values: torch.Tensor, rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Bytes drawn from every sample's generator, in place of the values."""
    return torch.from_numpy(np.stack([rng.integers(0, 256, values.shape[1:], dtype=np.uint8) for rng in rngs]))


def augmented(loader: BatchLoader) -> list[tuple[int, list[float]]]:
    """The label and the values of every sample of one iteration."""
    return [(int(y), x.flatten().tolist()) for batch in loader for x, y in zip(batch.x, batch.labels, strict=True)]


@given(batch_size=batch_sizes, other_size=batch_sizes, epoch=epochs)
def test_augmentation_is_a_function_of_seed_epoch_and_sample(batch_size: int, other_size: int, epoch: int) -> None:
    loaders = [make_loader(23, batch_size=size, augment=add_draws) for size in (batch_size, other_size)]
    loaders.append(make_loader(23, shuffle=False, augment=add_draws))
    for loader in loaders:
        loader.set_epoch(epoch)
    first, second, in_order = map(augmented, loaders)
    assert first == second
    assert sorted(first) == in_order
    assert augmented(loaders[0]) != first


@given(num_drawn=st.integers(0, 6), epoch=epochs)
def test_resuming_repeats_the_augmentation(num_drawn: int, epoch: int) -> None:
    whole, stopped, resumed = (make_loader(23, augment=add_draws) for _ in range(3))
    whole.set_epoch(epoch)
    stopped.set_epoch(epoch)
    batches = iter(stopped)
    for _ in range(num_drawn):
        next(batches)
    resumed.load_state_dict(stopped.state_dict())
    assert augmented(resumed) == augmented(whole)[4 * num_drawn :]
    assert augmented(resumed) == augmented(whole)


def test_generators_are_pinned_and_differ_from_each_other() -> None:
    keys = [(seed, epoch, index) for seed in range(3) for epoch in range(3) for index in range(3)]
    draws = {
        int(sample_generators(torch.tensor([index]), seed=seed, epoch=epoch)[0].integers(2**60))
        for seed, epoch, index in keys
    }
    assert len(draws) == 27
    # recorded: a change would make resumed runs differ from whole ones
    assert int(sample_generators(torch.tensor([2]), seed=5, epoch=1)[0].integers(1000)) == 457

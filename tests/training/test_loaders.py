"""Loaders of PyTorch in `fit`: named batches, and what of a run with one of them can be resumed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from longspike.data import Batch, BatchLoader, Split, collate
from longspike.training import fit, score
from longspike.training.checkpoints import read_checkpoint
from longspike.training.loaders import EpochLoader, FromStep, PlainLoader, labelled, normalisation_of
from training.conftest import CONFIG, NUM_BATCHES, small_model, small_split, train_loader, val_loader


def draw(batches: Any) -> list[list[int]]:
    return [labelled(batch).labels.tolist() for batch in batches]


def numbered(**options: Any) -> DataLoader[Any]:
    """Ten samples whose labels are their numbers."""
    data = TensorDataset(torch.zeros(10, 3, 1), torch.arange(10))
    return DataLoader(data, **({"batch_size": 4, "shuffle": True} | options))


def test_batches_without_names_get_them() -> None:
    x, lengths, labels = torch.zeros(2, 3, 1), torch.tensor([3, 1]), torch.tensor([4, 5])
    assert labelled([x, labels]).lengths.tolist() == [3, 3]
    for batch in ([x, lengths, labels], (x, lengths, labels)):
        named = labelled(batch)
        assert isinstance(named, Batch)
        assert (named.lengths is lengths, named.labels is labels) == (True, True)
    given = Batch(x, lengths, labels)
    assert labelled(given) is given


@pytest.mark.parametrize(
    "batch", [[], (torch.zeros(2),), (torch.zeros(2), torch.zeros(2)), (torch.zeros(2, 3), [0, 1])]
)
def test_other_batches_are_refused(batch: Any) -> None:
    with pytest.raises(
        TypeError, match=r"a batch must be \(x, labels\) or \(x, lengths, labels\).*Give the loader a coll"
    ):
        labelled(batch)


def test_a_loader_without_a_length_is_refused() -> None:
    class Endless(IterableDataset[tuple[Tensor, int]]):
        def __iter__(self) -> Iterator[tuple[Tensor, int]]:
            yield torch.zeros(3, 1), 0

    with pytest.raises(TypeError, match=r"`train_loader` must know how many batches.*Give it a data set with a length"):
        PlainLoader(DataLoader(Endless()), seed=0)


def test_a_plain_loader_repeats_an_epoch_from_any_batch_on() -> None:
    loader = PlainLoader(numbered(), seed=3)
    assert isinstance(loader, EpochLoader)
    epochs = [draw(loader.batches(epoch)) for epoch in range(3)]
    assert len({str(epoch) for epoch in epochs}) == 3
    assert all(sorted(label for batch in epoch for label in batch) == list(range(10)) for epoch in epochs)
    torch.manual_seed(99)
    for first in range(4):
        assert draw(PlainLoader(numbered(), seed=3).batches(1, first=first)) == epochs[1][first:]
    assert draw(PlainLoader(numbered(), seed=4).batches(1)) != epochs[1]


def test_an_order_of_the_loader_s_own_goes_on() -> None:
    def own() -> PlainLoader:
        return PlainLoader(numbered(generator=torch.Generator().manual_seed(1)), seed=3)

    whole = own()
    epochs = [draw(whole.batches(epoch)) for epoch in range(2)]
    assert draw(own().batches(1)) == epochs[0]
    assert epochs[0] != epochs[1]


def test_the_step_decides_the_place_and_other_settings_are_refused() -> None:
    loader = BatchLoader(small_split(7, seed=0), batch_size=2, shuffle=True, seed=1)
    batches = FromStep(loader, lambda: 4 * 5 + 3)
    assert draw(batches) == draw(loader.batches(5, first=3))
    older = {name: value for name, value in batches.state_dict().items() if name != "length_window"}
    batches.load_state_dict(older | {"epoch": 9, "next_batch": 1})  # of an older version
    for other in ({**loader.settings, "seed": 2}, {}):
        with pytest.raises(ValueError, match=r"must be the one that the run began with, \w+=\w+; got \w+=\d"):
            batches.load_state_dict(other)


class CrashError(Exception):
    """Stands in for anything that ends a process."""


class CrashingLoader(DataLoader[Any]):
    """Ends the run when batch `at` of the whole run is asked for."""

    at: int = -1
    asked: int = 0

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            if self.asked == self.at:
                raise CrashError
            self.asked += 1
            yield batch


def ragged_loader(at: int = -1) -> CrashingLoader:
    """Samples of different lengths from a split, NUM_BATCHES an epoch."""
    loader = CrashingLoader(small_split(40, seed=1), batch_size=CONFIG.batch_size, shuffle=True, collate_fn=collate)
    loader.at = at
    return loader


def weights(run_dir: Path) -> dict[str, Tensor]:
    return read_checkpoint(run_dir / "last.ckpt")["state_dict"]


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, NUM_BATCHES, NUM_BATCHES + 3])
def test_a_run_with_a_plain_loader_resumes_to_the_same_bits(at: int, run_dir: Path) -> None:
    fit(small_model(), ragged_loader(), val_loader(), CONFIG, run_dir=run_dir / "whole")
    with pytest.raises(CrashError):
        fit(small_model(), ragged_loader(at), val_loader(), CONFIG, run_dir=run_dir / "crashed")
    fit(small_model(), ragged_loader(), val_loader(), CONFIG, run_dir=run_dir / "crashed", resume=True)
    expected, found = weights(run_dir / "whole"), weights(run_dir / "crashed")
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.mark.slow
def test_plain_tuples_train_as_named_batches_do(run_dir: Path) -> None:
    split = small_split(40, seed=1, is_padded=False)
    named = BatchLoader(split, batch_size=CONFIG.batch_size, shuffle=False, seed=0)
    plain = [
        DataLoader(split, batch_size=CONFIG.batch_size),
        DataLoader(TensorDataset(split.values, split.lengths, split.labels), batch_size=CONFIG.batch_size),
    ]
    results = [
        fit(small_model(), loader, loader, CONFIG, run_dir=run_dir / str(k)) for k, loader in enumerate([named, *plain])
    ]
    assert results[0].val == results[1].val == results[2].val
    expected = weights(run_dir / "0")
    for k in (1, 2):
        found = weights(run_dir / str(k))
        assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert score(small_model(), plain[0]) == score(small_model(), plain[1]) == score(small_model(), named)


@pytest.mark.slow
def test_another_number_of_batches_is_refused(run_dir: Path) -> None:
    with pytest.raises(CrashError):
        fit(small_model(), ragged_loader(3), val_loader(), CONFIG, run_dir=run_dir)
    other = DataLoader(small_split(40, seed=1), batch_size=5, collate_fn=collate)
    with pytest.raises(ValueError, match=r"the run began with, num_batches=7; got num_batches=8. Build it as it was"):
        fit(small_model(), other, val_loader(), replace(CONFIG, batch_size=5), run_dir=run_dir, resume=True)
    with pytest.raises(ValueError, match=r"began with, num_samples=None; got num_samples=40"):
        fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir, resume=True)


def test_the_normalisation_of_what_a_loader_draws_from() -> None:
    split = Split(
        values=torch.zeros(5, 3, 1), lengths=torch.full((5,), 3), labels=torch.arange(5), scale=0.5, shift=-2.0
    )
    subset = torch.utils.data.Subset(split, [0, 3])
    ours = BatchLoader(split, batch_size=2, shuffle=False, seed=0)
    loaders = [ours, *(torch.utils.data.DataLoader(data, batch_size=2) for data in (split, subset))]
    assert [normalisation_of(loader) for loader in loaders] == [(0.5, -2.0)] * 3
    assert normalisation_of(torch.utils.data.DataLoader(torch.zeros(4, 2))) is None

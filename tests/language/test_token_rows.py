"""Rows of tokens: every token is predicted once, rows go on where they stopped, order is a function of (seed, epoch)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from language.conftest import NUM_TOKENS, corpus
from longspike.data import BatchLoader, RowLoader, TokenRow


@pytest.mark.parametrize("seqlen", [1, 7, 199, 300])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_segments_predict_every_token_once(seqlen: int, batch_size: int) -> None:
    row = corpus(seqlen=seqlen)
    x, labels = [], []
    for batch in BatchLoader(row, batch_size=batch_size, shuffle=False, seed=0):
        valid = torch.arange(batch.x.shape[1]) < batch.lengths[:, None]
        assert bool((batch.labels[~valid] == -1).all())
        x.append(batch.x[valid])
        labels.append(batch.labels[valid])
    tokens = torch.from_numpy(row.tokens.astype(np.int64))
    assert torch.equal(torch.cat(x), tokens[:-1])
    assert torch.equal(torch.cat(labels), tokens[1:])
    assert torch.equal(row.labels, tokens[1:])
    assert row.max_seqlen == min(seqlen, 199)


@pytest.mark.parametrize("rolls", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_rows_go_on_where_they_stopped(rolls: bool, batch_size: int) -> None:
    row = corpus(num_tokens=151)
    loader = RowLoader(row, batch_size=batch_size, rolls=rolls, seed=5)
    whole = torch.cat([batch.x for batch in loader.batches(2)], dim=1)
    labels = torch.cat([batch.labels for batch in loader.batches(2)], dim=1)
    rest = 150 // batch_size
    assert whole.shape == (batch_size, rest)
    for b, offset in enumerate(loader.offsets(2)):
        places = b * rest + (offset + np.arange(rest)) % rest
        assert whole[b].tolist() == row.tokens[places].tolist()
        assert labels[b].tolist() == row.tokens[places + 1].tolist()
    assert bool(loader.offsets(2).any()) == rolls


def test_an_epoch_is_a_function_of_its_number() -> None:
    loader = RowLoader(corpus(), batch_size=3, rolls=True, seed=1)
    first, again = (list(loader.batches(4)) for _ in range(2))
    assert len(first) == len(loader) == 6
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    late = list(loader.batches(4, first=2))
    assert all(torch.equal(a.x, b.x) for a, b in zip(first[2:], late, strict=True))
    assert not torch.equal(first[0].x, next(loader.batches(5)).x)
    assert not torch.equal(first[0].x, next(RowLoader(corpus(), batch_size=3, rolls=True, seed=2).batches(4)).x)
    assert loader.settings == {"num_tokens": 200, "seqlen": 11, "batch_size": 3, "rolls": 1, "seed": 1}
    assert torch.equal(next(iter(loader)).x, next(loader.batches(0)).x)


@pytest.mark.parametrize(("batch_size", "seqlen"), [(1, 7), (1, 200), (4, 11)])
def test_rolled_rows_predict_every_token_once_an_epoch(batch_size: int, seqlen: int) -> None:
    """In another order with another seed, and in another epoch."""
    row = TokenRow(tokens=np.arange(201, dtype=np.uint8), d_input=201, seqlen=seqlen)
    orders = []
    for seed, epoch in ((1, 0), (1, 1), (2, 0)):
        batches = list(RowLoader(row, batch_size=batch_size, rolls=True, seed=seed).batches(epoch))
        assert all(torch.equal(batch.labels, batch.x + 1) for batch in batches)
        orders.append(torch.cat([batch.x for batch in batches], dim=1).flatten().tolist())
        assert sorted(orders[-1]) == list(range(200))
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]


def test_a_file_is_mapped(tmp_path: Path) -> None:
    row = corpus()
    np.save(tmp_path / "row.npy", row.tokens)
    mapped = replace(row, tokens=np.load(tmp_path / "row.npy", mmap_mode="r"))
    batch = mapped.batch(torch.tensor([3, 18]))
    assert torch.equal(batch.x, row.batch(torch.tensor([3, 18])).x)
    assert torch.equal(next(iter(RowLoader(mapped, batch_size=2))).x, next(iter(RowLoader(row, batch_size=2))).x)


def test_the_first_segments_are_a_row() -> None:
    row = corpus(seqlen=11)
    first = row.select(torch.arange(3))
    assert (len(first), first.num_predicted) == (3, 33)
    assert torch.equal(first.batch(torch.arange(3)).labels, row.batch(torch.arange(3)).labels)
    assert len(row.select(torch.arange(len(row)))) == len(row)
    for wrong in (torch.tensor([1]), torch.tensor([0, 2]), torch.arange(99), torch.arange(0)):
        with pytest.raises(ValueError, match=r"TokenRow\.select: `indices` must be the first segments in their order"):
            row.select(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": np.zeros(5)}, "`tokens` must be a NumPy array of one axis, uint8, uint16 or int32"),
        ({"tokens": np.zeros(1, np.uint8)}, "with at least two tokens"),
        (
            {"tokens": np.array([0, NUM_TOKENS], np.uint8)},
            r"`tokens` must lie in \[0, 7\), the vocabulary; got min=0, max=7",
        ),
        ({"seqlen": 0}, "`seqlen` must be an integer of at least 1"),
        ({"d_input": 0}, "`d_input` must be an integer of at least 1"),
    ],
)
def test_what_is_no_row(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(corpus(), **changes)


def test_what_no_loader_can_do() -> None:
    with pytest.raises(
        ValueError, match=r"`row` must predict at least 200 tokens, one a row; got 199\. Lower batch_size"
    ):
        RowLoader(corpus(), batch_size=200)
    with pytest.raises(ValueError, match=r"RowLoader\.batches: `first` must be an integer from 0 to 19; got 20"):
        RowLoader(corpus(), batch_size=1).batches(0, first=20).__next__()
    with pytest.raises(ValueError, match="TokenRow: `augment` must be None"):
        corpus().batch(torch.tensor([0]), augment=lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        corpus()[19]
    assert isinstance(corpus()[18], tuple)
    assert isinstance(corpus().select(torch.arange(1)), TokenRow)

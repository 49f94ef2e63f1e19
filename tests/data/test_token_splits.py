"""Tokens of different lengths: splits, their batches, and batches of similar lengths."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import Batch, BatchLoader, DataBundle, TokenSplit, Vocabulary, similar_lengths, token_split

ROWS = [[3, 1, 2], [], [4], [2, 2, 1, 5, 0]]


def make_split(**changes: object) -> TokenSplit:
    """Four samples of zero to five tokens."""
    return token_split(ROWS, torch.tensor([0, 1, 1, 0]), **({"d_input": 6, "pad_token": 5} | changes))


def flat(batches: list[list[int]]) -> list[int]:
    """The labels without the borders of batches."""
    return [label for batch in batches for label in batch]


def lengths_split(lengths: torch.Tensor) -> TokenSplit:
    """A split of such lengths, whose labels are the sample numbers."""
    zeros = np.zeros(int(lengths.sum()), np.uint8)
    labels = torch.arange(len(lengths))
    return TokenSplit(tokens=zeros, starts=lengths.cumsum(0) - lengths, lengths=lengths, labels=labels, d_input=3)


@given(st.lists(st.integers(0, 3), max_size=7))
def test_a_batch_is_padded_to_its_own_longest(indices: list[int]) -> None:
    batch = make_split().batch(torch.tensor(indices, dtype=torch.int64))
    rows = [ROWS[k] for k in indices]
    longest = max(map(len, rows), default=0)
    assert isinstance(batch, Batch)
    assert batch.x.dtype == torch.int64
    assert batch.x.shape == (len(rows), longest)
    assert batch.x.tolist() == [row + [5] * (longest - len(row)) for row in rows]
    assert batch.lengths.tolist() == [len(row) for row in rows]
    assert batch.labels.tolist() == [[0, 1, 1, 0][k] for k in indices]


def test_a_selection_shares_the_tokens() -> None:
    split = make_split()
    chosen = split.select(torch.tensor([3, 0, 3]))
    assert chosen.tokens is split.tokens
    assert chosen.lengths.tolist() == [5, 3, 5]
    assert [x.tolist() for x, _ in (chosen[k] for k in range(3))] == [ROWS[3], ROWS[0], ROWS[3]]
    assert (chosen.max_seqlen, chosen.pad_token, split.select(torch.tensor([1])).max_seqlen) == (5, 5, 0)
    with pytest.raises(IndexError):
        split[4]


@pytest.mark.parametrize(("d_input", "dtype"), [(6, np.uint8), (256, np.uint8), (257, np.uint16), (65_537, np.int32)])
def test_tokens_are_stored_small(d_input: int, dtype: type) -> None:
    split = token_split([[d_input - 1, 0]], torch.tensor([0]), d_input=d_input)
    assert split.tokens.dtype == dtype
    assert split[0][0].tolist() == [d_input - 1, 0]


def test_tokens_may_be_mapped_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", make_split().tokens)
    mapped, split = np.load(tmp_path / "tokens.npy", mmap_mode="r"), make_split()
    same = TokenSplit(tokens=mapped, starts=split.starts, lengths=split.lengths, labels=split.labels, d_input=6)
    assert isinstance(same.select(torch.tensor([0])).tokens, np.memmap)
    assert same[3][0].tolist() == ROWS[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": np.zeros(3)}, "`tokens` must be a NumPy array of one axis, uint8, uint16 or int32; got a"),
        ({"tokens": np.zeros((3, 3), np.uint8)}, "of one axis"),
        ({"tokens": np.full(9, 7, np.uint8)}, r"`tokens` must lie in \[0, 6\), the vocabulary; got min=7, max=7"),
        (
            {"starts": torch.tensor([0, 3, 3, 5])},
            "must name parts of the 9 tokens; got starts from 0 on and ends up to 10",
        ),
        ({"lengths": torch.tensor([3, 0, 1])}, "`lengths` must be an int64 tensor of shape"),
        ({"labels": torch.tensor([0, -1, 1, 0])}, "`labels` must be at least 0"),
        ({"pad_token": 6}, "`pad_token` must be an integer from 0 to 5; got 6"),
    ],
)
def test_a_split_checks_itself(changes: dict[str, object], message: str) -> None:
    split = make_split()
    values = {name: getattr(split, name) for name in ("tokens", "starts", "lengths", "labels", "d_input", "pad_token")}
    with pytest.raises(ValueError, match=message):
        TokenSplit(**(values | changes))


def test_sequences_are_whole_numbers_of_the_vocabulary() -> None:
    with pytest.raises(
        ValueError, match=r"sequence 1 must hold whole numbers on one axis; got a ndarray of shape \(1,\)"
    ):
        token_split([[1], [0.5]], torch.tensor([0, 0]), d_input=2)
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\), the vocabulary; got min=256, max=256"):
        token_split([[256]], torch.tensor([0]), d_input=2)
    with pytest.raises(ValueError, match=r"`augment` must be None, tokens stay as they are"):
        make_split().batch(torch.tensor([0]), augment=len)


def test_a_bundle_of_tokens_and_its_vocabulary() -> None:
    split = make_split()
    values = {"name": "small", "train": split, "val": split, "test": split, "num_classes": 2, "d_input": 6}
    values |= {"class_names": ("a", "b"), "source": "Made up."}
    letters = Vocabulary(symbols=("a", "b", "c"))
    assert DataBundle(**values, vocabulary=letters).has_tokens
    with pytest.raises(
        ValueError, match=r"`vocabulary` must be that of tokens, with 6 of them \(d_input\); got one of 4"
    ):
        DataBundle(**values, vocabulary=Vocabulary(symbols=("a",)))
    with pytest.raises(ValueError, match=r"`val` must have d_input=6; got d_input=7"):
        DataBundle(**(values | {"val": make_split(d_input=7)}))


lengths_lists = st.lists(st.integers(0, 9), min_size=1, max_size=40).map(torch.tensor)


@given(lengths=lengths_lists, batch_size=st.integers(1, 5), window=st.integers(1, 4), shuffle=st.booleans())
def test_similar_lengths_meet_and_every_sample_comes_once(
    lengths: torch.Tensor, batch_size: int, window: int, shuffle: bool
) -> None:
    options = {"batch_size": batch_size, "shuffle": shuffle, "seed": 7}
    loader = BatchLoader(lengths_split(lengths), length_window=window, **options)
    plain = BatchLoader(lengths_split(lengths), **options)
    drawn = [batch.labels.tolist() for batch in loader.batches(3)]
    before = [label for batch in plain.batches(3) for label in batch.labels.tolist()]
    assert [len(batch) for batch in drawn] == [len(batch.labels) for batch in plain.batches(3)]
    assert sorted(flat(drawn)) == list(range(len(lengths)))
    num_full = len(lengths) // batch_size
    assert flat(drawn[num_full:]) == before[num_full * batch_size :]
    by_hand = []
    for start in range(0, num_full * batch_size, window * batch_size):
        part = before[start : min(start + window * batch_size, num_full * batch_size)]
        part = sorted(part, key=lambda k: int(lengths[k]))
        by_hand += [part[k : k + batch_size] for k in range(0, len(part), batch_size)]
    assert (sorted(drawn[:num_full]) == sorted(by_hand)) if shuffle else (drawn[:num_full] == by_hand)


def test_the_order_is_a_function_of_seed_and_epoch_and_can_be_resumed() -> None:
    split = lengths_split(torch.randint(1, 50, (200,), generator=torch.Generator().manual_seed(0)))

    def draw(seed: int, epoch: int, first: int = 0) -> list[list[int]]:
        loader = BatchLoader(split, batch_size=7, shuffle=True, seed=seed, length_window=10)
        return [batch.labels.tolist() for batch in loader.batches(epoch, first=first)]

    assert draw(1, 2) == draw(1, 2)
    assert draw(1, 2, first=5) == draw(1, 2)[5:]
    assert len({str(draw(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    longest = [max(int(split.lengths[k]) for k in batch) for batch in draw(1, 2)]
    assert longest != sorted(longest)  # the batches are shuffled


def test_most_of_the_padding_is_saved() -> None:
    """Lengths as those of reviews: 1,300 on average, cut at 4,096."""
    random = np.random.default_rng(0)
    lengths = torch.from_numpy(np.minimum(np.exp(random.normal(6.9, 0.75, 4000)), 4096).astype(np.int64))
    split = lengths_split(lengths)

    def efficiency(**options: int) -> float:
        loader = BatchLoader(split, batch_size=32, shuffle=True, seed=0, **options)
        batches = [split.lengths[batch] for batch in loader._order(0).split(32)]
        return float(lengths.sum() / sum(len(batch) * batch.max() for batch in batches))

    assert efficiency() < 0.45
    assert efficiency(length_window=50) > 0.95


def test_the_window_belongs_to_the_settings() -> None:
    split = lengths_split(torch.tensor([1, 2]))
    assert BatchLoader(split, batch_size=1, shuffle=True, seed=0).settings["length_window"] == 0
    assert BatchLoader(split, batch_size=1, shuffle=True, seed=0, length_window=3).settings["length_window"] == 3
    with pytest.raises(ValueError, match="`length_window` must be an integer of at least 1; got 0"):
        BatchLoader(split, batch_size=1, shuffle=True, seed=0, length_window=0)
    with pytest.raises(ValueError, match=r"`length_window` needs a split with `lengths`; got a list\. Leave it out"):
        BatchLoader([1, 2], batch_size=1, shuffle=True, seed=0, length_window=2)
    assert similar_lengths(torch.tensor([1, 0]), split.lengths, batch_size=3, window=2).tolist() == [1, 0]

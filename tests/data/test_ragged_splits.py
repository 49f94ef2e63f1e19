"""Values of different lengths: splits, their batches, and random changes of one sample at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import Batch, BatchLoader, RaggedSplit, SoundAugment, ragged_split

ROWS = [[[3, -1], [2, 4]], [], [[7, 8]], [[1, 1], [-2, 2], [3, -3]]]
EMPTY = np.zeros((0, 2), np.int16)


def make_split(**changes: object) -> RaggedSplit:
    """Four samples of zero to three steps of two features; x = 0.5 value + 1."""
    rows = [np.array(row, np.int16) if row else EMPTY for row in ROWS]
    return ragged_split(rows, torch.tensor([0, 1, 1, 0]), **({"dtype": "int16", "scale": 0.5, "shift": 1.0} | changes))


@given(st.lists(st.integers(0, 3), max_size=7))
def test_a_batch_is_normalised_and_padded_to_its_own_longest(indices: list[int]) -> None:
    batch = make_split().batch(torch.tensor(indices, dtype=torch.int64))
    rows = [ROWS[k] for k in indices]
    longest = max(map(len, rows), default=0)
    assert isinstance(batch, Batch)
    assert batch.x.dtype == torch.float32
    assert batch.x.shape == (len(rows), longest, 2)
    expected = [[[0.5 * v + 1 for v in step] for step in row] + [[0.0, 0.0]] * (longest - len(row)) for row in rows]
    assert batch.x.tolist() == expected
    assert batch.lengths.tolist() == [len(row) for row in rows]
    assert batch.labels.tolist() == [[0, 1, 1, 0][k] for k in indices]


def test_a_unit_says_what_a_stored_number_stands_for() -> None:
    assert torch.equal(make_split(unit=0.25)[0][0], torch.tensor(ROWS[0]) * 0.25 * 0.5 + 1.0)


def test_a_selection_shares_the_values() -> None:
    split = make_split()
    chosen = split.select(torch.tensor([3, 0, 3]))
    assert chosen.values is split.values
    assert (len(chosen), chosen.max_seqlen, chosen.d_input, chosen.scale, chosen.shift) == (3, 3, 2, 0.5, 1.0)
    assert [(tuple(x.shape), label) for x, label in chosen] == [((3, 2), 0), ((2, 2), 0), ((3, 2), 0)]
    with pytest.raises(IndexError, match=r"RaggedSplit: `index` must lie in \[0, 2\]; got 3"):
        chosen[3]


def test_values_may_be_mapped_from_a_file(tmp_path: Path) -> None:
    split = make_split()
    np.save(tmp_path / "values.npy", split.values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    same = RaggedSplit(
        values=mapped, starts=split.starts, lengths=split.lengths, labels=split.labels, scale=0.5, shift=1.0
    )
    assert isinstance(same.select(torch.tensor([0])).values, np.memmap)
    assert torch.equal(same[3][0], split[3][0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros(6, np.int16)}, r"`values` must be a NumPy array of shape \(num_stored, d_input\), uint8"),
        (
            {"values": np.zeros((6, 2))},
            "uint8, int16 or float32; got a ndarray of shape .* float64. Make one of separate",
        ),
        ({"values": np.full((6, 2), np.nan, np.float32)}, "`values` must be finite; got NaN or infinity"),
        (
            {"starts": torch.tensor([0, 2, 2, 4])},
            "must name parts of the 6 steps; got starts from 0 on and ends up to 7",
        ),
        ({"lengths": torch.tensor([3, 0, 1])}, "RaggedSplit: `lengths` must be an int64 tensor of shape"),
        ({"labels": torch.tensor([0, -1, 1, 0])}, "`labels` must be at least 0"),
        ({"unit": 0.0}, "`unit` must be a finite number other than 0; got 0.0"),
        ({"scale": 0.0}, "`scale` and `shift` must be finite and `scale` not 0, one number or 2; got scale=0.0"),
        ({"shift": np.inf}, "must be finite.*got scale=0.5, shift=inf"),
    ],
)
def test_a_split_checks_itself(changes: dict[str, object], message: str) -> None:
    split = make_split()
    values = {
        name: getattr(split, name) for name in ("values", "starts", "lengths", "labels", "unit", "scale", "shift")
    }
    with pytest.raises(ValueError, match=message):
        RaggedSplit(**(values | changes))


@pytest.mark.parametrize(
    ("sequences", "dtype", "message"),
    [
        ([[[1.0]], [[1.0, 2.0]]], "float32", r"sequence 1 must hold numbers \(length, d_input\).*x\[:, None\]"),
        ([[1.0, 2.0]], "float32", r"sequence 0 must hold numbers \(length, d_input\)"),
        ([[["a"]]], "float32", "sequence 0 must hold numbers"),
        ([[[0.5]]], "int16", "sequence 0 must hold numbers that int16 can hold. Choose another `dtype`"),
        ([[[256]]], "uint8", "that uint8 can hold"),
        ([], "uint8", "`sequences` must hold at least one sequence; got none"),
        ([[[1]]], "float64", "`dtype` must be one of 'uint8', 'int16', 'float32'; got 'float64'"),
    ],
)
def test_sequences_have_one_width_and_fit_their_dtype(sequences: list, dtype: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ragged_split(sequences, torch.zeros(len(sequences), dtype=torch.int64), dtype=dtype)


def test_an_augmented_sample_depends_on_seed_epoch_and_index_alone() -> None:
    augment = SoundAugment(max_shift=1, max_gain_db=6.0, max_noise=0.3)
    loaders = [
        BatchLoader(make_split(), batch_size=size, shuffle=size == 2, seed=3, length_window=1, augment=augment)
        for size in (1, 2, 4)
    ]

    def samples(loader: BatchLoader, epoch: int) -> list[list]:
        pairs = [pair for batch in loader.batches(epoch) for pair in zip(batch.x, batch.lengths, strict=True)]
        return sorted(row[:length].tolist() for row, length in pairs)

    assert samples(loaders[0], 5) == samples(loaders[1], 5) == samples(loaders[2], 5) != samples(loaders[0], 6)
    batch = next(loaders[2].batches(5))
    assert bool((batch.x[batch.lengths == 1][:, 1:] == 0).all())  # noise stays out of the padding

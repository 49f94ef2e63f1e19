"""Masks, collation of ragged sequences, and drawing normalised batches."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import Split, collate, make_batch, mask


def test_mask_is_true_below_the_length() -> None:
    lengths = torch.tensor([0, 3, 7, 2])
    expected = [[step < length for step in range(7)] for length in lengths.tolist()]
    assert mask(lengths, 7).tolist() == expected


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5), d_input=st.integers(1, 3))
def test_collate_pads_with_zeros_and_keeps_the_rest(lengths: list[int], d_input: int) -> None:
    samples = [(torch.full((length, d_input), float(row + 1)), row) for row, length in enumerate(lengths)]
    copies = [sequence.clone() for sequence, _ in samples]
    batch = collate(samples)
    assert batch.x.shape == (len(lengths), max(lengths), d_input)
    assert batch.x.dtype == torch.float32
    assert batch.lengths.tolist() == lengths
    assert batch.labels.tolist() == list(range(len(lengths)))
    for row, length in enumerate(lengths):
        assert torch.equal(batch.x[row, :length], copies[row])
        assert not batch.x[row, length:].any()
        assert torch.equal(samples[row][0], copies[row])


def test_collate_converts_bytes() -> None:
    batch = collate([(torch.tensor([[200]], dtype=torch.uint8), 1)])
    assert batch.x.tolist() == [[[200.0]]]


def test_collate_reads_arrays() -> None:
    samples = [(np.arange(6, dtype=np.uint8).reshape(3, 2), np.int64(4)), ([[7.0, 8.0]], torch.tensor(5))]
    batch = collate(samples)  # type: ignore[arg-type]
    assert batch.x.tolist() == [[[0, 1], [2, 3], [4, 5]], [[7, 8], [0, 0], [0, 0]]]
    assert (batch.lengths.tolist(), batch.labels.tolist()) == ([3, 1], [4, 5])


@pytest.mark.parametrize("sample", [("text", 1), (torch.zeros(3, 1), 1.5), (torch.zeros(3, 1),), 7, ([[None]], 1)])
def test_collate_names_what_is_no_sample(sample: Any) -> None:
    with pytest.raises(TypeError, match=r"sample 1 must be a pair of a sequence .* and a label, an integer; got a"):
        collate([(torch.zeros(3, 1), 0), sample])


def test_collate_keeps_no_half_of_a_complex_number() -> None:
    with pytest.raises(TypeError, match=r"sequence 0 must be real; got dtype torch\.complex64"):
        collate([(torch.zeros(3, 1, dtype=torch.complex64), 0)])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], r"`samples` must hold at least one \(sequence, label\) pair; got none"),
        ([(torch.zeros(3), 0)], r"sequence 0 must have shape \(seqlen, d_input\).*got .*\(3,\).*x\[:, None\]"),
        ([(torch.zeros(3, 2), 0), (torch.zeros(3, 1), 0)], r"sequence 1 .*d_input as in sequence 0 \(shape \(3, 2\)\)"),
    ],
)
def test_collate_rejects(samples: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collate(samples)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_make_batch_normalises_and_zeroes_the_padding(dtype: torch.dtype) -> None:
    values = torch.arange(60).reshape(4, 5, 3).to(dtype)
    lengths = torch.tensor([5, 0, 2, 4])
    split = Split(values=values.clone(), lengths=lengths, labels=torch.arange(4), scale=0.25, shift=-3.0)
    indices = torch.tensor([2, 3, 0])
    batch = make_batch(split, indices)
    expected = (values[indices].float() * 0.25 - 3.0) * mask(lengths[indices], 5)[..., None]
    assert torch.equal(batch.x, expected)
    assert batch.x.dtype == torch.float32
    assert batch.lengths.tolist() == [2, 4, 5]
    assert batch.labels.tolist() == [2, 3, 0]
    assert torch.equal(split.values, values)

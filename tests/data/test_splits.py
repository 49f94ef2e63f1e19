"""Splits and bundles: what they check, and the stratified hold-out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from longspike.data import DataBundle, Split, collate, hold_out, make_batch
from longspike.data.holdout import class_quotas


def make_split(**changes: object) -> Split:
    """Four samples, five steps, three features."""
    values = {
        "values": torch.arange(60, dtype=torch.uint8).reshape(4, 5, 3),
        "lengths": torch.tensor([5, 0, 2, 4]),
        "labels": torch.tensor([0, 1, 2, 1]),
    }
    return Split(**(values | changes))


def make_bundle(**changes: object) -> DataBundle:
    """Three equal splits of three classes."""
    split = make_split()
    values = {
        "name": "small",
        "train": split,
        "val": split,
        "test": split,
        "num_classes": 3,
        "d_input": 3,
        "class_names": ("a", "b", "c"),
        "source": "Made up; no terms.",
    }
    return DataBundle(**(values | changes))


def test_split_reports_its_sizes() -> None:
    split = make_split()
    assert (len(split), split.max_seqlen, split.d_input) == (4, 5, 3)


def test_select_takes_the_samples_in_order_and_keeps_the_normalisation() -> None:
    split = make_split(scale=0.5, shift=-1.0)
    selected = split.select(torch.tensor([3, 1, 3]))
    assert torch.equal(selected.values, split.values[[3, 1, 3]])
    assert selected.lengths.tolist() == [4, 0, 4]
    assert selected.labels.tolist() == [1, 1, 1]
    assert (selected.scale, selected.shift) == (0.5, -1.0)


def test_a_split_is_a_data_set_of_pytorch() -> None:
    split = make_split(scale=0.5, shift=-1.0)
    assert isinstance(split, Dataset)
    x, label = split[3]
    assert torch.equal(x, split.values[3, :4].float() * 0.5 - 1.0)
    assert (label, split[1][0].shape) == (1, (0, 3))
    assert [label for _, label in split] == [0, 1, 2, 1]
    for index in (-1, 4):
        with pytest.raises(IndexError, match=rf"Split: `index` must lie in \[0, 3\]; got {index}"):
            split[index]
    (batch,) = DataLoader(split, batch_size=4, collate_fn=collate)
    assert all(torch.equal(a, b) for a, b in zip(batch, make_batch(split, torch.arange(4)), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": torch.zeros(4, 5)}, r"`values` must have shape .*got a tensor of shape \(4, 5\).*Add the missing"),
        ({"values": torch.zeros(4, 5, 3, dtype=torch.int64)}, r"dtype uint8, int16 or float; got .*int64.*x.float"),
        ({"values": torch.full((4, 5, 3), torch.nan)}, "`values` must be finite; got NaN or infinity"),
        ({"lengths": torch.tensor([1, 2])}, r"`lengths` must be an int64 tensor of shape \(4,\).*got .*\(2,\)"),
        (
            {"lengths": torch.zeros(4)},
            r"`lengths` must be an int64 tensor.*got .*float32. Convert it with torch.as_tensor",
        ),
        ({"lengths": torch.tensor([6, 0, 0, 0])}, r"`lengths` must lie in \[0, 5\].*got min=0, max=6"),
        ({"lengths": torch.tensor([-1, 0, 0, 0])}, r"`lengths` must lie in \[0, 5\].*got min=-1, max=0"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"`labels` must be an int64 tensor of shape \(4,\)"),
        ({"labels": torch.tensor([0, 0, -2, 0])}, "`labels` must be at least 0; got min=-2"),
        (
            {"scale": 0.0},
            r"`scale` and `shift` must be finite and `scale` not 0, one number or 3; got scale=0.0, shift=0.0",
        ),
        ({"scale": (1.0, 2.0)}, r"one number or 3; got scale=\(1.0, 2.0\), shift=0.0"),
        ({"scale": (1.0, 0.0, 2.0)}, r"`scale` not 0, one number or 3"),
        ({"rows": torch.tensor([0, 4, 1, 2])}, r"`rows` must lie in \[0, 3\], the samples that .*got min=0, max=4"),
        ({"rows": torch.tensor([0])}, r"`lengths` must be an int64 tensor of shape \(1,\)"),
        ({"shift": float("nan")}, "must be finite.*got scale=1.0, shift=nan"),
    ],
)
def test_split_rejects(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_split(**changes)


def test_a_normalisation_of_its_own_for_every_channel() -> None:
    scale, shift = (0.5, 2.0, -1.0), (0.0, 1.0, 0.25)
    x = make_split(scale=scale, shift=shift).batch(torch.tensor([0])).x
    expected = make_split().values[0].float() * torch.tensor(scale) + torch.tensor(shift)
    assert torch.equal(x[0], expected)


def test_samples_that_are_rows_of_a_mapped_file_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = np.random.default_rng(0).normal(size=(6, 5, 3))
    np.save(tmp_path / "x.npy", stored)
    values = torch.from_numpy(np.load(tmp_path / "x.npy", mmap_mode="c"))
    monkeypatch.setattr("longspike.data.splits.CHECKED_BYTES", 250)  # two samples a piece
    rows = torch.tensor([4, 0, 2, 5])
    split = make_split(values=values, rows=rows)
    chosen = split.select(torch.tensor([3, 1]))
    assert chosen.values.data_ptr() == values.data_ptr()
    assert (len(split), len(chosen), chosen.lengths.tolist()) == (4, 2, [4, 0])
    assert torch.equal(split[0][0], torch.from_numpy(stored[4]).float())
    assert torch.equal(chosen[0][0], split[3][0])
    values[2, 4, 0] = torch.nan
    with pytest.raises(ValueError, match="`values` must be finite"):
        make_split(values=values, rows=rows)
    assert len(make_split(values=values, rows=torch.tensor([0, 1, 3, 4]))) == 4  # what is no sample is not looked at


def test_select_rejects_a_mask() -> None:
    with pytest.raises(ValueError, match=r"`indices` must be an int64 tensor of one axis; got .*bool.*nonzero"):
        make_split().select(torch.ones(4, dtype=torch.bool))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be an integer of at least 1; got 0"),
        ({"class_names": ("a", "b")}, "`class_names` must have 3 entries, one per class; got 2"),
        ({"source": " "}, "`source` must name the origin and the terms; got an empty text"),
        ({"val": make_split().select(torch.tensor([], dtype=torch.int64))}, "`val` must hold at least one sample"),
        ({"d_input": 2}, "`train` must have d_input=2; got d_input=3"),
        ({"num_classes": 2, "class_names": ("a", "b")}, "labels of `train` must lie below num_classes=2; got max=2"),
        ({"test": make_split(scale=2.0)}, "`test` must have scale=1.0; got scale=2.0. Use one normalisation"),
    ],
)
def test_bundle_rejects(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_bundle(**changes)


def test_bundle_can_be_changed_only_by_replacement() -> None:
    bundle = make_bundle()
    with pytest.raises(AttributeError):
        bundle.name = "other"
    assert replace(bundle, name="other").name == "other"


@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), data=st.data())
def test_hold_out_partitions_by_class(labels: list[int], data: st.DataObject) -> None:
    num_held_out = data.draw(st.integers(1, len(labels) - 1))
    target = torch.tensor(labels)
    kept, held_out = hold_out(target, num_held_out=num_held_out, seed=data.draw(st.integers(0, 2**32 - 1)))
    assert len(held_out) == num_held_out
    assert sorted(kept.tolist() + held_out.tolist()) == list(range(len(labels)))
    for label in set(labels):
        share = num_held_out * labels.count(label) / len(labels)
        assert abs(int((target[held_out] == label).sum()) - share) < 1.0


def test_class_quotas_follow_the_largest_remainder() -> None:
    # shares 1.2, 0.4, 2.4: rounded down 1, 0, 2; the missing one goes to the first of the two remainders of 0.4
    assert class_quotas(np.array([3, 1, 6]), 4).tolist() == [1, 1, 2]


def test_hold_out_depends_on_the_seed_alone() -> None:
    labels = torch.arange(100) % 10
    first = hold_out(labels, num_held_out=20, seed=5)[1]
    torch.manual_seed(99)
    assert torch.equal(first, hold_out(labels, num_held_out=20, seed=5)[1])
    assert not torch.equal(first, hold_out(labels, num_held_out=20, seed=6)[1])


def test_hold_out_is_pinned() -> None:
    # recorded from numpy's frozen RandomState stream with the default seed
    assert hold_out(torch.arange(30) % 3, num_held_out=6)[1].tolist() == [2, 6, 11, 19, 21, 22]


@pytest.mark.parametrize(
    ("num_held_out", "message"),
    [
        (0, "`num_held_out` must be an integer of at least 1; got 0"),
        (4, "`num_held_out` must lie below the number of samples, 4; got 4. Hold out fewer"),
    ],
)
def test_hold_out_rejects(num_held_out: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hold_out(torch.zeros(4, dtype=torch.int64), num_held_out=num_held_out)

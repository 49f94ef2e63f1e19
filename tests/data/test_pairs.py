"""Pairs of sequences: splits and batches, passages of novels, the published file of pairs."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import BatchLoader, PairBatch, PairSplit, load, token_split
from longspike.data.sets import lra_retrieval, novel_pairs
from longspike.errors import DataFileError
from published_samples import small_novel_pairs, write_novels, write_retrieval

FIRST, SECOND = [[1, 2, 3], [4], [5, 5]], [[6], [7, 8], [9, 9, 9, 9]]


def make_split(labels: tuple[int, ...] = (0, 1, 1)) -> PairSplit:
    """Three pairs."""
    sides = [token_split(rows, torch.tensor(labels), d_input=10) for rows in (FIRST, SECOND)]
    return PairSplit(first=sides[0], second=sides[1])


def test_both_sides_are_padded_alike() -> None:
    batch = make_split().batch(torch.tensor([2, 0]))
    assert isinstance(batch, PairBatch)
    assert batch.x.tolist() == [[5, 5, 0, 0], [1, 2, 3, 0]]
    assert batch.other_x.tolist() == [[9, 9, 9, 9], [6, 0, 0, 0]]
    assert (batch.lengths.tolist(), batch.other_lengths.tolist()) == ([2, 3], [4, 1])
    assert batch.labels.tolist() == [1, 0]


def test_a_split_of_pairs() -> None:
    split = make_split()
    assert (len(split), split.max_seqlen, split.d_input, split.lengths.tolist()) == (3, 4, 10, [3, 2, 4])
    (x, other), label = split.select(torch.tensor([1]))[0]
    assert (x.tolist(), other.tolist(), label) == ([4], [7, 8], 1)
    assert split.select(torch.tensor([1])).first.tokens is split.first.tokens
    loader = BatchLoader(split, batch_size=1, shuffle=False, seed=0, length_window=3)
    assert [int(batch.lengths) for batch in loader] == [1, 3, 2]
    with pytest.raises(ValueError, match=r"`first` and `second` must have the same labels, d_input and pad_token; got"):
        PairSplit(first=split.first, second=split.second.select(torch.tensor([0])))
    with pytest.raises(ValueError, match="Build both from the same pairs"):
        PairSplit(first=split.first, second=make_split((1, 1, 1)).second)


def test_passages_of_novels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every work is written in a letter of its own, so a passage tells its work."""
    small_novel_pairs(monkeypatch)
    write_novels(tmp_path)
    bundle = load("novel-pairs", root=tmp_path)
    assert bundle.has_pairs
    works = []
    for split, size in ((bundle.train, 40), (bundle.val, 10), (bundle.test, 10)):
        assert len(split) == size
        assert split.labels.bincount().tolist() == [size // 2] * 2
        seen = set()
        for k in range(size):
            (x, other), label = split[k]
            assert len(x) == len(other) == 2000
            letters = [{int(token) for token in side} for side in (x, other)]
            assert all(len(side) == 1 for side in letters)
            assert (letters[0] == letters[1]) == bool(label)
            seen |= letters[0] | letters[1]
            starts = split.first.starts[k], split.second.starts[k]
            assert abs(int(starts[0] - starts[1])) >= 2000
        works.append(seen)
    assert all(a.isdisjoint(b) for a, b in ((works[0], works[1]), (works[0], works[2]), (works[1], works[2])))
    assert bundle.vocabulary.decode(bundle.train[0][0][0][:3]).isalpha()
    again = load("novel-pairs", root=tmp_path)
    assert torch.equal(again.train.first.starts, bundle.train.first.starts)


def test_volumes_are_one_work(tmp_path: Path) -> None:
    write_novels(tmp_path)
    (tmp_path / "novels/train/48020.txt").write_bytes(b"x" * 12_000)
    (tmp_path / "novels/test/48022.txt").write_bytes(b"x" * 12_000)
    (tmp_path / "novels/test/short.txt").write_bytes(b"x" * 11_000)
    works = novel_pairs.list_works(tmp_path / "novels")
    assert [len(paths) for paths in works].count(2) == 1
    assert len(works) == 13
    train, val, test = novel_pairs.divide_works(60)
    assert sorted([*train, *val, *test]) == list(range(60))
    assert (len(train), len(val), len(test)) == (42, 6, 12)


def test_too_few_novels(tmp_path: Path) -> None:
    write_novels(tmp_path, num_works=5)
    with pytest.raises(DataFileError, match=r"novels must hold 6 works of some length; got 5\. Get all files"):
        load("novel-pairs", root=tmp_path)


def test_the_published_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tabs within quotation marks belong to the text; texts are cut."""
    monkeypatch.setattr(lra_retrieval, "MAX_TOKENS", 9)
    write_retrieval(tmp_path)
    bundle = load("lra-retrieval", root=tmp_path)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [3, 3, 3]
    (x, other), label = bundle.train[0]
    assert label == 1
    assert bundle.vocabulary.decode(x) == "b'one\\tt<eos>"
    assert bundle.vocabulary.decode(other) == "a\tb<eos>"
    assert bundle.train.labels.tolist() == [1, 0, 1]
    assert set(bundle.vocabulary.symbols) >= {"a", "\t", "b"}
    again = load("lra-retrieval", root=tmp_path)
    assert again.vocabulary == bundle.vocabulary
    np.testing.assert_array_equal(again.test.first.tokens, bundle.test.first.tokens)


@pytest.mark.parametrize("content", ["0.0\t1\t2\ttext\n", "yes\t1\t2\ta\tb\n", '1.0\t1\t2\ta\t"b\n'])
def test_damaged_files_of_pairs_are_named(tmp_path: Path, content: str) -> None:
    write_retrieval(tmp_path)
    (tmp_path / "lra_release/tsv_data/new_aan_pairs.test.tsv").write_text("1.0\t1\t2\ta\tb\n" + content)
    if content.startswith("1.0"):  # an open quotation mark goes on to the end
        assert len(load("lra-retrieval", root=tmp_path).test) == 2
        return
    with pytest.raises(DataFileError, match=r"test\.tsv is no file of pairs \(row 2 must hold a label, two numbers"):
        load("lra-retrieval", root=tmp_path)


def test_a_text_may_be_so_long(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("1.0\t1\t2\ta\t" + "b" * (1 << 24) + "\n")
    assert [len(row[2]) for row in lra_retrieval.read_pairs(path)] == [1 << 24]
    path.write_text("1.0\t1\t2\ta\t" + "b" * ((1 << 24) + 1) + "\n")
    before = csv.field_size_limit()
    with pytest.raises(DataFileError, match=r"is no file of pairs \(field larger than field limit \(16777216\)\)"):
        list(lra_retrieval.read_pairs(path))
    assert csv.field_size_limit() == before

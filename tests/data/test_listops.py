"""ListOps: trees against independent definitions, statistics, the published form, generated folders."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import generate, load
from longspike.data.generators.listops import SYMBOLS, draw_trees
from longspike.data.sets import listops
from longspike.errors import DataFileError
from published_samples import small_listops, write_listops

SHARES = (0.168, 0.091, 0.080, 0.080, 0.089, 0.085, 0.075, 0.076, 0.089, 0.167)
"""Of the values of 12,000 trees, drawn by another program, one node after another."""
NUM_COUNTED = 12_000


def rows(trees) -> Iterator[tuple[list[str], int]]:
    """The symbols and the value of every tree."""
    for row, value in zip(np.split(trees.tokens, trees.lengths.cumsum()[:-1]), trees.values.tolist(), strict=True):
        yield [SYMBOLS[k] for k in row], value


def value_of(symbols: list[str]) -> int:
    """By a stack, one symbol after another; fails if a bracket is missing or too much."""
    stack: list[list] = [[]]
    for symbol in symbols:
        if symbol == "]":
            operator, *values = stack.pop()
            middle = sorted(values)[(len(values) - 1) // 2 : len(values) // 2 + 1]
            found = {
                "[MIN": min,
                "[MAX": max,
                "[SM": lambda x: sum(x) % 10,
                "[MED": lambda _, m=middle: sum(m) // len(m),
            }
            assert len(values) >= 2
            stack[-1].append(found[operator](values))
        elif symbol.startswith("["):
            stack.append([symbol])
        else:
            stack[-1].append(int(symbol))
    ((value,),) = stack
    return value


@given(st.integers(0, 10_000))
def test_values_are_those_of_a_stack(seed: int) -> None:
    trees, _ = draw_trees(5, np.random.default_rng(seed), shortest=2, longest=60)
    assert all(value_of(symbols) == value for symbols, value in rows(trees))


@pytest.fixture(scope="module")
def trees():
    return draw_trees(6_000, np.random.default_rng(5))


def test_acceptance_lengths_and_brackets(trees) -> None:
    drawn, num_roots = trees
    assert len(drawn.lengths) / num_roots == pytest.approx(0.0825, abs=0.003)
    assert 500 < drawn.lengths.min() <= drawn.lengths.max() < 2000
    assert drawn.lengths.mean() == pytest.approx(1045, abs=25)
    counts = dict(zip(SYMBOLS, np.bincount(drawn.tokens).tolist(), strict=True))
    operators = [count for symbol, count in counts.items() if symbol.startswith("[")]
    assert counts["]"] == sum(operators) > 0
    assert max(operators) / min(operators) < 1.01
    assert len({bytes(row) for row in np.split(drawn.tokens, drawn.lengths.cumsum()[:-1])}) == 6_000


def test_a_few_long_trees_by_the_stack(trees) -> None:
    deepest = 0
    for symbols, value in list(rows(trees[0]))[:40]:
        assert value_of(symbols) == value
        depth = np.cumsum([symbol.startswith("[") - (symbol == "]") for symbol in symbols])
        deepest = max(deepest, int(depth.max()))
        assert depth[-1] == 0
    assert deepest == 9  # operators; leaves are at depth 10


def test_values_are_distributed_as_those_of_another_program(trees) -> None:
    found = np.bincount(trees[0].values, minlength=10)
    other = np.array(SHARES) / sum(SHARES) * NUM_COUNTED
    together = (found + other) / (found.sum() + NUM_COUNTED)
    chi_square = sum(((x - together * x.sum()) ** 2 / (together * x.sum())).sum() for x in (found, other))
    assert chi_square < 27.9  # 9 degrees of freedom, 1 in 1,000


def test_small_trees_are_distributed_as_by_the_rule() -> None:
    """Lengths of trees of at most 12 symbols, against the rule written as it reads."""
    draw = random.Random(3)

    def length(depth: int) -> int:
        if depth == 10 or draw.random() > 0.25:
            return 1
        return 2 + sum(length(depth + 1) for _ in range(draw.randint(2, 10)))

    wanted = np.bincount([n for n in (length(1) for _ in range(60_000)) if 1 < n < 13], minlength=13)
    found = np.bincount(draw_trees(10_000, np.random.default_rng(1), shortest=1, longest=13)[0].lengths, minlength=13)
    together = (found / found.sum() + wanted / wanted.sum()) / 2
    np.testing.assert_allclose(found / found.sum(), together, atol=4 * 0.5 / np.sqrt(wanted.sum()))


def test_a_piece_is_a_function_of_its_number() -> None:
    first, again, second = (listops.make_piece(k) for k in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["labels"], second["labels"])
    assert first["tokens"].sum(dtype=np.int64) == 8952358  # recorded: another would be another data set
    ends = first["lengths"].cumsum() - 1
    assert set(first["tokens"][ends].tolist()) == {2}
    assert (first["tokens"] == 2).sum() == len(ends)


def test_generated_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_listops(monkeypatch)
    told = []
    folder = generate("listops", tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    bundle = load("listops", root=tmp_path)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [20, 6, 4]
    assert "made by longspike" in bundle.source
    x, label = bundle.test[3]
    words = bundle.vocabulary.decode(x).split()
    assert words.pop() == "<eos>"
    assert value_of(words) == label
    before = (folder / "tokens.npy").stat().st_mtime_ns
    assert generate("listops", tmp_path) == folder
    assert (folder / "tokens.npy").stat().st_mtime_ns == before


def test_a_tree_that_comes_twice_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_listops(monkeypatch, num_pieces=4)
    once = listops.make_piece
    monkeypatch.setattr(listops, "make_piece", lambda number: once(0 if number == 1 else number))
    generate("listops", tmp_path)
    bundle = load("listops", root=tmp_path)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [20, 6, 4]
    drawn = [
        tuple(x.tolist())
        for split in (bundle.train, bundle.val, bundle.test)
        for x, _ in map(split.__getitem__, range(len(split)))
    ]
    assert len(set(drawn)) == 30


def test_other_or_damaged_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_listops(monkeypatch)
    folder = generate("listops", tmp_path)
    tokens = bytearray((folder / "tokens.npy").read_bytes())
    tokens[-5] ^= 1
    (folder / "tokens.npy").write_bytes(tokens)
    with pytest.raises(
        DataFileError, match=r"tokens\.npy is damaged.*Remove the folder and run `longspike data generate"
    ):
        load("listops", root=tmp_path)
    made = json.loads((folder / "made.json").read_text())
    made["settings"]["seed"] += 1
    (folder / "made.json").write_text(json.dumps(made))
    with pytest.raises(DataFileError, match=r"listops is not what this version makes, by its made\.json"):
        load("listops", root=tmp_path)
    assert generate("listops", tmp_path) == folder  # made anew
    assert len(load("listops", root=tmp_path).train) == 20


def test_the_published_form(tmp_path: Path) -> None:
    write_listops(tmp_path)
    bundle = load("listops", root=tmp_path)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [12, 3, 3]
    assert "the published files" in bundle.source
    assert bundle.vocabulary.decode(bundle.train[0][0]) == "[MAX 2 9 [MED 1 4 ] 0 ] <eos>"
    assert bundle.train[0][1] == 9
    assert torch.equal(load("listops", root=tmp_path).train.labels, bundle.train.labels)  # from the cache


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tree\tvalue\n", r"line 1 must be 'Source\\tTarget'"),
        (
            "Source\tTarget\n( [MAX 1 ) 2 ]\t2\n[MAX 1 x ]\t1\n",
            r"line 3 must be a tree, a tab and its value, a digit; got",
        ),
        ("Source\tTarget\n[MAX 1 2 ]\t12\n", "line 2 must be a tree"),
        ("Source\tTarget\n[MAX 1 2 ] 2\n", "line 2 must be a tree"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    write_listops(tmp_path)
    (tmp_path / "lra_release/listops-1000/basic_val.tsv").write_text(content)
    with pytest.raises(DataFileError, match=rf"basic_val\.tsv is no file of ListOps \({message}"):
        load("listops", root=tmp_path)


def test_what_is_missing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"Run `longspike data generate listops`, or set LONGSPIKE_DATA"):
        load("listops", root=tmp_path)
    with pytest.raises(ValueError, match=r"`name` must be one of 'listops'.*; got 'smnist'"):
        generate("smnist", tmp_path)

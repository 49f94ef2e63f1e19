"""Pairs of passages from novels: whether both are from the same work. The public stand-in for the task "Retrieval"."""

from pathlib import Path

import numpy as np
import torch

from longspike._core.vocabulary import PAD, Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.locate import Layout, require_files
from longspike.data.pair_splits import PairSplit
from longspike.data.token_splits import TokenSplit
from longspike.errors import DataFileError

NAME = "novel-pairs"
PAGE = "https://www.gutenberg.org"
PARTS = ("train", "valid", "test")
LAYOUTS = (Layout(folders=("novels",), needs=tuple((part,) for part in PARTS)),)
VOLUMES = (("2833-0", "2834-0"), ("48020", "48021", "48022"), ("pg29452", "pg30059"))
"""Files, by their names without .txt, that are volumes of one work."""
PASSAGE = 2_000
"""Bytes of a passage."""
SKIPPED = 5_000
"""Bytes at the beginning of a file, title and contents, from which none is taken."""
SIZES = (60_000, 4_000, 4_000)
"""Pairs to train on, for validation and for testing."""
TEST_SHARE, VAL_SHARE, FEWEST_WORKS = 5, 10, 2
"""One work in so many; at least so many of each, or there were no pairs of different works."""
SEED = 2024
CLASS_NAMES = ("different works", "same work")
VOCABULARY = Vocabulary(unit="bytes", specials=(PAD,), max_tokens=PASSAGE)
SOURCE = (
    "Victorian novels of Project Gutenberg, public domain in the USA; pairs of passages of 2,000 bytes drawn by longspike, "
    "works of validation and test unseen. Not the AAN of the Long Range Arena."
)


def list_works(folder: Path) -> list[tuple[Path, ...]]:
    """The files of every work, in the order of their names; those that are too short for passages are left out."""
    paths = {path.stem: path for part in PARTS for path in sorted((folder / part).glob("*.txt"))}
    needed = SKIPPED + 3 * PASSAGE
    long = {stem: path for stem, path in sorted(paths.items()) if path.stat().st_size > needed}
    first_of = {volume: volumes[0] for volumes in VOLUMES for volume in volumes}
    works: dict[str, list[Path]] = {}
    for stem, path in long.items():
        works.setdefault(first_of.get(stem, stem), []).append(path)
    return [tuple(each) for each in works.values()]


def divide_works(num_works: int) -> tuple[np.ndarray, ...]:
    """Which works are for training, validation and testing."""
    order = np.random.RandomState(SEED).permutation(num_works)
    num_test, num_val = (max(FEWEST_WORKS, num_works // share) for share in (TEST_SHARE, VAL_SHARE))
    return order[num_test + num_val :], order[num_test : num_test + num_val], order[:num_test]


class _Passages:
    """Where passages can begin: spans (start, end) of a row of bytes, some a work."""

    def __init__(self, spans: list[list[tuple[int, int]]], random: np.random.RandomState) -> None:
        self._spans, self._random = spans, random

    def draw(self, work: int) -> int:
        """The beginning of a passage of a work, each one as likely."""
        spans = self._spans[work]
        sizes = np.array([end - start for start, end in spans])
        place = int(self._random.randint(int(sizes.sum())))
        for (start, _), size in zip(spans, sizes.tolist(), strict=True):
            if place < size:
                return start + place
            place -= size
        raise AssertionError  # unreachable: place is below the sum


def draw_pairs(
    spans: list[list[tuple[int, int]]], works: np.ndarray, count: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Where the two passages of each pair begin, (count, 2), and whether they are of one work: every second pair is.

    The first work is uniform, the second the same one or uniform among the others; passages of one work do not overlap.
    """
    passages, starts = _Passages(spans, random), np.empty((count, 2), np.int64)
    labels = np.arange(count) % 2
    for row, label in zip(starts, labels, strict=True):
        k = int(random.randint(len(works)))
        other = k if label else (k + 1 + int(random.randint(len(works) - 1))) % len(works)
        row[0] = passages.draw(int(works[k]))
        row[1] = passages.draw(int(works[other]))
        while abs(row[1] - row[0]) < PASSAGE:
            row[1] = passages.draw(int(works[other]))
    return starts, labels


def load_novel_pairs(root: Path) -> DataBundle:
    """Two passages of 2,000 bytes from novels; whether they are of the same work.

    The works, volumes put together, are divided by a seed into those of training, validation (one in ten) and testing (one
    in five), so a network is tested on works that it has not seen. Pairs are drawn by a seed, half of them of one work,
    60,000 / 4,000 / 4,000. Passages are as they are in the files, whose quotation marks and line breaks differ from file to
    file: byte 4-grams by tf-idf tell 87 of 100 pairs of longer passages. Byte b is token 1 + b; 0 is "<pad>".

    Args: root: a folder that holds novels/{train,valid,test}/*.txt.
    Raises: DataFileError if files are missing or fewer than six works are long enough.
    """
    folder, _ = require_files(NAME, root, LAYOUTS, page=PAGE)
    works = list_works(folder)
    if len(works) < 3 * FEWEST_WORKS:
        raise DataFileError(
            f"{folder} must hold {3 * FEWEST_WORKS} works of some length; got {len(works)}. Get all files."
        )
    contents, length = [], 0
    spans: list[list[tuple[int, int]]] = []
    for paths in works:
        spans.append([])
        for path in paths:
            contents.append(VOCABULARY.tokens(path.read_bytes()))
            spans[-1].append((length + SKIPPED, length + len(contents[-1]) - PASSAGE + 1))
            length += len(contents[-1])
    tokens, random = np.concatenate(contents), np.random.RandomState(SEED)
    train, val, test = (
        _pairs(tokens, *draw_pairs(spans, part, size, random))
        for part, size in zip(divide_works(len(works)), SIZES, strict=True)
    )
    return DataBundle(
        name=NAME,
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=VOCABULARY.size,
        class_names=CLASS_NAMES,
        source=SOURCE,
        vocabulary=VOCABULARY,
    )


def _pairs(tokens: np.ndarray, starts: np.ndarray, labels: np.ndarray) -> PairSplit:
    sides = [
        TokenSplit(
            tokens=tokens,
            starts=torch.from_numpy(side.copy()),
            lengths=torch.full((len(labels),), PASSAGE),
            labels=torch.from_numpy(labels.astype(np.int64)),
            d_input=VOCABULARY.size,
        )
        for side in starts.T
    ]
    return PairSplit(first=sides[0], second=sides[1])


ENTRIES = {
    NAME: DatasetEntry(
        description="two passages of novels, whether they are of the same work; 2,000 bytes each",
        seqlen=PASSAGE,
        d_input=VOCABULARY.size,
        num_classes=len(CLASS_NAMES),
        files="novels/{train,valid,test}/*.txt",
        load=load_novel_pairs,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

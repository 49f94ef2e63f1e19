"""Pairs of papers, character by character: the task "Retrieval" of the Long Range Arena."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from longspike._core.limits import LARGEST_TEXT
from longspike._core.vocabulary import Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.cache import cached_arrays, fingerprint
from longspike.data.files.locate import Layout, require_files
from longspike.data.pair_splits import PairSplit
from longspike.data.token_splits import TokenSplit
from longspike.errors import DataFileError

NAME = "lra-retrieval"
PAGE = "https://github.com/google-research/long-range-arena"
FILES = tuple(f"new_aan_pairs.{part}.tsv" for part in ("train", "eval", "test"))
LAYOUTS = (
    Layout(
        folders=("lra_release/tsv_data", "lra_release/lra_release/tsv_data", "tsv_data", "aan"),
        needs=tuple((name,) for name in FILES),
    ),
)
MAX_TOKENS = 4000
NUM_CHARACTERS = 98
"""The size of the published vocabulary, special tokens included."""
CLASS_NAMES = ("unrelated", "related")
SOURCE = "ACL Anthology Network (Radev et al. 2013), pairs of the Long Range Arena (Tay et al. 2021); terms of the AAN."


def read_pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Label and both texts of every row; the columns are label (0.0 or 1.0), two numbers and two texts, without a header.

    Texts are as they are in the file, where the published ones look like Python's b'...'.

    Raises: DataFileError, naming the row, if it is no such file.
    """
    before = csv.field_size_limit(LARGEST_TEXT)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, delimiter="\t"), start=1):
                if len(row) != 5 or row[0] not in ("0.0", "1.0", "0", "1"):
                    raise ValueError(
                        f"row {number} must hold a label, two numbers and two texts; got {len(row)} columns"
                    )
                yield int(float(row[0])), row[3], row[4]
    except (OSError, ValueError, csv.Error) as error:
        raise DataFileError(f"{path} is no file of pairs ({error}). Unpack it again.") from None
    finally:
        csv.field_size_limit(before)


def _vocabulary(path: Path) -> Vocabulary:
    """Of both texts of every training pair, all their characters."""
    texts = (text for _, *pair in read_pairs(path) for text in pair)
    return Vocabulary.from_texts(texts, unit="characters", max_tokens=MAX_TOKENS)


def _encoded(path: Path, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    rows, labels = [], []
    for label, *pair in read_pairs(path):
        rows += [vocabulary.encode(text) for text in pair]
        labels.append(label)
    lengths = np.array([len(row) for row in rows], np.int64)
    return {
        "tokens": np.concatenate([np.empty(0, vocabulary.dtype), *rows]),
        "lengths": lengths,
        "labels": np.array(labels),
    }


def _split(arrays: dict[str, np.ndarray], d_input: int) -> PairSplit:
    lengths = torch.from_numpy(np.array(arrays["lengths"], np.int64))
    starts, labels = lengths.cumsum(0) - lengths, torch.from_numpy(np.array(arrays["labels"], np.int64))
    sides = [
        TokenSplit(
            tokens=arrays["tokens"], starts=starts[side::2], lengths=lengths[side::2], labels=labels, d_input=d_input
        )
        for side in (0, 1)
    ]
    return PairSplit(first=sides[0], second=sides[1])


def load_lra_retrieval(root: Path) -> DataBundle:
    """Two papers as characters, of each the first 3,999 and "<eos>"; whether one cites the other.

    147,086 / 18,090 / 17,437 pairs, published so. The vocabulary are all characters of both texts of the training pairs, by
    falling frequency behind "<pad>", "<unk>" and "<eos>". What was encoded is cached, about a gigabyte.

    Args: root: a folder that holds the three files in one of the places of `LAYOUTS`.
    Raises: DataFileError if files are missing or not what they claim to be.
    Reference: Radev et al. 2013; Tay et al. 2021, Long Range Arena. Not tried on the published files.
    """
    _, paths = require_files(NAME, root, LAYOUTS, page=PAGE)
    key = fingerprint(paths[:1], version="retrieval 1")
    stored = cached_arrays(f"{NAME}-vocabulary", key, lambda: {"symbols": _points(_vocabulary(paths[0]))})
    vocabulary = Vocabulary(
        unit="characters", symbols=tuple(map(chr, stored["symbols"].tolist())), max_tokens=MAX_TOKENS
    )
    splits = []
    for path in paths:
        key = fingerprint([path, paths[0]], version="retrieval 1")
        splits.append(_split(cached_arrays(NAME, key, lambda path=path: _encoded(path, vocabulary)), vocabulary.size))  # type: ignore[misc]
    train, val, test = splits
    return DataBundle(
        name=NAME,
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=vocabulary.size,
        class_names=CLASS_NAMES,
        source=SOURCE,
        vocabulary=vocabulary,
    )


def _points(vocabulary: Vocabulary) -> np.ndarray:
    """The symbols as code points."""
    return np.array([ord(symbol) for symbol in vocabulary.symbols], np.int32)


ENTRIES = {
    NAME: DatasetEntry(
        description="two papers as characters, whether one cites the other, at most 4,000 each (Long Range Arena)",
        seqlen=MAX_TOKENS,
        d_input=NUM_CHARACTERS,
        num_classes=len(CLASS_NAMES),
        files="lra_release/tsv_data/new_aan_pairs.{train,eval,test}.tsv",
        load=load_lra_retrieval,
        layouts=LAYOUTS,
        page=PAGE,
    )
}

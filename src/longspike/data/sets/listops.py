"""ListOps: nested operations on digits, and their value; made by the rules, or read from the published files."""

from pathlib import Path

import numpy as np
import torch

from longspike._core.vocabulary import Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.cache import cached_arrays, fingerprint
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.sealed import MANIFEST, read_folder
from longspike.data.generators.listops import SYMBOLS, draw_trees
from longspike.data.generators.pieces import Piece, Progress, make_folder
from longspike.data.token_splits import TokenSplit
from longspike.errors import ConfigError, DataFileError

NAME = "listops"
MAX_TOKENS = 2048
VOCABULARY = Vocabulary(unit="words", symbols=SYMBOLS, max_tokens=MAX_TOKENS, ignored="()")
"""18 tokens; the published code calls "]" X, which is the same token."""
CLASS_NAMES = tuple("0123456789")
SIZES = (96_000, 2_000, 2_000)
"""Of train, validation and test."""
PIECE = 1_000
NUM_PIECES = sum(SIZES) // PIECE + 1
"""One more than is used, should a tree have come twice."""
SEED = 2021
SETTINGS = {"rules": "listops 1", "seed": SEED, "pieces": NUM_PIECES, "piece": PIECE}
FILES = tuple(f"basic_{part}.tsv" for part in ("train", "val", "test"))
LAYOUTS = (
    Layout(
        folders=("lra_release/listops-1000", "lra_release/lra_release/listops-1000", "listops-1000"),
        needs=tuple((name,) for name in FILES),
    ),
    Layout(folders=(NAME,), needs=((MANIFEST,),)),
)
"""The published files, else what `generate_listops` makes."""
HEADER = "Source\tTarget"


def make_piece(number: int) -> Piece:
    """A thousand trees with "<eos>", in the tokens of `VOCABULARY`; a pure function of the number."""
    trees, _ = draw_trees(PIECE, np.random.default_rng(np.random.SeedSequence([SEED, number])))
    ends = trees.lengths.cumsum()
    end = VOCABULARY.specials.index("<eos>")
    tokens = np.insert(trees.tokens + np.uint8(len(VOCABULARY.specials)), ends, np.uint8(end))
    return {"tokens": tokens, "lengths": trees.lengths + 1, "labels": trees.values}


def generate_listops(root: Path, progress: Progress | None = None, num_samples: int | None = None) -> Path:
    """Make the 100,000 trees and a few more in root/listops: half a minute, 110 MB; nothing if they are there.

    Raises: ConfigError for a number of samples, which is the published one.
    """
    if num_samples is not None:
        raise ConfigError(
            f"{NAME} is made in its published size, {sum(SIZES):,} trees, 110 MB; give no number of samples."
        )
    return make_folder(root / NAME, make_piece, num_pieces=NUM_PIECES, settings=SETTINGS, progress=progress)


def _split(arrays: Piece) -> TokenSplit:
    lengths = torch.from_numpy(np.array(arrays["lengths"], np.int64))
    return TokenSplit(
        tokens=arrays["tokens"],
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
        labels=torch.from_numpy(np.array(arrays["labels"], np.int64)),
        d_input=VOCABULARY.size,
    )


def first_of_each(split: TokenSplit) -> torch.Tensor:
    """The numbers of the samples, each sequence of tokens once, in their order."""
    bounds = zip(split.starts.tolist(), (split.starts + split.lengths).tolist(), strict=True)
    whole = np.ascontiguousarray(split.tokens).tobytes()
    size = split.tokens.itemsize
    numbers = {whole[size * start : size * end]: -k for k, (start, end) in reversed(list(enumerate(bounds)))}
    return torch.tensor(sorted(-k for k in numbers.values()))


def _generated(folder: Path) -> list[TokenSplit]:
    remedy = f"Remove the folder and run `longspike data generate {NAME}`."
    whole = _split(read_folder(folder, settings=SETTINGS, remedy=remedy))
    return [whole.select(part) for part in first_of_each(whole)[: sum(SIZES)].split(list(SIZES))]


def read_published(path: Path) -> Piece:
    """The trees of a published file: tokens of `VOCABULARY` one behind another, lengths and labels.

    Raises: DataFileError, naming the line, if it is no such file.
    """
    rows, labels = [], []
    try:
        with path.open(encoding="utf-8") as lines:
            if next(lines, "").strip() != HEADER:
                raise ValueError(f"line 1 must be {HEADER!r}")
            for number, line in enumerate(lines, start=2):
                source, tab, target = line.rstrip("\n").partition("\t")
                row = VOCABULARY.encode(source)
                if not tab or target not in CLASS_NAMES or (row == VOCABULARY.specials.index("<unk>")).any():
                    raise ValueError(f"line {number} must be a tree, a tab and its value, a digit; got {line[:60]!r}")
                rows.append(row)
                labels.append(int(target))
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path} is no file of ListOps ({error}). Unpack it again.") from None
    lengths = np.array([len(row) for row in rows], np.int64)
    return {"tokens": np.concatenate([np.empty(0, np.uint8), *rows]), "lengths": lengths, "labels": np.array(labels)}


def _published(paths: tuple[Path, ...]) -> list[TokenSplit]:
    return [
        _split(cached_arrays(NAME, fingerprint([path], version="listops 1"), lambda path=path: read_published(path)))  # type: ignore[misc]
        for path in paths
    ]


def load_listops(root: Path) -> DataBundle:
    """Trees of operators and digits with 500 to 2,000 symbols, and "<eos>"; the class is the value, 0 to 9.

    96,000 to train on, 2,000 each for validation and test. Brackets "(" and ")" of the published form are left out, "]",
    which ends an operator's list, is a token. The most frequent value, 9 or 0, is right for about 17 of 100. The
    published files are read if they are there, else the trees that `longspike data generate listops` has made by
    the same rules (`longspike.data.generators.listops`); results on either say which.

    Args:
        root: a folder that holds the files in one of the places of `LAYOUTS`.
    Raises: DataFileError if they are missing or damaged.
    """
    folder, paths = require_files(NAME, root, LAYOUTS, command="generate")
    is_made = paths[0].name == MANIFEST
    train, val, test = _generated(folder) if is_made else _published(paths)
    origin = "made by longspike by the rules of the Long Range Arena" if is_made else "the published files"
    return DataBundle(
        name=NAME,
        train=train,
        val=val,
        test=test,
        num_classes=len(CLASS_NAMES),
        d_input=VOCABULARY.size,
        class_names=CLASS_NAMES,
        source=f"ListOps (Nangia and Bowman 2018; Tay et al. 2021), {origin}; Apache 2.0.",
        vocabulary=VOCABULARY,
    )


ENTRIES = {
    NAME: DatasetEntry(
        description="nested operations on digits, 500 to 2,000 symbols (Long Range Arena, ListOps)",
        seqlen=MAX_TOKENS,
        d_input=VOCABULARY.size,
        num_classes=len(CLASS_NAMES),
        files="lra_release/listops-1000/basic_{train,val,test}.tsv; else listops/, which longspike makes",
        load=load_listops,
        layouts=LAYOUTS,
        generate=generate_listops,
    )
}

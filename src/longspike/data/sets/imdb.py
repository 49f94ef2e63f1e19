"""Reviews of films, character by character or byte by byte: the task "Text" of the Long Range Arena."""

from pathlib import Path

import torch
from torch import Tensor

from longspike._core.vocabulary import END, PAD, Vocabulary
from longspike.data.bundle import DataBundle, without_validation
from longspike.data.entry import DatasetEntry
from longspike.data.files.class_folders import list_class_files
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.text_files import as_text, read_texts
from longspike.data.token_splits import TokenSplit, token_split

PAGE = "https://ai.stanford.edu/~amaas/data/sentiment/"
FOLDERS, CLASS_NAMES = ("neg", "pos"), ("negative", "positive")
LAYOUTS = (
    Layout(
        folders=("aclImdb", "."),
        needs=tuple((f"{part}/{folder}",) for part in ("train", "test") for folder in FOLDERS),
    ),
)
MAX_TOKENS = 4096
MIN_COUNT = 15
NUM_CHARACTERS = 134
"""The size of the vocabulary of characters of the published training texts."""
BYTES = Vocabulary(unit="bytes", specials=(PAD, END), max_tokens=MAX_TOKENS)
SOURCE = (
    "Large Movie Review Dataset v1.0 (Maas et al. 2011), no terms stated; {unit}, at most 4,096 with the end; validation "
    "held out from the 25,000 training reviews."
)


def _read_part(folder: Path) -> tuple[list[str], Tensor]:
    """The texts and labels of a part."""
    paths, labels = list_class_files(folder, FOLDERS, kind="reviews", suffixes=(".txt",))
    texts = [as_text(path, content) for path, content in zip(paths, read_texts(paths), strict=True)]
    return texts, torch.from_numpy(labels)


def _split(texts: list[str], labels: Tensor, vocabulary: Vocabulary) -> TokenSplit:
    return token_split(map(vocabulary.encode, texts), labels, d_input=vocabulary.size)


def _bundle(name: str, root: Path, unit: str) -> DataBundle:
    folder, _ = require_files(name, root, LAYOUTS, page=PAGE)
    train_texts, train_labels = _read_part(folder / "train")
    vocabulary = BYTES
    if unit == "characters":
        vocabulary = Vocabulary.from_texts(train_texts, unit=unit, min_count=MIN_COUNT, max_tokens=MAX_TOKENS)
    train, val = without_validation(_split(train_texts, train_labels, vocabulary))  # 22,500 and 2,500
    return DataBundle(
        name=name,
        train=train,
        val=val,
        test=_split(*_read_part(folder / "test"), vocabulary),
        num_classes=len(CLASS_NAMES),
        d_input=vocabulary.size,
        class_names=CLASS_NAMES,
        source=SOURCE.format(unit=unit),
        vocabulary=vocabulary,
    )


def load_lra_text(root: Path) -> DataBundle:
    """Reviews as characters: of each the first 4,095, "<br />" included, and "<eos>"; whether it praises the film.

    The vocabulary are the characters that occur at least 15 times in what is read of the 25,000 training reviews, by
    falling frequency behind "<pad>", "<unk>" and "<eos>": 134 tokens. Validation is held out from the training reviews,
    2,500 of them by `hold_out`; published results were mostly chosen on the test set itself. The texts are cached.

    Args:
        root: a folder that holds aclImdb/{train,test}/{neg,pos}/*.txt.
    Raises: DataFileError if files are missing, or no text in UTF-8.
    Reference: Tay et al. 2021, Long Range Arena; the rules of characters are those of the S4 line (Gu et al. 2022).
    """
    return _bundle("lra-text", root, "characters")


def load_lra_text_bytes(root: Path) -> DataBundle:
    """Reviews as bytes in UTF-8: the first 4,095 and "<eos>"; "<pad>" is 0, "<eos>" 1 and byte b token 2 + b.

    Otherwise as `load_lra_text`; say "bytes" with every result.
    """
    return _bundle("lra-text-bytes", root, "bytes")


_FILES = "aclImdb/{train,test}/{neg,pos}/*.txt"
ENTRIES = {
    "lra-text": DatasetEntry(
        description="IMDB reviews as characters, at most 4,096 (Long Range Arena, Text)",
        seqlen=MAX_TOKENS,
        d_input=NUM_CHARACTERS,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_lra_text,
        layouts=LAYOUTS,
        page=PAGE,
    ),
    "lra-text-bytes": DatasetEntry(
        description="IMDB reviews as bytes, at most 4,096",
        seqlen=MAX_TOKENS,
        d_input=BYTES.size,
        num_classes=len(CLASS_NAMES),
        files=_FILES,
        load=load_lra_text_bytes,
        layouts=LAYOUTS,
        page=PAGE,
    ),
}

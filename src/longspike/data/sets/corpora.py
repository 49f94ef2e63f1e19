"""Texts for language models, byte by byte: Tiny Shakespeare, and Victorian novels."""

from pathlib import Path

import numpy as np

from longspike._core.vocabulary import Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.locate import Layout, require_files
from longspike.data.token_rows import TokenRow
from longspike.errors import DataFileError

SEQLEN = 256
"""Bytes of a segment, unless a recipe says otherwise."""
BYTES = Vocabulary(unit="bytes", specials=())
PAGE_SHAKESPEARE = "https://github.com/karpathy/char-rnn (data/tinyshakespeare/input.txt)"
PAGE_NOVELS = "https://www.gutenberg.org"
SHAKESPEARE = Layout(folders=("lm", "tinyshakespeare", "."), needs=(("tinyshakespeare.txt", "input.txt"),))
NOVELS = Layout(folders=("novels",), needs=(("train",), ("valid",), ("test",)))
VAL_SHARE, TEST_SHARE = 0.05, 0.10
"""Of Tiny Shakespeare, at its end: first the validation, then the test."""
BREAK = b"\n\n"
"""Between two novels."""


def byte_names() -> tuple[str, ...]:
    """A name for every byte: printable ones of ASCII by themselves, others as Python writes them.

    Example:
        >>> byte_names()[10], byte_names()[65], byte_names()[200]
        ('\\\\n', 'A', '\\\\xc8')
    """
    return tuple(chr(k) if chr(k).isascii() and chr(k).isprintable() else repr(bytes([k]))[2:-1] for k in range(256))


def bytes_bundle(name: str, parts: dict[str, bytes], *, source: str) -> DataBundle:
    """The data set of texts "train", "val" and "test", a token a byte."""
    rows = {
        part: TokenRow(tokens=np.frombuffer(text, np.uint8), d_input=BYTES.size, seqlen=SEQLEN)
        for part, text in parts.items()
    }
    return DataBundle(
        name=name,
        train=rows["train"],
        val=rows["val"],
        test=rows["test"],
        num_classes=BYTES.size,
        d_input=BYTES.size,
        class_names=byte_names(),
        source=source,
        vocabulary=BYTES,
    )


def load_shakespeare(root: Path) -> DataBundle:
    """Tiny Shakespeare: the last tenth is the test, the twentieth before it the validation.

    Raises: DataFileError if the file is missing or empty.
    """
    _, (file,) = require_files("shakespeare", root, (SHAKESPEARE,), page=PAGE_SHAKESPEARE)
    text = file.read_bytes()
    test = round(len(text) * (1 - TEST_SHARE))
    val = round(len(text) * (1 - TEST_SHARE - VAL_SHARE))
    _check_length(file, len(text))
    parts = {"train": text[:val], "val": text[val:test], "test": text[test:]}
    source = "Tiny Shakespeare (Karpathy 2015), plays of William Shakespeare, public domain; 85/5/10 % in their order."
    return bytes_bundle("shakespeare", parts, source=source)


def load_novels(root: Path) -> DataBundle:
    """Victorian novels, split by work: the texts of a folder one behind another, in the order of their names.

    Raises: DataFileError if a folder is missing or holds no text.
    """
    folder, _ = require_files("novels", root, (NOVELS,), page=PAGE_NOVELS)
    parts = {}
    for part, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        files = sorted((folder / name).glob("*.txt"))
        if not files:
            raise DataFileError(f"{folder / name} holds no .txt file. Put the novels of this part there.")
        parts[part] = BREAK.join(file.read_bytes() for file in files)
        _check_length(folder / name, len(parts[part]))
    source = "Victorian novels of Project Gutenberg, public domain in the USA; no work is in two parts."
    return bytes_bundle("novels", parts, source=source)


def _check_length(path: Path, num_bytes: int) -> None:
    if num_bytes < 100:
        raise DataFileError(f"{path} holds {num_bytes} bytes of text, too few to learn from. Is it whole?")


def _entry(name: str, description: str, files: str, layout: Layout, page: str) -> DatasetEntry:
    return DatasetEntry(
        description=description,
        seqlen=SEQLEN,
        d_input=BYTES.size,
        num_classes=BYTES.size,
        files=files,
        load=load_shakespeare if name == "shakespeare" else load_novels,
        layouts=(layout,),
        page=page,
    )


ENTRIES = {
    "shakespeare": _entry(
        "shakespeare",
        "Tiny Shakespeare, 1.1 MB, for language models over bytes",
        "tinyshakespeare.txt (or input.txt) in lm/, tinyshakespeare/ or the folder itself",
        SHAKESPEARE,
        PAGE_SHAKESPEARE,
    ),
    "novels": _entry(
        "novels",
        "Victorian novels, split by work, for language models over bytes",
        "novels/{train,valid,test}/*.txt",
        NOVELS,
        PAGE_NOVELS,
    ),
}

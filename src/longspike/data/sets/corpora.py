"""Texts for language models, in bytes or characters: Tiny Shakespeare, and Victorian novels."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from longspike._core.vocabulary import Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.text_files import as_text
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


def tokens_bundle(name: str, parts: dict[str, str | bytes], vocabulary: Vocabulary, *, source: str) -> DataBundle:
    """The data set of texts "train", "val" and "test" in the tokens of a vocabulary."""
    size = vocabulary.size
    rows = {part: TokenRow(tokens=vocabulary.tokens(text), d_input=size, seqlen=SEQLEN) for part, text in parts.items()}
    return DataBundle(
        name=name,
        train=rows["train"],
        val=rows["val"],
        test=rows["test"],
        num_classes=size,
        d_input=size,
        class_names=vocabulary.names,
        source=source,
        vocabulary=vocabulary,
    )


def load_shakespeare(root: Path, *, unit: str = "bytes") -> DataBundle:
    """Tiny Shakespeare: the last tenth is the test, the twentieth before it the validation.

    Args: unit: "bytes", or "characters", numbered by how often they come in the part that is trained on.
    Raises: DataFileError if the file is missing or empty, or holds a character that is not in the part trained on.
    """
    name = "shakespeare" if unit == "bytes" else "shakespeare-chars"
    _, (file,) = require_files(name, root, (SHAKESPEARE,), page=PAGE_SHAKESPEARE)
    content = file.read_bytes()
    _check_length(file, len(content))
    text: str | bytes = content if unit == "bytes" else as_text(file, content)
    test = round(len(text) * (1 - TEST_SHARE))
    val = round(len(text) * (1 - TEST_SHARE - VAL_SHARE))
    parts = {"train": text[:val], "val": text[val:test], "test": text[test:]}
    source = "Tiny Shakespeare (Karpathy 2015), plays of William Shakespeare, public domain; 85/5/10 % in their order."
    vocabulary = BYTES
    if isinstance(text, str):
        vocabulary = Vocabulary.from_texts([text[:val]], unit="characters", specials=())
    try:
        return tokens_bundle(name, parts, vocabulary, source=source)
    except ValueError as error:
        raise DataFileError(f"{file}: what is trained on lacks a character of the rest. {error}") from None


def load_novels(root: Path) -> DataBundle:
    """Victorian novels, split by work: the texts of a folder one behind another, in the order of their names.

    Raises: DataFileError if a folder is missing or holds no text.
    """
    folder, _ = require_files("novels", root, (NOVELS,), page=PAGE_NOVELS)
    parts: dict[str, str | bytes] = {}
    for part, files in novel_files(folder).items():
        parts[part] = BREAK.join(file.read_bytes() for file in files)
        _check_length(files[0].parent, len(parts[part]))
    source = "Victorian novels of Project Gutenberg, public domain in the USA; no work is in two parts."
    return tokens_bundle("novels", parts, BYTES, source=source)


def novel_files(folder: Path) -> dict[str, list[Path]]:
    """The novels of "train", "val" and "test" in the order of their names. Raises: DataFileError if there are none."""
    found = {}
    for part, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        found[part] = sorted((folder / name).glob("*.txt"))
        if not found[part]:
            raise DataFileError(f"{folder / name} holds no .txt file. Put the novels of this part there.")
    return found


def _check_length(path: Path, num_bytes: int) -> None:
    if num_bytes < 100:
        raise DataFileError(f"{path} holds {num_bytes} bytes of text, too few to learn from. Is it whole?")


def text_entry(
    description: str, size: int, files: str, layout: Layout, page: str, load: Callable[[Path], DataBundle]
) -> DatasetEntry:
    """What the registry says of a text; its page is its publisher's."""
    return DatasetEntry(
        description=description,
        seqlen=SEQLEN,
        d_input=size,
        num_classes=size,
        files=files,
        load=load,
        layouts=(layout,),
        page=page,
    )


_PLAYS = "tinyshakespeare.txt (or input.txt) in lm/, tinyshakespeare/ or the folder itself"
ENTRIES = {
    "shakespeare": text_entry(
        "Tiny Shakespeare, 1.1 MB, for language models over bytes",
        BYTES.size,
        _PLAYS,
        SHAKESPEARE,
        PAGE_SHAKESPEARE,
        load_shakespeare,
    ),
    "shakespeare-chars": text_entry(
        "Tiny Shakespeare, 1.1 MB, for language models over its 65 characters",
        65,
        _PLAYS,
        SHAKESPEARE,
        PAGE_SHAKESPEARE,
        partial(load_shakespeare, unit="characters"),
    ),
    "novels": text_entry(
        "Victorian novels, split by work, for language models over bytes",
        BYTES.size,
        "novels/{train,valid,test}/*.txt",
        NOVELS,
        PAGE_NOVELS,
        load_novels,
    ),
}

"""Own text to learn the next byte, character or word of: a file, or a folder of .txt files, divided in its order."""

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from longspike._core.vocabulary import END, UNKNOWN, Vocabulary
from longspike.data.own.kinds import partner
from longspike.data.own.reading import Reading
from longspike.data.own.table import read_text
from longspike.data.sets.corpora import BYTES, SEQLEN
from longspike.data.token_rows import TokenRow
from longspike.errors import ConfigError, DataFileError

LANGUAGE = "language"
FEWEST_BYTES = 1000
BREAK = "\n\n"
"""Between two files."""
RARE = 2
"""Words that come in train less often than this are "<unk>", so that the network learns what that is like."""
BLANK = re.compile(r"\s")
MARK = re.compile(r"(?<=\w)[.,;:!?](?=\s)")


class TextParts(NamedTuple):
    """A text divided: what is trained on, validated with, tested on; the vocabulary of the first; how it was read.

    parts: "train", "val" and "test". sizes: their tokens. test_file: of the test, if it has one of its own.
    """

    parts: dict[str, str | bytes]
    vocabulary: Vocabulary
    sizes: tuple[int, int, int]
    reading: Reading
    test_file: Path | None


def read_text_parts(path: Path, reading: Reading) -> TextParts:
    """A text divided in its order: its end is the test, what comes before it the validation.

    Raises: DataFileError if it is no UTF-8, with the first byte that is wrong, or too short; ConfigError for a folder
        without texts.
    """
    text = _whole(path)
    if len(text.encode()) < FEWEST_BYTES:
        raise DataFileError(f"{path} has {len(text.encode()):,} bytes of text; give at least {FEWEST_BYTES:,}.")
    test_file = path.parent / reading.test if reading.test is not None else None if path.is_dir() else partner(path)
    reading = _inferred(text, reading)
    whole: str | bytes = text.encode() if reading.unit == "bytes" else text
    num_test = 0 if test_file is not None else round(reading.test_share * len(whole))
    num_val = round(reading.val_share * len(whole))
    val, test = (_cut(whole, len(whole) - n, reading) for n in (num_test + num_val, num_test))
    parts = {"train": whole[:val], "val": whole[val:test], "test": whole[test:]}
    if test_file is not None:
        tested = _whole(test_file)
        parts["test"] = tested.encode() if reading.unit == "bytes" else tested
    vocabulary = _vocabulary(parts["train"], reading)
    sizes = tuple(len(vocabulary.tokens(part)) for part in parts.values())
    for name, size, place in zip(parts, sizes, (path, path, test_file or path), strict=True):
        if size < 2:
            raise DataFileError(f"{place} has {size} {reading.unit} of text for {name}; give at least 2.")
    return TextParts(parts, vocabulary, sizes, reading, test_file)  # type: ignore[arg-type]


def _inferred(text: str, reading: Reading) -> Reading:
    """The reading with its unit, and of words whether marks stand for themselves: not where they do so already."""
    unit = reading.unit or "bytes"
    marks = reading.marks
    if unit == "words" and marks is None:
        attached, apart = len(MARK.findall(text)), text.count(" . ") + text.count(" , ")
        marks = "apart" if attached > apart else "kept"
    return replace(reading, unit=unit, marks=marks)


def _vocabulary(train: str | bytes, reading: Reading) -> Vocabulary:
    """The tokens of what is trained on; what is not in it is "<unk>"."""
    if isinstance(train, bytes):
        return BYTES
    if reading.unit == "characters":
        return Vocabulary.from_texts([train], unit="characters", specials=(UNKNOWN,))
    return Vocabulary.from_texts(
        [train],
        unit="words",
        specials=(END, UNKNOWN),
        min_count=RARE,
        has_marks=reading.marks == "apart",
        ends="line",
    )


def _cut(whole: str | bytes, place: int, reading: Reading) -> int:
    """Where a text is cut: of words, behind the next blank."""
    if reading.unit != "words" or isinstance(whole, bytes):
        return place
    found = BLANK.search(whole, place)
    return len(whole) if found is None else found.end()


def text_row(path: Path, vocabulary: Vocabulary) -> TokenRow:
    """All of a text as a row of tokens."""
    tokens = vocabulary.tokens(_whole(path))
    if len(tokens) < 2:
        raise DataFileError(f"{path} has {len(tokens)} {vocabulary.unit} of text; give at least 2.")
    return TokenRow(tokens=tokens, d_input=vocabulary.size, seqlen=SEQLEN)


def _whole(path: Path) -> str:
    if not path.is_dir():
        return read_text(path)
    files = sorted(file for file in path.glob("*.txt") if file.is_file())
    if not files:
        raise ConfigError(f"{path} holds no .txt file. Name a file of text, or a folder of such files.")
    return BREAK.join(read_text(file) for file in files)

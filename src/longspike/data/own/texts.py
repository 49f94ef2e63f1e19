"""Own text to learn the next byte of: a file, or a folder of .txt files, divided in its order."""

from pathlib import Path

import numpy as np

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


def read_text_parts(path: Path, reading: Reading) -> tuple[dict[str, bytes], Path | None]:
    """The bytes to train on, to validate with and to test on, and the test file if there is one.

    The end of the text is the test, what comes before it the validation.

    Raises: DataFileError if it is no UTF-8, with the first byte that is wrong, or too short; ConfigError for a folder
        without texts.
    """
    text = _whole(path).encode()
    test_file = path.parent / reading.test if reading.test is not None else None if path.is_dir() else partner(path)
    num_test = 0 if test_file is not None else round(reading.test_share * len(text))
    num_val = round(reading.val_share * len(text))
    if len(text) < FEWEST_BYTES:
        raise DataFileError(f"{path} has {len(text):,} bytes of text; give at least {FEWEST_BYTES:,}.")
    train, val = len(text) - num_test - num_val, len(text) - num_test
    tested = text[val:] if test_file is None else _whole(test_file).encode()
    if len(tested) < 2:
        raise DataFileError(f"{test_file} has {len(tested)} bytes of text; give at least 2.")
    return {"train": text[:train], "val": text[train:val], "test": tested}, test_file


def text_row(path: Path) -> TokenRow:
    """All of a text as a row of tokens, a token a byte."""
    text = np.frombuffer(_whole(path).encode(), np.uint8)
    if len(text) < 2:
        raise DataFileError(f"{path} has {len(text)} bytes of text; give at least 2.")
    return TokenRow(tokens=text, d_input=BYTES.size, seqlen=SEQLEN)


def _whole(path: Path) -> str:
    if not path.is_dir():
        return read_text(path)
    files = sorted(file for file in path.glob("*.txt") if file.is_file())
    if not files:
        raise ConfigError(f"{path} holds no .txt file. Name a file of text, or a folder of such files.")
    return BREAK.join(read_text(file) for file in files)

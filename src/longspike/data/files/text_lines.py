"""Large texts a part at a time, in whole lines, and as tokens on the disk: memory does not grow with them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from longspike._core.vocabulary import Vocabulary
from longspike.errors import DataFileError

PART_BYTES = 1 << 20
SYMBOLS = "symbols"
"""The array that holds the symbols of the vocabulary, in UTF-8 with line breaks between them."""
Texts = Callable[[], Iterator[str]]
"""Begins a text anew, in parts of whole lines."""


def read_lines(path: Path) -> Iterator[str]:
    """A text in UTF-8 in parts of whole lines, each of which ends in one "\\n", also the last one of the file.

    Raises: DataFileError if the file cannot be read, or is not UTF-8, with the first byte that is wrong.
    """
    place = 0
    try:
        with path.open("rb") as stream:
            while part := stream.read(PART_BYTES) + stream.readline():
                text = part.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
                place += len(part)
                yield text if text.endswith("\n") else text + "\n"
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path} must be text in UTF-8; byte {place + error.start} is not.") from None
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror}). Unpack the files again.") from None


def write_tokens(folder: Path, parts: dict[str, Texts], make_vocabulary: Callable[[Iterable[str]], Vocabulary]) -> None:
    """Write the tokens of every part of a corpus into `folder`, NAME.npy each, and the symbols of its vocabulary.

    Args: parts: by name; the first one is trained on. make_vocabulary: of the text that is trained on.
    Raises: DataFileError if a part holds what the vocabulary has no token for.
    """
    vocabulary = make_vocabulary(next(iter(parts.values()))())
    for name, texts in parts.items():
        try:
            _write(folder / f"{name}.npy", map(vocabulary.tokens, texts()), vocabulary.dtype)
        except ValueError as error:
            raise DataFileError(f"The {name} part of the text does not go with what is trained on. {error}") from None
    np.save(folder / f"{SYMBOLS}.npy", np.frombuffer("\n".join(vocabulary.symbols).encode(), np.uint8))


def _write(path: Path, tokens: Iterable[np.ndarray], dtype: np.dtype) -> None:
    """Write arrays one behind another as one .npy file, of which only the last one is held."""
    raw, count = path.with_suffix(".raw"), 0
    with raw.open("wb") as stream:
        for each in tokens:
            stream.write(each.tobytes())
            count += len(each)
    with path.open("wb") as whole, raw.open("rb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
        np.lib.format.write_array_header_1_0(whole, header)
        while part := stream.read(PART_BYTES):
            whole.write(part)
    raw.unlink()


def stored_symbols(arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The symbols that `write_tokens` wrote."""
    text = arrays[SYMBOLS].tobytes().decode()
    return tuple(text.split("\n")) if text else ()

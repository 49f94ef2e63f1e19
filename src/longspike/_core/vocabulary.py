"""The vocabulary of a text: its symbols as numbers, and back."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from longspike._core.mistakes import Mistakes, shown

UNITS = ("bytes", "characters", "words")
PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
NUM_BYTES = 256
ENDS = ("text", "line")
MARKS = re.compile(r"\n|\w+(?:['’-]\w+)*|-+|[^\w\s]")
"""Words, marks one by one, and ends of lines."""


def byte_names() -> tuple[str, ...]:
    """A name for every byte: printable ones of ASCII by themselves, others as Python writes them.

    Example:
        >>> byte_names()[10], byte_names()[65], byte_names()[200]
        ('\\\\n', 'A', '\\\\xc8')
    """
    return tuple(chr(k) if chr(k).isascii() and chr(k).isprintable() else repr(bytes([k]))[2:-1] for k in range(256))


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which number, a token, stands for which symbol of a text; it is saved with a network that reads texts.

        token of a symbol = its place in specials + symbols;   of a byte = len(specials) + byte

    Attributes:
        unit: what a symbol is: one of the "bytes" of the text in UTF-8, its "characters", or its "words" between blanks.
        has_marks: with unit "words", whether marks are symbols of their own: "so, he" is "so", "," and "he". Else it is
            "so," and "he".
        specials: symbols that stand in no text. "<pad>" fills up a batch, "<unk>" stands for what is not in the vocabulary,
            "<eos>" ends a text; one that is missing here does not occur.
        ends: what "<eos>" ends: a "text", or with unit "words" every "line" of it, empty ones too.
        symbols: those of the texts; none with unit "bytes", which has all 256.
        max_tokens: of a whole text and its end: what comes after the first ones is cut. None for no bound.
        ignored: characters that are taken out of a text before it is read.
    Raises: ConfigError naming every mistake.

    Example:
        >>> words = Vocabulary.from_texts(["the cat the dog", "a cat"], unit="words", min_count=2)
        >>> words.specials + words.symbols, words.size
        (('<pad>', '<unk>', '<eos>', 'the', 'cat'), 5)
        >>> words.encode("the cow").tolist(), words.decode([3, 1, 2])
        ([3, 1, 2], 'the <unk> <eos>')
    """

    unit: str = "characters"
    specials: tuple[str, ...] = (PAD, UNKNOWN, END)
    symbols: tuple[str, ...] = ()
    max_tokens: int | None = None
    ignored: str = ""
    has_marks: bool = False
    ends: str = "text"

    def __post_init__(self) -> None:
        mistakes = Mistakes("Vocabulary", self)
        mistakes.choices({"unit": UNITS, "ends": ENDS})
        if self.unit != "words" and (self.has_marks or self.ends == "line"):
            mistakes.add(
                f'`has_marks` and `ends="line"` are about unit "words"; leave them out with {shown(self.unit)}'
            )
        if self.ends == "line" and END not in self.specials:
            mistakes.add('`specials` must hold "<eos>" where every line has an end')
        mistakes.integers("max_tokens", or_none=True)
        names = (self.specials, self.symbols)
        if not all(isinstance(part, tuple) and all(isinstance(name, str) and name for name in part) for part in names):
            mistakes.add("`specials` and `symbols` must be tuples of texts that are not empty")
        elif len({*self.specials, *self.symbols}) != len(self.specials) + len(self.symbols):
            twice = Counter((*self.specials, *self.symbols)).most_common(1)[0][0]
            mistakes.add(f"`specials` and `symbols` must be different from each other; {shown(twice)} is there twice")
        elif self.unit == "bytes" and (self.symbols or self.ignored):
            mistakes.add('`symbols` and `ignored` must be empty with unit "bytes"')
        elif self.unit == "characters" and (long := [symbol for symbol in self.symbols if len(symbol) > 1]):
            mistakes.add(f'`symbols` must be single characters with unit "characters"; got {shown(long[0])}')
        mistakes.raise_any()

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        *,
        unit: str,
        min_count: int = 1,
        specials: tuple[str, ...] = (PAD, UNKNOWN, END),
        max_tokens: int | None = None,
        ignored: str = "",
        has_marks: bool = False,
        ends: str = "text",
        max_size: int | None = None,
    ) -> Self:
        """The symbols that occur at least `min_count` times in what is read of these texts; frequent ones first.

        Equal counts stay in the order in which they were met first.

        Args:
            texts: those to train on; a long text may come in parts of whole lines. unit: "characters" or "words".
            max_size: of the vocabulary, special symbols included; the rarest ones are left out. None for no bound.
        """
        empty = cls(
            unit=unit, specials=specials, max_tokens=max_tokens, ignored=ignored, has_marks=has_marks, ends=ends
        )
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(empty._symbols_of(text)[: empty._most])
        known = [symbol for symbol, count in counts.most_common() if count >= min_count and symbol not in specials]
        most = None if max_size is None else max_size - len(specials)
        return replace(empty, symbols=tuple(known[:most]))

    @property
    def names(self) -> tuple[str, ...]:
        """A name for every token: special symbols and symbols by themselves, bytes as `byte_names` has them."""
        return (*self.specials, *(byte_names() if self.unit == "bytes" else self.symbols))

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self.specials) + (NUM_BYTES if self.unit == "bytes" else len(self.symbols))

    @property
    def dtype(self) -> np.dtype:
        """The smallest of uint8, uint16 and int32 that holds every token."""
        return np.dtype(np.uint8 if self.size <= 1 << 8 else np.uint16 if self.size <= 1 << 16 else np.int32)

    def tokens(self, text: str | bytes) -> np.ndarray:
        """The tokens of all of a text, without an end: (num_symbols,), of `dtype`.

        Args: text: bytes are read as UTF-8.
        Raises: TypeError if it is no text; ValueError if it is not UTF-8, or holds what is not in the vocabulary where
            there is no "<unk>".
        """
        if not isinstance(text, str | bytes):
            raise TypeError(f"Vocabulary: `text` must be a str or bytes; got {shown(text)}. Pass one text at a time.")
        if self.unit == "bytes":
            raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
            return np.frombuffer(raw, np.uint8).astype(self.dtype) + self.dtype.type(len(self.specials))
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"Vocabulary: `text` must be UTF-8; byte {error.start} is not. Decode it by its encoding first."
                ) from None
        return self._known(self._symbols_of(text))

    def encode(self, text: str | bytes) -> np.ndarray:
        """What a network reads of a text: the first `max_tokens` tokens, of which the last is "<eos>" if it ends texts.

        Args and Raises: as of `tokens`.
        """
        tokens = self.tokens(text)[: self._most]
        return np.append(tokens, self.dtype.type(self.specials.index(END))) if self.ends_text else tokens

    def decode(self, tokens: Sequence[int] | np.ndarray) -> str:
        """The text of tokens; special ones by their names, bytes that are not UTF-8 as a replacement character.

        Raises: IndexError for a number that is no token.
        """
        if self.unit == "bytes":
            return self.raw(tokens).decode("utf-8", "replace")
        names = [self._names[token] for token in np.asarray(tokens).tolist()]
        text = (" " if self.unit == "words" else "").join(names)  # type: ignore[arg-type]
        return text if self.ends == "text" else re.sub(rf" ?{END} ?", "\n", text)

    def raw(self, tokens: Sequence[int] | np.ndarray) -> bytes:
        """The bytes of tokens with unit "bytes", of which a few may be a part of a character.

        Raises: IndexError for a number that is no token; ValueError for another unit.
        """
        if self.unit != "bytes":
            raise ValueError(f"Vocabulary.raw: `unit` must be 'bytes'; got {self.unit!r}. Use decode.")
        return b"".join(self._names[token] for token in np.asarray(tokens).tolist())  # type: ignore[misc]

    @property
    def _most(self) -> int | None:
        """Symbols that are read of a text."""
        return None if self.max_tokens is None else self.max_tokens - self.ends_text

    @property
    def ends_text(self) -> bool:
        """Whether every text is given an end: there is an "<eos>", and it does not end lines."""
        return END in self.specials and self.ends == "text"

    def _symbols_of(self, text: str) -> str | list[str]:
        """The symbols of a text one by one."""
        kept = text.translate(dict.fromkeys(map(ord, self.ignored))) if self.ignored else text
        if self.unit != "words":
            return kept
        if not self.has_marks:
            return (kept.replace("\n", f" {END} ") if self.ends == "line" else kept).split()
        found = MARKS.findall(kept)
        return [END if symbol == "\n" else symbol for symbol in found if symbol != "\n" or self.ends == "line"]

    def _known(self, symbols: str | list[str]) -> np.ndarray:
        """Tokens of symbols; -1 in a table is what the vocabulary does not have."""
        if isinstance(symbols, str):
            points = np.frombuffer(symbols.encode("utf-32-le", "surrogatepass"), np.uint32)
            found = self._table[np.minimum(points, len(self._table) - 1)]
        else:
            found = np.array([self._places.get(symbol, -1) for symbol in symbols], np.int64)
        is_unknown = found < 0
        if is_unknown.any():
            if self._unknown is None:
                symbol = symbols[int(is_unknown.argmax())]
                raise ValueError(
                    f"Vocabulary: `text` must hold its {len(self.symbols)} symbols only; got {shown(symbol)}. Make the "
                    'vocabulary of more texts, or with "<unk>" among its specials.'
                )
            found = np.where(is_unknown, self._unknown, found)
        return found.astype(self.dtype)

    @cached_property
    def _places(self) -> dict[str, int]:
        places = {symbol: place for place, symbol in enumerate(self.symbols, start=len(self.specials))}
        return places | ({END: self.specials.index(END)} if self.ends == "line" else {})

    @cached_property
    def _unknown(self) -> int | None:
        names = (*self.specials, *self.symbols)
        return names.index(UNKNOWN) if UNKNOWN in names else None

    @cached_property
    def _table(self) -> np.ndarray:
        """Tokens by code point; the last entry stands for all that are larger than those of the vocabulary."""
        points = [ord(symbol) for symbol in self.symbols]
        table = np.full(max(points, default=-1) + 2, -1, np.int64)
        table[points] = np.arange(len(self.specials), self.size)
        return table

    @cached_property
    def _names(self) -> tuple[str | bytes, ...]:
        if self.unit == "bytes":
            return (*(name.encode() for name in self.specials), *(bytes([byte]) for byte in range(NUM_BYTES)))
        return (*self.specials, *self.symbols)

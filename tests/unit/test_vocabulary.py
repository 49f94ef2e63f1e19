"""Texts as tokens: characters, bytes and words; what is refused; there and back."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import Vocabulary
from longspike.errors import ConfigError

texts = st.text(st.characters(exclude_categories=()), max_size=30)


def test_symbols_fall_in_frequency_and_ties_stay_in_order() -> None:
    found = Vocabulary.from_texts(["cab", "bade", "e"], unit="characters")
    assert found.symbols == ("a", "b", "e", "c", "d")
    assert [found.tokens(symbol).tolist() for symbol in "abecd"] == [[3], [4], [5], [6], [7]]
    assert Vocabulary.from_texts(["cab", "bade", "e"], unit="characters", min_count=2).symbols == ("a", "b", "e")


def test_what_is_cut_is_not_counted() -> None:
    found = Vocabulary.from_texts(["abcd", "b"], unit="characters", max_tokens=3)
    assert found.symbols == ("b", "a")  # two of a text, and its end
    assert found.encode("abab").tolist() == [4, 3, 2]
    assert found.encode("zb").tolist() == [1, 3, 2]
    assert found.encode("").tolist() == [2]
    assert found.tokens("abab").tolist() == [4, 3, 4, 3]


@given(texts, texts)
def test_characters_are_found_one_by_one(known: str, text: str) -> None:
    found = Vocabulary.from_texts([known], unit="characters")
    places = {symbol: 3 + k for k, (symbol, _) in enumerate(Counter(known).most_common())}
    assert found.tokens(text).tolist() == [places.get(symbol, 1) for symbol in text]
    assert found.decode(found.tokens(known)) == known


@given(st.text(max_size=20))
def test_bytes_are_shifted_by_the_specials(text: str) -> None:
    found = Vocabulary(unit="bytes", specials=("<pad>", "<eos>"))
    assert found.size == 258
    assert found.encode(text).tolist() == [2 + byte for byte in text.encode()] + [1]
    assert found.encode(text.encode()).tolist() == found.encode(text).tolist()
    assert found.decode(found.tokens(text)) == text
    plain = Vocabulary(unit="bytes", specials=())
    assert (plain.size, plain.encode(text).tolist()) == (256, list(text.encode()))


def test_words_without_what_is_ignored() -> None:
    found = Vocabulary(unit="words", symbols=("[MAX", "]", "7"), ignored="()")
    assert found.encode("( ( [MAX 7 ) 9 ) ]\n").tolist() == [3, 5, 1, 4, 2]
    assert found.decode([3, 5, 4]) == "[MAX 7 ]"


def test_unknown_may_be_a_word_of_the_texts() -> None:
    found = Vocabulary.from_texts(["a <unk> a"], unit="words", specials=("<eos>",))
    assert (found.symbols, found.tokens("b a").tolist()) == (("a", "<unk>"), [2, 1])
    strict = Vocabulary(unit="words", specials=(), symbols=("a",))
    with pytest.raises(ValueError, match=r"`text` must hold its 1 symbols only; got 'b'\. Make the vocabulary of more"):
        strict.tokens("a b")


@pytest.mark.parametrize(
    ("size", "dtype"), [(256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.int32)]
)
def test_tokens_take_the_smallest_dtype(size: int, dtype: type) -> None:
    found = Vocabulary(unit="words", specials=(), symbols=tuple(map(str, range(size))))
    assert found.tokens(f"0 {size - 1}").dtype == dtype
    assert found.tokens(f"0 {size - 1}").tolist() == [0, size - 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "letters"}, "`unit` must be one of 'bytes', 'characters', 'words'"),
        ({"max_tokens": 0}, "`max_tokens` must be an integer of at least 1, or be None; got 0"),
        ({"symbols": ("a", "")}, "must be tuples of texts that are not empty"),
        ({"symbols": ("a", "b", "a")}, "must be different from each other; 'a' is there twice"),
        ({"symbols": ("ab",)}, "must be single characters with unit \"characters\"; got 'ab'"),
        ({"unit": "bytes", "symbols": ("a",)}, '`symbols` and `ignored` must be empty with unit "bytes"'),
    ],
)
def test_a_vocabulary_checks_itself(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Vocabulary(**changes)


def test_what_is_no_text_is_refused() -> None:
    found = Vocabulary(symbols=("a",))
    with pytest.raises(TypeError, match=r"`text` must be a str or bytes; got \['a'\]\. Pass one text at a time"):
        found.encode(["a"])
    with pytest.raises(ValueError, match=r"`text` must be UTF-8; byte 1 is not\. Decode it by its encoding first"):
        found.encode(b"a\xff")
    with pytest.raises(IndexError):
        found.decode([4])


def test_lines_have_ends_and_marks_stand_apart() -> None:
    options = {"unit": "words", "specials": ("<eos>", "<unk>"), "ends": "line"}
    found = Vocabulary.from_texts(["So, he's so-so --\n\nso!"], has_marks=True, **options)
    assert found.symbols == ("So", ",", "he's", "so-so", "--", "so", "!")
    assert found.names == ("<eos>", "<unk>", *found.symbols)
    assert found.encode("so,\n\nhe").tolist() == [7, 3, 0, 0, 1]
    assert found.decode([7, 3, 0, 0, 2, 8]) == "so ,\n\nSo !"
    kept = Vocabulary.from_texts(["so, so\n so, <eos> x"], max_size=4, **options)
    assert kept.symbols == ("so,", "so")
    assert kept.tokens("so, x\n<eos>").tolist() == [2, 1, 0, 0]
    for wrong in ({"unit": "bytes", "has_marks": True}, {"ends": "line"}):
        with pytest.raises(ConfigError, match='`has_marks` and `ends="line"` are about unit "words"'):
            Vocabulary(**wrong)
    with pytest.raises(ConfigError, match='`specials` must hold "<eos>" where every line has an end'):
        Vocabulary(unit="words", ends="line", specials=())

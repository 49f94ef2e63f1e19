"""Texts for language models in words: the published rules, by hand; large files in little memory; damage and surprises."""

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from longspike.data import DataBundle, TokenRow, Vocabulary, load
from longspike.data.files import sealed, text_lines
from longspike.data.sets.word_corpora import paragraphs
from longspike.errors import DataFileError
from published_samples import WORD_FILES, write_word_corpora


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(text_lines, "PART_BYTES", 100)
    write_word_corpora(tmp_path)
    return tmp_path


def tokens_of(bundle: object, part: str) -> np.ndarray:
    assert isinstance(bundle, DataBundle)
    row = getattr(bundle, part)
    assert isinstance(row, TokenRow)
    return row.tokens


@pytest.mark.parametrize("name", WORD_FILES)
def test_the_published_rules_by_hand(name: str, root: Path) -> None:
    """<eos> behind every line, blank ones too; numbers by falling frequency of train, equal ones as they were met."""
    bundle = load(name, root=root)
    assert isinstance(bundle, DataBundle)
    assert bundle.vocabulary is not None
    lines = {
        part: (root / WORD_FILES[name].format(part)).read_text().splitlines() for part in ("train", "valid", "test")
    }
    words = {part: [word for line in some for word in (*line.split(), "<eos>")] for part, some in lines.items()}
    ranked = [word for word, _ in Counter(words["train"]).most_common() if word != "<eos>"]
    assert bundle.class_names == ("<eos>", *ranked) == bundle.vocabulary.names
    numbers = {word: k for k, word in enumerate(bundle.class_names)}
    for part, file in (("train", "train"), ("val", "valid"), ("test", "test")):
        assert tokens_of(bundle, part).tolist() == [numbers[word] for word in words[file]]
    assert bundle.d_input == 60
    assert isinstance(tokens_of(bundle, "train"), np.memmap)
    text = "".join(f"{' '.join(line.split())}\n" for line in lines["valid"])
    assert bundle.vocabulary.decode(tokens_of(bundle, "val")).replace(" \n", "\n") == text


def test_text_is_read_once_and_a_damaged_cache_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokens_of(load("ptb", root=root), "train").copy()
    with monkeypatch.context() as patch:
        patch.setattr(Vocabulary, "tokens", lambda *_: pytest.fail("read again"))
        assert np.array_equal(tokens_of(load("ptb", root=root), "train"), first)
    (folder,) = (root / "cache").glob("ptb-*")
    stored = bytearray((folder / "train.npy").read_bytes())
    stored[-3] ^= 1
    (folder / "train.npy").write_bytes(stored)
    assert np.array_equal(tokens_of(load("ptb", root=root), "train"), first)
    assert (folder / sealed.MANIFEST).is_file()
    (root / "ptb/ptb.valid.txt").write_text(" w1 w2 \n" * 100)
    assert len(tokens_of(load("ptb", root=root), "val")) == 300


def test_lines_end_in_whatever_way_and_parts_are_whole_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("a b\r\nĵ\rc\n\nlast".encode())
    for size in (1, 3, 1000):
        text_lines.PART_BYTES, before = size, text_lines.PART_BYTES
        parts = list(text_lines.read_lines(tmp_path / "a.txt"))
        text_lines.PART_BYTES = before
        assert "".join(parts) == "a b\nĵ\nc\n\nlast\n"
        assert all(part.endswith("\n") for part in parts)


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "PART_BYTES", 1 << 12)
    (tmp_path / "new").mkdir()
    peaks = []
    for count in (1, 20):
        texts = lambda count=count: iter(["some words and some other words\n" * 200] * (10 * count))  # noqa: E731
        tracemalloc.start()
        text_lines.write_tokens(
            tmp_path / "new", {"train": texts}, lambda text: Vocabulary.from_texts(text, unit="words", specials=())
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(np.load(tmp_path / "new" / "train.npy")) == 200 * 200 * 6
    assert peaks[1] < 1.5 * peaks[0] + 1e5


def test_a_word_that_is_not_in_train(root: Path) -> None:
    valid = root / "ptb/ptb.valid.txt"
    valid.write_text(valid.read_text() + "surprise\n")
    bundle = load("ptb", root=root)
    assert isinstance(bundle, DataBundle)
    assert tokens_of(bundle, "val")[-2] == bundle.class_names.index("<unk>")
    train = root / "ptb/ptb.train.txt"
    train.write_text(train.read_text().replace("<unk>", "w3"))
    with pytest.raises(
        DataFileError, match=r"The val part of the text does not go with what is trained on.*got '<unk>'"
    ):
        load("ptb", root=root)


def test_what_is_missing_or_no_text_is_said(root: Path, tmp_path: Path) -> None:
    (root / "wikitext-2/wiki.test.tokens").unlink()
    with pytest.raises(
        DataFileError, match=r"(?s)wikitext-2: files are missing.*wiki\.test\.tokens.*Fetch it from https://hugg"
    ):
        load("wikitext-2", root=root)
    (root / "ptb/ptb.test.txt").write_bytes(b"w1 w2 \n" * 30 + b"caf\xe9\n")
    with pytest.raises(DataFileError, match=r"ptb\.test\.txt must be text in UTF-8; byte 213 is not"):
        load("ptb", root=root)
    (root / "ptb/ptb.test.txt").write_text("w1 w2\n")
    with pytest.raises(DataFileError, match="ptb: test holds 3 words, too few to learn from"):
        load("ptb", root=root)


def test_a_paragraph_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\nIt was\nthe best\n\n\n\n  of times\n")
    assert list(paragraphs([tmp_path / "a.txt"])) == ["It was the best\nof times\n"]


def test_novels_in_words_and_marks(corpora_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "cache"))
    bundle = load("novels-words", root=corpora_root)
    assert isinstance(bundle, DataBundle)
    assert bundle.vocabulary is not None
    assert bundle.class_names[:2] == ("<eos>", "<unk>")
    assert set(bundle.class_names[2:]) >= {"the", "king", "is", "dead", ",", "long", "live", "Ĵane"}
    assert bundle.vocabulary.decode(tokens_of(bundle, "train")[:30]).count(" ,") >= 1


def test_characters_of_shakespeare(corpora_root: Path) -> None:
    bundle = load("shakespeare-chars", root=corpora_root)
    assert isinstance(bundle, DataBundle)
    text = (corpora_root / "lm" / "tinyshakespeare.txt").read_text()
    parts = "".join(bundle.vocabulary.decode(tokens_of(bundle, part)) for part in ("train", "val", "test"))  # type: ignore[union-attr]
    assert parts == text
    assert bundle.class_names[0] == Counter(text[: round(0.85 * len(text))]).most_common(1)[0][0]
    (corpora_root / "lm" / "tinyshakespeare.txt").write_text(text + "œ")
    with pytest.raises(DataFileError, match="what is trained on lacks a character of the rest"):
        load("shakespeare-chars", root=corpora_root)

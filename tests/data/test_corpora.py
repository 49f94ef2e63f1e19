"""Texts for language models: every byte of the files is there, once, in its part."""

from pathlib import Path

import numpy as np
import pytest

from longspike._core.vocabulary import byte_names
from longspike.data import DataBundle, TokenRow, load
from longspike.errors import DataFileError


def row_of(bundle: DataBundle, part: str) -> TokenRow:
    row = getattr(bundle, part)
    assert isinstance(row, TokenRow)
    return row


def test_shakespeare_is_cut_in_its_order(corpora_root: Path) -> None:
    bundle = load("shakespeare", root=corpora_root)
    assert isinstance(bundle, DataBundle)
    parts = [row_of(bundle, part).tokens for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [6800, 400, 800]
    assert np.concatenate(parts).tobytes() == (corpora_root / "lm" / "tinyshakespeare.txt").read_bytes()
    assert bundle.has_tokens
    assert bundle.vocabulary is not None
    text = bundle.vocabulary.decode(parts[0][:20])
    assert bundle.vocabulary.encode(text).tolist() == parts[0][:20].tolist()


def test_novels_are_whole_and_apart(corpora_root: Path) -> None:
    bundle = load("novels", root=corpora_root)
    assert isinstance(bundle, DataBundle)
    files = [(corpora_root / "novels" / "train" / f"{k}.txt").read_bytes() for k in range(3)]
    assert row_of(bundle, "train").tokens.tobytes() == b"\n\n".join(files)
    assert len(row_of(bundle, "test").tokens) == 2000
    (corpora_root / "novels" / "valid" / "0.txt").unlink()
    with pytest.raises(DataFileError, match=r"valid holds no \.txt file\. Put the novels of this part there"):
        load("novels", root=corpora_root)


def test_a_text_that_is_cut_short_is_named(corpora_root: Path) -> None:
    (corpora_root / "lm" / "tinyshakespeare.txt").write_bytes(b"First Citizen")
    with pytest.raises(DataFileError, match=r"tinyshakespeare\.txt holds 13 bytes of text, too few to learn from"):
        load("shakespeare", root=corpora_root)


def test_every_byte_has_a_name_of_its_own() -> None:
    assert len(set(byte_names())) == 256
    assert all(name.isprintable() for name in byte_names())

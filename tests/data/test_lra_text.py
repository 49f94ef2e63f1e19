"""Reviews as characters and as bytes: the vocabulary, where they are cut, the hold-out, the cache, what is damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import load
from longspike.errors import DataFileError
from published_samples import CHARACTERS, write_imdb


def test_characters_are_those_of_the_training_texts(imdb_root: Path) -> None:
    bundle = load("lra-text", root=imdb_root)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [18, 2, 6]
    assert bundle.val.labels.tolist() == [0, 1]
    vocabulary = bundle.vocabulary
    assert vocabulary.specials == ("<pad>", "<unk>", "<eos>")
    assert sorted(vocabulary.symbols) == sorted(CHARACTERS)  # the rare one is not among them
    assert vocabulary.symbols[0] in "abcde "
    assert bundle.test.max_seqlen == 4096
    raw = (imdb_root / "aclImdb/test/pos/1_7.txt").read_text()
    assert bundle.test[4][1] == 1
    x = bundle.test[4][0]
    assert vocabulary.decode(x) == raw.replace("œ", "<unk>") + "<eos>"
    assert vocabulary.decode(bundle.test[0][0])[-5:] == "<eos>"
    assert torch.equal(x, torch.from_numpy(vocabulary.encode(raw).astype(np.int64)))


def test_bytes(imdb_root: Path) -> None:
    bundle = load("lra-text-bytes", root=imdb_root)
    raw = (imdb_root / "aclImdb/test/neg/1_7.txt").read_bytes()
    assert bundle.test[1][0].tolist() == [2 + byte for byte in raw] + [1]
    assert bundle.test[0][0].tolist()[-2:] == [2 + (imdb_root / "aclImdb/test/neg/0_7.txt").read_bytes()[4094], 1]
    assert "; bytes, at most 4,096" in bundle.source


def test_texts_are_read_once(imdb_root: Path, cache: Path) -> None:
    first = load("lra-text", root=imdb_root)
    stored = max(cache.iterdir(), key=lambda path: path.stat().st_size)
    for damaged in (b"", b"\x93NUMPY damaged", None):
        if damaged is None:  # an array, but not of these files
            np.save(stored, np.zeros(200, np.uint8))
        else:
            stored.write_bytes(damaged)
        np.testing.assert_array_equal(load("lra-text", root=imdb_root).train.tokens, first.train.tokens)
    size = (imdb_root / "aclImdb/train/neg/3_7.txt").stat().st_size
    (imdb_root / "aclImdb/train/neg/3_7.txt").write_bytes(b"a" * (size + 1))
    changed = load("lra-text", root=imdb_root)
    assert len(list(cache.iterdir())) == 3
    assert not np.array_equal(changed.train.tokens, first.train.tokens)


def test_damaged_files_are_named(imdb_root: Path) -> None:
    (imdb_root / "aclImdb/train/pos/2_7.txt").write_bytes(b"good\xff")
    with pytest.raises(DataFileError, match=r"train/pos/2_7\.txt must be text in UTF-8; byte 4 is not\. Unpack"):
        load("lra-text", root=imdb_root)
    (imdb_root / "aclImdb/train/pos/2_7.txt").unlink()
    (imdb_root / "aclImdb/train/pos/2_7.txt").mkdir()
    with pytest.raises(DataFileError, match=r"train/pos/2_7\.txt cannot be read \(Is a directory\)"):
        load("lra-text", root=imdb_root)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    write_imdb(tmp_path)
    (tmp_path / "aclImdb/test/neg").rename(tmp_path / "elsewhere")
    with pytest.raises(DataFileError, match=r"aclImdb: test/neg\n(.|\n)*Fetch it from https://ai\.stanford\.edu"):
        load("lra-text", root=tmp_path)

"""Small data sets of texts and images in their published layouts."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from longspike.data.sets import cifar10, listops, lra_retrieval, novel_pairs, pathfinder

CHARACTERS = "".join(map(chr, [*range(32, 127), *range(161, 197)]))
"""131 of them: as many as occur 15 times in the published reviews."""


def write_imdb(root: Path, *, num_train: int = 10, num_test: int = 3) -> None:
    """Reviews of 150 characters and more, which name every one of `CHARACTERS`; the first is 5,000 long."""
    random = np.random.default_rng(3)
    for part, count in (("train", num_train), ("test", num_test)):
        for folder in ("neg", "pos"):
            place = root / "aclImdb" / part / folder
            place.mkdir(parents=True)
            for k in range(count):
                filler = "".join(random.choice(list("abc de"), 5000 if k == 0 else 20 + 7 * k))
                (place / f"{k}_7.txt").write_bytes((CHARACTERS + "œ" * (k == 1) + filler).encode())


def small_listops(monkeypatch: pytest.MonkeyPatch, *, num_pieces: int = 3) -> None:
    """ListOps of 30 trees in pieces of twelve."""
    monkeypatch.setattr(listops, "SIZES", (20, 6, 4))
    monkeypatch.setattr(listops, "PIECE", 12)
    monkeypatch.setattr(listops, "NUM_PIECES", num_pieces)


def write_listops(root: Path) -> None:
    """18 trees in the published form."""
    folder = root / "lra_release/listops-1000"
    folder.mkdir(parents=True)
    for part, count in (("train", 12), ("val", 3), ("test", 3)):
        lines = ["( ( ( ( ( [MAX 2 ) 9 ) ( ( ( [MED 1 ) 4 ) ] ) ) 0 ) ] )\t9"]
        lines += [f"( ( ( [SM {k % 10} ) {k % 7} ) ] )\t{(k % 10 + k % 7) % 10}" for k in range(1, count)]
        (folder / f"basic_{part}.tsv").write_text("\n".join(["Source\tTarget", *lines]) + "\n")


def write_cifar10(root: Path) -> None:
    """Six pickled batches of CIFAR-10 with ten images each."""
    random = np.random.default_rng(1)
    folder = root / cifar10.BATCH_FOLDER
    folder.mkdir()
    for name in cifar10.BATCH_FILES:
        content = {"data": random.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": list(range(10))}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


def write_corpora(root: Path) -> None:
    """A play of 8,000 bytes; three novels to train on, one to validate, one to test."""
    random = np.random.default_rng(5)
    words = ("the", "king", "is", "dead,", "long", "live", "Ĵane", "\n")

    def text(num_bytes: int) -> bytes:
        return " ".join(random.choice(words, num_bytes)).encode()[:num_bytes]

    (root / "lm").mkdir(parents=True)
    (root / "lm" / "tinyshakespeare.txt").write_bytes(text(8000))
    for part, count in (("train", 3), ("valid", 1), ("test", 1)):
        (root / "novels" / part).mkdir(parents=True)
        for k in range(count):
            (root / "novels" / part / f"{k}.txt").write_bytes(text(2000 + k))


def words_of(num_words: int, *, num_types: int = 60, seed: int = 6) -> str:
    """Lines of words w0, w1 and so on, the first ones the most frequent, with empty lines between; "<unk>" is one."""
    random = np.random.default_rng(seed)
    names = [*(f"w{k}" for k in range(num_types - 2)), "<unk>"]
    drawn = [names[k] for k in np.minimum(random.geometric(3 / num_types, num_words), num_types - 1) - 1]
    lines = [" " + " ".join(drawn[k : k + 9]) + " \n" for k in range(0, num_words, 9)]
    return " \n".join(lines)


WORD_FILES = {
    "wikitext-2": "wikitext-2/wiki.{}.tokens",
    "wikitext-103": "wikitext-103/wiki.{}.tokens",
    "ptb": "ptb/ptb.{}.txt",
}


def write_word_corpora(root: Path, *, sizes: dict[str, int] | None = None) -> None:
    """WikiText-2, WikiText-103 and Penn Treebank as published, each with so many types, "<eos>" included; 60 by default."""
    for name, file in WORD_FILES.items():
        num_types = (sizes or {}).get(name, 60)
        every = " ".join(f"w{k}" for k in range(num_types - 2)) + " <unk> \n"
        (root / name).mkdir(parents=True)
        for part, text in (("train", every + words_of(4000)), ("valid", words_of(700)), ("test", words_of(800))):
            (root / file.format(part)).write_text(text)


def write_language(root: Path) -> None:
    """All texts for language models with as many tokens as the published ones have."""
    write_corpora(root)
    (root / "lm" / "tinyshakespeare.txt").write_text("".join(map(chr, range(40, 105))) * 80)
    (root / "novels" / "train" / "0.txt").write_text(" ".join(f"word{k}" for k in range(31_000)))
    write_word_corpora(root, sizes={"wikitext-2": 33_278, "wikitext-103": 267_735, "ptb": 10_000})


def small_pathfinder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pathfinder of 20 pictures in two pieces."""
    monkeypatch.setattr(pathfinder, "NUM_PICTURES", 20)
    monkeypatch.setattr(pathfinder, "PIECES", dict.fromkeys(pathfinder.PIECES, 10))


def write_pathfinder(root: Path, *, size: int = 32, difficulty: str = "hard", num_images: int = 150) -> None:
    """Images of noise in the published layout, in two folders with a list each; of a hundred or more one is empty."""
    random = np.random.default_rng(4)
    folder = root / f"pathfinder{size}" / pathfinder.PUBLISHED_FOLDERS[difficulty]
    (folder / "metadata").mkdir(parents=True)
    for part in (0, 1):
        (folder / f"imgs/{part}").mkdir(parents=True)
        lines = []
        for k in range(part, num_images, 2):
            name = f"sample_{k}.png"
            Image.fromarray(random.integers(0, 256, (size, size), dtype=np.uint8)).save(folder / f"imgs/{part}" / name)
            lines.append(f"imgs/{part} {name} {k} {k // 2 % 2} 1.8 14 0.8")
        (folder / f"metadata/{part}.npy").write_text("\n".join(lines) + "\n")
    if num_images >= 100:
        (folder / "imgs/1/sample_7.png").write_bytes(b"")


def small_novel_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty pairs of passages."""
    monkeypatch.setattr(novel_pairs, "SIZES", (40, 10, 10))


def write_novels(root: Path, *, num_works: int = 12) -> None:
    """Works of 12,000 to 14,000 bytes, each of one letter, in the three folders in turn."""
    for k in range(num_works):
        folder = root / "novels" / novel_pairs.PARTS[k % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"work{k}.txt").write_bytes(bytes([ord("a") + k]) * (12_000 + 200 * k))


def write_retrieval(root: Path) -> None:
    """Three pairs a part in the published form; the texts hold 95 characters, tabs and quotation marks among them."""
    folder = root / "lra_release/tsv_data"
    folder.mkdir(parents=True)
    everything = "".join(map(chr, range(32, 126)))
    for name in lra_retrieval.FILES:
        with (folder / name).open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream, delimiter="\t", lineterminator="\n")
            rows.writerow(["1.0", "P1", "P2", "b'one\\ttwo'", "a\tb"])
            rows.writerow(["0.0", "P3", "P4", everything, 'a "word"'])
            rows.writerow(["1.0", "P5", "P6", "c" * 5000, "d"])

"""Small data sets in the published layouts, and a cache of its own for every test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from event_files import write_sound, write_spoken_digits
from longspike.data import write_idx
from longspike.data.sets import pathfinder
from longspike.data.sets.cifar10 import CLASS_NAMES
from longspike.data.sets.mnist import FILES
from longspike.data.sets.speech_commands import CLASS_NAMES as WORDS
from longspike.data.sets.speech_commands import LISTS
from published_samples import (
    small_novel_pairs,
    write_cifar10,
    write_corpora,
    write_imdb,
    write_language,
    write_listops,
    write_novels,
    write_pathfinder,
    write_retrieval,
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, which LONGSPIKE_CACHE names."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LONGSPIKE_CACHE", str(folder))
    return folder


def _write_mnist(folder: Path, suffix: str = "") -> None:
    """Write MNIST's four files with random images, 40 and 20, labels 0 to 9 in turn."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for (images, labels), count in ((FILES[:2], 40), (FILES[2:], 20)):
        write_idx(folder / f"{images}{suffix}", random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{labels}{suffix}", np.arange(count, dtype=np.uint8) % 10)


@pytest.fixture
def write_mnist() -> Callable[..., None]:
    """The function that writes a small MNIST into a folder: write_mnist(folder, suffix="")."""
    return _write_mnist


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """40 training and 20 test images in torchvision's layout."""
    _write_mnist(tmp_path / "MNIST" / "raw")
    return tmp_path


@pytest.fixture
def batches_root(tmp_path: Path) -> Path:
    """CIFAR's six pickled batches of ten images each, as a current numpy and Python write them."""
    write_cifar10(tmp_path)
    return tmp_path


@pytest.fixture
def images_root(tmp_path: Path) -> Path:
    """Two training images and one test image per class of CIFAR, as PNG and as JPEG."""
    random = np.random.default_rng(2)
    for part, names in (("train", ("0000.png", "0001.jpg")), ("test", ("0000.png",))):
        for class_name in CLASS_NAMES:
            folder = tmp_path / "cifar10-jpeg" / part / class_name
            folder.mkdir(parents=True)
            for name in names:
                Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / name)
    return tmp_path


@pytest.fixture
def imdb_root(tmp_path: Path) -> Path:
    """20 training and 6 test reviews in the published layout."""
    write_imdb(tmp_path)
    return tmp_path


@pytest.fixture
def sounds_root(tmp_path: Path) -> Path:
    """Spoken digits of three speakers in the published layout, 20 training clips and 10 test clips each."""
    write_spoken_digits(tmp_path, speakers=("jackson", "theo", "yweweler"), longest=18_262)
    return tmp_path


@pytest.fixture
def listops_root(tmp_path: Path) -> Path:
    """18 trees in the published layout; the first of them is of the longest length there may be."""
    write_listops(tmp_path)
    place = tmp_path / "lra_release/listops-1000/basic_train.tsv"
    header, first, *rest = place.read_text().splitlines()
    long = " ".join(["[MAX", *["3"] * 3000, "]"])
    place.write_text("\n".join([header, first, f"{long}\t3", *rest[1:]]) + "\n")
    return tmp_path


@pytest.fixture
def words_root(tmp_path: Path) -> Path:
    """Speech Commands with four clips a word in the published layout: two to train, one each for validation and test."""
    folder = tmp_path / "speech_commands_v0.02"
    for number, word in enumerate(WORDS):
        for k in range(4):
            length = 16_000 if (number, k) == (0, 0) else 20 + k
            write_sound(folder / word / f"{k}_nohash_0.wav", np.full(length, 100 * number + k), rate_hz=16_000)
    (folder / "_background_noise_").mkdir()
    for k, name in enumerate(LISTS, start=2):
        (folder / name).write_text("".join(f"{word}/{k}_nohash_0.wav\n" for word in WORDS))
    return tmp_path


@pytest.fixture
def corpora_root(tmp_path: Path) -> Path:
    """A play and five novels in the published layouts."""
    write_corpora(tmp_path)
    return tmp_path


@pytest.fixture
def language_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Texts with as many kinds of tokens as the published ones have."""
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "cache"))
    write_language(tmp_path)
    return tmp_path


@pytest.fixture
def novels_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve works, of which sixty pairs of passages are drawn."""
    small_novel_pairs(monkeypatch)
    write_novels(tmp_path)
    return tmp_path


@pytest.fixture
def retrieval_root(tmp_path: Path) -> Path:
    """Nine pairs in the published layout."""
    write_retrieval(tmp_path)
    return tmp_path


@pytest.fixture
def pictures_root(tmp_path: Path) -> Path:
    """Ten images of every size and difficulty of Pathfinder that is a data set, in the published layout."""
    for size, difficulty in pathfinder.SETS.values():
        write_pathfinder(tmp_path, size=size, difficulty=difficulty, num_images=10)
    return tmp_path

"""Pathfinder: the compiled pictures against the reference, what is on them, labels, generated and published folders."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from longspike.data import generate, load
from longspike.data.generators import pieces
from longspike.data.generators.pathfinder import draw_pictures, pathfinder_rules
from longspike.data.generators.pathfinder_reference import Picture, SplitMix64, draw_picture
from longspike.data.sets import pathfinder
from longspike.errors import ConfigError, DataFileError
from published_samples import small_pathfinder, write_pathfinder

needs_extension = pytest.mark.needs_extension


@needs_extension
@pytest.mark.parametrize(
    ("size", "difficulty", "count"),
    [(32, "hard", 3), (32, "easy", 6), (64, "easy", 3), (128, "easy", 2), (128, "mid", 2), (256, "easy", 1)],
)
def test_compiled_pictures_are_those_of_the_reference(size: int, difficulty: str, count: int) -> None:
    rules, labels = pathfinder_rules(size, difficulty), np.arange(count) % 2
    images, placed = draw_pictures(labels, rules=rules, seed=5, first=1000, use_extension=True)
    for k in range(count):
        image, num_placed = draw_picture(rules, seed=5, number=1000 + k, label=k % 2)
        np.testing.assert_array_equal(images[k], image)
        assert placed[k] == num_placed


def test_random_numbers_are_those_of_splitmix64() -> None:
    """From the reference in C of Vigna, seed 1234567."""
    random = SplitMix64(1234567)
    assert [random.next() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert 0 <= random.uniform() < 1


def test_what_is_on_a_picture() -> None:
    """Two snakes of so many paddles in which each bends a little, and which keep away from each other."""
    rules = pathfinder_rules(32, "mid")
    picture = Picture(rules, SplitMix64(11))
    picture.draw(1)
    assert len(picture.layer) >= 2 * 9 + 3 * 2
    for snake in picture.pair:
        assert len(snake) == 9
        for before, after in pairwise(snake):
            assert abs(np.hypot(*np.subtract(after.head, after.tail)) - 2.0) < 1e-9
            assert np.dot(before.direction, after.direction) > 0
            gap = np.hypot(*np.subtract(after.tail, before.head))
            assert 0.4 < gap < 3.6  # 2 margins, and what rounding to pixels and a bend make of it
        pixels = [set(paddle.quarters) for paddle in snake]
        assert all(a.isdisjoint(b) for k, a in enumerate(pixels) for b in pixels[k + 1 :])
    first, second = ({pixel for paddle in snake for pixel in paddle.quarters} for snake in picture.pair)
    assert first.isdisjoint(second)
    tails = [snake[0].tail for snake in picture.pair]
    assert abs(np.hypot(*np.subtract(*tails)) - rules.seed_distance) < 1


def test_the_label_moves_one_disc_and_nothing_else() -> None:
    for number in range(4):
        apart, joined = (draw_picture(pathfinder_rules(32, "easy"), seed=1, number=number, label=k)[0] for k in (0, 1))
        changed = np.argwhere(apart != joined)
        assert 5 <= len(changed) <= 26  # two discs of some 9 to 13 pixels
        assert (apart == 255).sum() >= 8
        assert (joined == 255).sum() >= 8


@needs_extension
def test_pictures_of_many() -> None:
    """Figures of 400 pictures; those of another program with these rules: 3.3 of 5 distractors have room."""
    images, placed = draw_pictures(np.arange(400) % 2, rules=pathfinder_rules(32), seed=3)
    assert placed.mean() == pytest.approx(3.35, abs=0.2)
    assert images.reshape(400, -1).max(axis=1).min() == 255
    assert (images[:, 0] > 0).mean() < 0.05
    assert images[::2].mean() == pytest.approx(images[1::2].mean(), rel=0.02)
    assert len({image.tobytes() for image in images}) == 400
    grey = np.unique(images)
    assert set(grey.tolist()) == {0, 96, 191, 255}  # quarters of dashes times 1.5, at most 1; discs


@pytest.mark.parametrize("name", pathfinder.SETS)
def test_labels_are_half_and_half(name: str) -> None:
    labels = np.random.RandomState(pathfinder.SEED).permutation(pathfinder.NUM_PICTURES) % 2
    assert labels.sum() * 2 == pathfinder.NUM_PICTURES
    assert pathfinder.NUM_PICTURES % pathfinder.PIECES[pathfinder.SETS[name][0]] == 0


def test_generated_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pathfinder(monkeypatch)
    generate("pathfinder-easy", tmp_path)
    bundle = load("pathfinder-easy", root=tmp_path)
    parts = (bundle.train, bundle.val, bundle.test)
    assert [len(split) for split in parts] == [16, 2, 2]
    assert torch.cat([split.labels for split in parts]).bincount().tolist() == [10, 10]
    assert "made by longspike" in bundle.source
    order = torch.randperm(20, generator=torch.Generator().manual_seed(42))
    labels = np.random.RandomState(pathfinder.SEED).permutation(20) % 2
    k = int(order[3])
    image, _ = draw_picture(pathfinder_rules(32, "easy"), seed=pathfinder.SEED, number=k, label=int(labels[k]))
    x, label = bundle.train[3]
    assert label == labels[k]
    torch.testing.assert_close(x[:, 0], (torch.from_numpy(image.reshape(-1)) / 255 - 0.5) / 0.5)


def test_fewer_pictures_are_made_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces of which the last is shorter; half of the labels are 1; nothing is read whole or left half made."""
    small_pathfinder(monkeypatch)
    folder = generate("pathfinder-easy", tmp_path, num_samples=44)
    assert [path.name for path in tmp_path.iterdir()] == ["pathfinder-easy"]
    made = np.load(folder / "labels.npy")
    assert (len(made), made.sum()) == (44, 22)
    bundle = load("pathfinder-easy", root=tmp_path)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [36, 4, 4]
    assert "44 pictures made by longspike" in bundle.source
    assert generate("pathfinder-easy", tmp_path, num_samples=44) == folder
    with pytest.raises(ConfigError, match="holds 44 pictures, not 22"):
        generate("pathfinder-easy", tmp_path, num_samples=22)
    with pytest.raises(ValueError, match="`num_samples` must be even"):
        generate("pathfinder", tmp_path, num_samples=23)
    with pytest.raises(ValueError, match="`num_samples` must be"):
        generate("pathfinder", tmp_path, num_samples=2)
    assert not (tmp_path / "pathfinder").exists()


def test_pictures_that_were_stopped_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pathfinder(monkeypatch)
    draw, made = pathfinder.draw_pictures, []

    def draw_some(labels: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        made.append(options["first"])
        if len(made) == 2:
            raise KeyboardInterrupt
        return draw(labels, **options)

    monkeypatch.setattr(pathfinder, "draw_pictures", draw_some)
    monkeypatch.setattr(pieces, "_num_processors", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        generate("pathfinder-easy", tmp_path, num_samples=30)
    assert not (tmp_path / "pathfinder-easy").exists()
    generate("pathfinder-easy", tmp_path, num_samples=30)
    assert sorted(made) == [0, 10, 10, 20]


def test_published_images(tmp_path: Path) -> None:
    write_pathfinder(tmp_path, num_images=150)
    folder = tmp_path / "pathfinder32/curv_contour_length_14"
    bundle = load("pathfinder", root=tmp_path)
    parts = (bundle.train, bundle.val, bundle.test)
    assert [len(split) for split in parts] == [121, 14, 14]  # one of 150 is empty
    assert "the published images" in bundle.source
    order = torch.randperm(149, generator=torch.Generator().manual_seed(42))
    lines = [
        line.split()
        for path in (folder / "metadata/0.npy", folder / "metadata/1.npy")
        for line in path.read_text().splitlines()
    ]
    lines = [line for line in lines if line[1] != "sample_7.png"]
    place, file, _, label = lines[int(order[0])][:4]
    pixels = np.asarray(Image.open(folder / place / file)).reshape(-1)
    assert bundle.train[0][1] == int(label)
    torch.testing.assert_close(bundle.train[0][0][:, 0], (torch.from_numpy(pixels.copy()) / 255 - 0.5) / 0.5)


def test_damaged_published_folders_are_named(tmp_path: Path) -> None:
    write_pathfinder(tmp_path, num_images=20)
    folder = tmp_path / "pathfinder32/curv_contour_length_14"
    (folder / "imgs/1/sample_7.png").write_bytes(b"")
    with pytest.raises(DataFileError, match=r"only 19 of 20 images can be read\. Unpack them again"):
        load("pathfinder", root=tmp_path)
    for line, message in (
        ("imgs/0 a.png 0\n", "must hold folder, file, number"),
        ("../.. a.png 0 1\n", "must hold folder"),
    ):
        (folder / "metadata/0.npy").write_text(line)
        with pytest.raises(DataFileError, match=rf"0\.npy, line 1 {message}"):
            load("pathfinder", root=tmp_path)
    (folder / "metadata/0.npy").unlink()
    (folder / "metadata/1.npy").unlink()
    with pytest.raises(DataFileError, match=r"metadata must hold lists NUMBER\.npy; got none"):
        load("pathfinder", root=tmp_path)


def test_what_is_missing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"Run `longspike data generate path-x`, or set LONGSPIKE_DATA"):
        load("path-x", root=tmp_path)

"""Generated folders: whole or not at all, resumed where they were stopped."""

import threading
from pathlib import Path

import numpy as np
import pytest

from longspike.data.files.sealed import read_folder
from longspike.data.generators.pieces import make_folder


def square(number: int) -> dict[str, np.ndarray]:
    return {"x": np.full((number + 1, 2), number**2, np.int16), "y": np.array([number])}


def test_pieces_are_joined_in_their_order(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "made", square, num_pieces=4, settings={"power": 2}, num_threads=3)
    found = read_folder(folder, settings={"power": 2}, remedy="Do it again.")
    assert found["x"].tolist() == [[k**2] * 2 for k in range(4) for _ in range(k + 1)]
    assert found["y"].tolist() == [0, 1, 2, 3]
    assert isinstance(found["x"], np.memmap)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    made, lock = [], threading.Lock()

    def fails_at_two(number: int) -> dict[str, np.ndarray]:
        if number == 2:
            raise KeyboardInterrupt
        with lock:
            made.append(number)
        return square(number)

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "made", fails_at_two, num_pieces=4, settings={}, num_threads=1)
    assert not (tmp_path / "made").exists()
    before = set(made)
    made.clear()

    def counted(number: int) -> dict[str, np.ndarray]:
        with lock:
            made.append(number)
        return square(number)

    make_folder(tmp_path / "made", counted, num_pieces=4, settings={}, num_threads=1)
    assert sorted(made) == sorted({0, 1, 2, 3} - before)
    assert read_folder(tmp_path / "made", settings={}, remedy="")["y"].tolist() == [0, 1, 2, 3]


def test_pieces_of_other_settings_are_not_used(tmp_path: Path) -> None:
    def fails(number: int) -> dict[str, np.ndarray]:
        if number:
            raise KeyboardInterrupt
        return square(7)

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "made", fails, num_pieces=2, settings={"a": 1}, num_threads=1)
    make_folder(tmp_path / "made", square, num_pieces=2, settings={"a": 2}, num_threads=1)
    assert read_folder(tmp_path / "made", settings={"a": 2}, remedy="")["y"].tolist() == [0, 1]

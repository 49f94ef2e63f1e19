"""The recipe that is made for own data: sizes by its amount and its length, and a network that reads it."""

from dataclasses import replace
from pathlib import Path

import pytest

from longspike.data import OwnData, Reading, describe_data
from longspike.models import build
from longspike.recipes import Recipe
from longspike.recipes.own import own_recipe
from own_files import write_recordings, write_series, write_steps, write_wide


def described(**changes: object) -> OwnData:
    own = OwnData(
        path="own.csv",
        name="own",
        reading=Reading(kind="wide", normalise="channel"),
        class_names=("a", "b"),
        channel_names=("x",),
        num_train=100,
        num_val=10,
        num_test=20,
        shortest=50,
        longest=50,
    )
    return replace(own, **changes)


@pytest.mark.parametrize(
    ("changes", "width", "batch_size", "epochs"),
    [
        ({}, 32, 8, 120),
        ({"num_train": 20}, 32, 4, 300),
        ({"num_train": 1258, "longest": 64}, 64, 32, 39),
        ({"num_train": 60_000, "longest": 784}, 96, 64, 8),
        ({"num_train": 60_000, "longest": 20_000}, 96, 64, 3),
    ],
)
def test_sizes(changes: dict[str, object], width: int, batch_size: int, epochs: int) -> None:
    made = own_recipe(described(**changes))
    assert (made.model.d_model, made.training.batch_size, made.training.epochs) == (width, batch_size, epochs)
    assert made.training.selection == "loss"
    assert own_recipe(described(num_val=1000)).training.selection == "task"


def test_time_scales_follow_the_length() -> None:
    assert [own_recipe(described(longest=n)).model.dt_min for n in (20, 200, 5000)] == [1e-2, 1 / 200, 1e-3]
    assert [own_recipe(described(longest=n)).model.dt_max for n in (200, 5000)] == [0.5, 0.1]


def test_every_kind_of_data_gets_a_network_that_reads_it(tmp_path: Path) -> None:
    (tmp_path / "play.txt").write_text("To be, or not to be. " * 100)
    found = [
        describe_data(write_wide(tmp_path / "own.csv")),
        describe_data(write_steps(tmp_path / "ecg.csv"), task="step_labels"),
        describe_data(write_series(tmp_path / "weather.csv"), task="forecasting", reading=Reading(horizon=2)),
        describe_data(tmp_path / "play.txt", task="language"),
        describe_data(tmp_path / "play.txt", task="language", reading=Reading(unit="words")),
        describe_data(write_recordings(tmp_path / "moves")),
    ]
    for own in found:
        made = own_recipe(own)
        assert build(made.model).config.num_outputs == (own.num_tokens if own.task == "language" else own.num_classes)
        assert Recipe.from_dict(made.as_dict()) == made

"""train by a name, a file or a record, with options for the recipe's fields."""

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from longspike.cli.train import _example
from longspike.errors import InterruptedRunError
from longspike.recipes import Recipe, load, recipe, with_overrides

TINY = [f"--{key}={value}" for key, value in {"model.d-model": 4, "model.num-layers": 1, "model.d-state": 4}.items()]
TINY += ["--training.batch-size", "300", "--training.epochs", "1"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """What would have been trained; every run is interrupted at once."""
    seen: list[Recipe] = []

    def interrupted(recipe: Recipe, *, run_dir: Path, **kwargs: object) -> None:
        seen.append(recipe)
        raise InterruptedRunError(run_dir, 7)

    monkeypatch.setattr("longspike.recipes.run", interrupted)
    return seen


def test_every_field_is_an_option(cli: Run, trained: list[Recipe]) -> None:
    words = ["--model.d-model", "128", "--training.lr=0.005", "--model.neuron.rho", "0", "--training.clip-norm", "none"]
    code, _, err = cli("train", "digits", *words, "--set", "training.seed=3", "model.dropout=0")
    assert code == 130
    sets = ["training.seed=3", "model.dropout=0", "model.d_model=128", "model.neuron.rho=0"]
    sets += ["training.lr=0.005", "training.clip_norm=none"]
    assert trained == [with_overrides(recipe("digits"), sets)]
    assert f"longspike train digits --set {' '.join(sets)} --resume" in err
    cli("train", "event-digits", "--model.sensor-size", "20,30", "--model.memory.d_model", "64")
    assert trained[1] == with_overrides(recipe("event-digits"), ["model.sensor_size=20,30", "model.memory.d_model=64"])


def test_options_and_set_are_one_path(cli: Run, trained: list[Recipe]) -> None:
    words = ["--training.lr", "fast", "--training.epochs", "1.5", "--set", "model.d_state=x"]
    code, out, err = cli("train", "digits", *words)
    assert (code, out, trained) == (2, "", [])
    for text in (
        "model.d_state: expected a whole number",
        "training.lr: expected a number",
        "training.epochs: expected",
    ):
        assert text in err
    assert "was set before" in cli("train", "digits", "--training.lr", "1", "--set", "training.lr=2")[2]
    assert "`d_state` must be even" in cli("train", "digits", "--model.d-state", "3")[2]


def test_help_lists_the_fields_with_their_values(cli: Run) -> None:
    code, out, _ = cli("train", "digits", "--help")
    assert code == 0
    for text in (
        "--run-dir",
        "--training.epochs INT",
        "(default: 60)",
        "--training.clip-norm FLOAT|none",
        "peak learning",
    ):
        assert text in out
    assert "--model.sensor-size INT,INT" in cli("train", "event-digits", "--help")[1]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("--model.d-modle", "--model.d-model"), ("--lr", "--training.lr"), ("--resum", "--resume")],
)
def test_unknown_options_get_a_hint(cli: Run, wrong: str, near: str) -> None:
    code, _, err = cli("train", "digits", wrong, "3")
    assert code == 2
    assert f"Did you mean {near}?" in err
    assert near in err


def test_a_file_of_ones_own(cli: Run, trained: list[Recipe], tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    count = "from pathlib import Path\nwith Path(__file__).with_name('runs').open('a') as f: f.write('x')\n"
    file.write_text(
        "from dataclasses import replace\nfrom longspike.recipes import load\n"
        f"{count}def recipe(): return replace(load('digits'), name='mine')\n"
    )
    code, _, err = cli("train", str(file), "--training.epochs", "2")
    assert code == 130
    assert (trained[0].name, trained[0].training.epochs) == ("mine", 2)
    assert (tmp_path / "runs").read_text() == "x"
    assert f"longspike train {file} --set training.epochs=2 --resume" in err
    assert str(Path("runs") / "mine" / "last.ckpt") in err
    assert json.loads(cli("recipes", str(file), "--json")[1])["name"] == "mine"
    assert cli("train", f"{file}:nothing")[0] == 2


@pytest.mark.slow
def test_a_run_from_a_file_is_resumed_and_its_record_trains_again(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from longspike.recipes import load, with_overrides\n"
        "recipe = with_overrides(load('digits'), ['training.epochs=1', 'training.batch_size=300', 'model.d_model=4'])\n"
    )
    run_dir, again = str(tmp_path / "run"), str(tmp_path / "again")
    code, out, err = cli("train", str(file), *TINY, "--run-dir", run_dir, "--json")
    assert code == 0, err
    first = json.loads(out)
    assert (
        json.loads(cli("train", str(file), *TINY, "--run-dir", run_dir, "--resume", "--json")[1])["steps"]
        == first["steps"]
    )
    code, out, err = cli("train", f"{run_dir}/recipe.json", "--run-dir", again, "--json")
    assert code == 0, err
    assert json.loads(out)["test/loss"] == first["test/loss"]
    assert load(again) == load(run_dir) == load(first["model"])
    assert cli("train", run_dir, "--run-dir", run_dir, "--resume", "--training.lr", "1")[0] == 2


def test_what_is_not_streamed_is_not_recommended_to_be(cli: Run, tmp_path: Path) -> None:
    words = [*TINY, "--run-dir", str(tmp_path / "run"), "--overwrite"]
    assert "longspike stream" in cli("train", "digits", *words)[1]
    assert "longspike stream" not in cli("train", "digits", *words, "--model.block", "lstm")[1]


@pytest.mark.parametrize(
    ("name", "is_streamed"),
    [
        ("digits", True),
        ("digits-bernoulli", False),
        ("event-digits", True),
        ("cifar10-patches", False),
        ("novel-pairs", True),
        ("shakespeare", True),
        ("pathfinder", False),
    ],
)
def test_a_stream_is_named_as_the_next_step_where_there_is_one(name: str, is_streamed: bool) -> None:
    assert bool(_example(recipe(name))) == is_streamed

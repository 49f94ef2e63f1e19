"""Recipes from names, from files of one's own, and from records of runs."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from longspike.errors import ConfigError
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.recipes import load, recipe
from longspike.recipes.run_folder import write_record

HEAD = "from dataclasses import replace\nfrom longspike.recipes import Recipe, load\n"


def written(folder: Path, text: str) -> Path:
    (folder / "mine.py").write_text(HEAD + text)
    return folder / "mine.py"


def test_names_come_first() -> None:
    assert load("digits") == recipe("digits")
    with pytest.raises(ConfigError, match=r"no recipe 'digit'\. Did you mean 'digits'\?.*a file of your own"):
        load("digit")


@pytest.mark.parametrize(
    "text",
    [
        "def recipe(): return replace(load('digits'), name='mine')",
        "recipe = replace(load('digits'), name='mine')",
        "def wide() -> Recipe: return replace(load('digits'), name='mine')",
        "def wide() -> 'Recipe': return replace(load('digits'), name='mine')",
        "def recipe() -> Recipe: return replace(load('digits'), name='mine')\ndef other() -> Recipe: return load('smnist')",
        "_base = load('digits')\nwide = replace(_base, name='mine')",
    ],
)
def test_a_file_of_ones_own(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text)) == replace(recipe("digits"), name="mine")


def test_one_of_several(tmp_path: Path) -> None:
    file = written(tmp_path, "def a() -> Recipe: return load('digits')\ndef b() -> Recipe: return load('smnist')\n")
    assert load(f"{file}:b") == recipe("smnist")
    with pytest.raises(
        ConfigError, match=r"mine\.py defines several recipes\. Choose one: .*mine\.py:a, .*mine\.py:b\."
    ):
        load(file)
    with pytest.raises(ConfigError, match=r"mine\.py defines no 'c'\..* Its recipes are: a, b\."):
        load(f"{file}:c")


def test_files_without_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no recipe file .*nowhere\.py\. Give the path"):
        load(tmp_path / "nowhere.py")
    with pytest.raises(ConfigError, match=r"mine\.py defines no recipe\. Define a Recipe called `recipe`"):
        load(written(tmp_path, "from longspike.recipes import recipe\n"))
    with pytest.raises(ConfigError, match=r"mine\.py: 'recipe' must be a Recipe or a function that returns one; got 3"):
        load(written(tmp_path, "def recipe(): return 3"))
    with pytest.raises(ConfigError, match=r"mine\.py: 'size' must be a Recipe"):
        load(f"{written(tmp_path, 'size = 3')}:size")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef recipe(:\n", r"mine\.py, line 4: SyntaxError: "),
        ("x = 1\nrecipe = undefined\n", r"mine\.py, line 4: NameError: name 'undefined' is not defined"),
        ("def recipe():\n    return 1 / 0\n", r"mine\.py, line 4: ZeroDivisionError: division by zero"),
        ("def recipe():\n\n    return load('digit')\n", r"mine\.py, line 5: there is no recipe 'digit'\. Did you mean"),
        ("def recipe(size): return load('digits')\n", r"mine\.py.*: TypeError: .*missing 1 required positional"),
        ("import not_installed_anywhere\n", r"mine\.py, line 3: ModuleNotFoundError: No module named"),
    ],
)
def test_mistakes_in_the_file_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, text))


def test_the_file_imports_its_neighbours_as_a_script_does(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("SEED = 7\n")
    text = "from neighbour_of_mine import SEED\nbase = load('digits')\n"
    text += "def recipe(): return replace(base, training=replace(base.training, seed=SEED))\n"
    before = list(sys.path)
    try:
        assert load(written(tmp_path, text)).training.seed == 7
    finally:
        sys.modules.pop("neighbour_of_mine", None)
    assert sys.path == before
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "neighbour_of_mine.py", "__pycache__"}


def test_the_record_of_a_run(tmp_path: Path) -> None:
    changed = replace(recipe("event-digits"), name="mine")
    write_record(tmp_path / "run", {"recipe": changed.as_dict(), "versions": {}})
    assert load(tmp_path / "run" / "recipe.json") == load(tmp_path / "run") == changed
    (tmp_path / "bare.json").write_text(json.dumps(changed.as_dict()))
    assert load(tmp_path / "bare.json") == changed


def test_the_record_in_a_model(tmp_path: Path) -> None:
    model = SpikeSSM(SpikeSSMConfig(d_model=4, num_layers=1, d_state=4))
    model.save(tmp_path / "model", metadata={"recipe": recipe("digits").as_dict()})
    assert load(tmp_path / "model") == recipe("digits")
    model.save(tmp_path / "other")
    with pytest.raises(ConfigError, match=r"other.config\.json: the recipe is not valid: .*the key 'name' is missing"):
        load(tmp_path / "other")


def test_records_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no recipe file .*config\.json\. `longspike train` leaves"):
        load(tmp_path / "config.json")
    with pytest.raises(ConfigError, match=r"is no recipe. If it is data to train on, .*`longspike train classify"):
        load(tmp_path)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(ConfigError, match=r"recipe\.json is damaged, so no recipe can be read from it"):
        load(tmp_path)
    (tmp_path / "recipe.json").write_text("[1]")
    with pytest.raises(
        ConfigError, match=r"recipe\.json: a recipe must be an object with the keys of `Recipe`; got \[1\]"
    ):
        load(tmp_path)


def test_every_mistake_in_a_record_is_named_at_once(tmp_path: Path) -> None:
    tree = recipe("event-digits").as_dict()
    tree["model"]["memory"]["d_modle"] = tree["model"]["memory"].pop("d_model")
    tree["model"]["sensor_size"] = [34]
    tree["training"] |= {"epochs": 1.5, "lr": "fast", "clip_norm": True}
    del tree["data"]
    (tmp_path / "recipe.json").write_text(json.dumps(tree))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    for text in (
        "there is no key 'model.memory.d_modle'. Did you mean 'd_model'?",
        "model.sensor_size: expected 2 values; got [34].",
        "training.epochs: expected a whole number; got 1.5.",
        "training.lr: expected a number; got 'fast'.",
        "training.clip_norm: expected a number or none; got True.",
        "the key 'data' is missing.",
    ):
        assert text in str(caught.value)
    tree = recipe("digits").as_dict()
    tree["model"]["d_state"], tree["training"]["epochs"], tree["augmentation"] = 3, 0, "some"
    (tmp_path / "recipe.json").write_text(json.dumps(tree))
    with pytest.raises(
        ConfigError, match=r"augmentation: expected an object or none.*`d_state` must be even.*`epochs` must"
    ):
        load(tmp_path)


def test_a_name_is_no_path() -> None:
    with pytest.raises(ConfigError, match=r"`name` must be the name of a folder, not a path; got '\.\./x'"):
        replace(recipe("digits"), name="../x")

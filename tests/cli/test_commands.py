"""recipes, data, info and train, and how errors come out."""

import json
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import Run
from longspike.cli.arguments import spread_overrides
from longspike.cli.process import keep_freed_memory
from longspike.cli.train import resume_command
from longspike.recipes import recipes
from longspike.training import InterruptedRunError
from published_samples import small_listops, small_pathfinder

TINY = ["model.d_model=4", "model.num_layers=1", "model.d_state=4", "training.batch_size=300", "training.epochs=2"]


def test_recipes_lists_them_all(cli: Run) -> None:
    code, out, _ = cli("recipes")
    assert code == 0
    assert tuple(line.split()[0] for line in out.splitlines()) == recipes()
    assert [entry["name"] for entry in json.loads(cli("recipes", "--json")[1])] == list(recipes())


def test_recipes_shows_one(cli: Run) -> None:
    _, out, _ = cli("recipes", "digits")
    assert "model.neuron.rho" in out
    assert json.loads(cli("recipes", "digits", "--json")[1])["data"] == "digits"
    code, out, err = cli("recipes", "digit")
    assert (code, out) == (2, "")
    assert err.startswith("error: there is no recipe 'digit'. Did you mean 'digits'?")


def test_data(cli: Run, tmp_path: Path) -> None:
    root = ("--data-root", str(tmp_path))
    assert json.loads(cli("data", "list", "--json")[1])[0]["name"] == "digits"
    assert cli("data", "list")[1].splitlines()[1].split()[:3] == ["smnist", "784", "steps"]
    code, out, _ = cli("data", "status", *root)
    assert code == 0
    assert out.splitlines()[0].split() == ["digits", "ready"]
    assert "run: longspike data download smnist" in out
    assert cli("data", "status", "smnist", *root)[0] == 1
    code, _, err = cli("data", "path", "smnist", *root)
    assert code == 1
    assert "Run: longspike data download smnist" in err
    assert "comes with the package sklearn" in cli("data", "path", "digits")[2]
    assert cli("data", "download", "digits")[0] == 0
    assert cli("data", "download") == (
        2,
        "",
        "error: `longspike data download` needs the name of a data set, e.g. smnist.\n",
    )
    assert "smnist is not made by longspike; listops" in cli("data", "generate", "smnist")[2]
    assert (
        "listops is not downloaded, it is made: run: longspike data generate listops"
        in cli("data", "download", "listops")[2]
    )
    assert "run: longspike data generate listops" in cli("data", "status", "listops", *root)[1]
    assert cli("data", "path", "mnist")[2].startswith("error: there is no data set 'mnist'. The data sets are: digits")


def test_data_of_events(cli: Run, tmp_path: Path) -> None:
    root = ("--data-root", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(cli("data", "list", "--json")[1])}
    assert (rows["nmnist"]["sensor_size"], rows["nmnist"]["seqlen"], rows["nmnist"]["num_classes"]) == (
        [34, 34],
        None,
        10,
    )
    assert (rows["smnist"]["sensor_size"], rows["smnist"]["seqlen"]) == (None, 784)
    lines = {line.split()[0]: line.split()[1:3] for line in cli("data", "list")[1].splitlines()}
    assert lines["shd"] == ["700x1", "events"]
    out = cli("data", "status", *root)[1]
    assert "get it from https://www.garrickorchard.com/datasets/n-mnist and put it in place as NMNIST/" in out
    assert "BACKGROUND_Google, Faces_easy" in out
    assert "and 93 more; get it from" in out
    assert "Get it from https://zenkelab.org" in cli("data", "path", "shd", *root)[2]
    code, _, err = cli("data", "download", "dvs-gesture", *root)
    assert code != 0
    assert "dvs-gesture is not downloaded by longspike" in err
    for part in ("Train", "Test"):
        for label in range(10):
            (tmp_path / "NMNIST" / part / str(label)).mkdir(parents=True)
    assert cli("data", "path", "nmnist", *root) == (0, f"{tmp_path / 'NMNIST'}\n", "")


def test_data_path_is_the_folder_of_the_files(cli: Run, tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{part}-ubyte").touch()
    assert cli("data", "path", "psmnist", "--data-root", str(tmp_path)) == (0, f"{folder}\n", "")


def test_info(cli: Run) -> None:
    found = json.loads(cli("info", "--json")[1])
    assert set(found["extras"]) == {"train", "data", "events", "viz", "gpu"}
    assert found["extension"]["is_loaded"] or found["extension"]["reason"]
    assert cli("info")[1].startswith("longspike")


def test_info_says_how_to_install_what_is_missing(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longspike.cli.info.find_spec", lambda module: None if module == "lightning" else module)
    assert 'extra train   missing; run: pip install "longspike[train]"' in cli("info")[1]


@pytest.mark.slow
def test_train_stream_and_resume(cli: Run, tmp_path: Path) -> None:
    run_dir = str(tmp_path / "run")
    code, out, err = cli("train", "digits", "--set", *TINY, "--run-dir", run_dir, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert 0 <= result["test/accuracy"] <= 1
    assert result["steps"] == 10
    assert "epoch   2/2" in err
    code, out, err = cli("train", "digits", "--set", *TINY, "--run-dir", run_dir)
    assert (code, out) == (2, "")
    assert "--resume" in err
    assert "--overwrite" in err
    code, out, _ = cli("train", "digits", "--set", *TINY, "--run-dir", run_dir, "--resume")
    assert code == 0
    assert out.startswith("test accuracy")
    assert cli("stream", result["model"], "digits:0", "--check")[0] == 0


def test_errors_are_one_line_and_debug_shows_more(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cli("train", "digits", "--set", "training.lr=fast")
    assert (code, out, err) == (2, "", "error: --set training.lr: expected a number; got 'fast'.\n")
    monkeypatch.setenv("LONGSPIKE_DEBUG", "1")
    assert "Traceback" in cli("train", "digits", "--set", "training.lr=fast")[2]


def test_both_ways_to_set_several(cli: Run) -> None:
    assert spread_overrides(["--set", "a=1", "b=2", "digits"]) == ["--set", "a=1", "--set", "b=2", "digits"]
    for words in (
        ["--set", "training.lr=x", "training.seed=y"],
        ["--set", "training.lr=x", "--set", "training.seed=y"],
    ):
        assert "training.lr" in cli("train", "digits", *words)[2]
    code, _, err = cli("train", "--set", "training.seed=1", "--set", "training.lr=x", "digits")
    assert (code, "training.lr" in err) == (2, True)


def test_the_command_to_resume_can_be_pasted() -> None:
    command = resume_command(["digits"], ("training.lr=0.1", "model.d_model=8"), Path("my runs/a"), None)
    assert command == "longspike train digits --set training.lr=0.1 model.d_model=8 --run-dir 'my runs/a' --resume"


def test_memory_setting_is_silent_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert keep_freed_memory() is False
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("musl", "1.2"))
    assert keep_freed_memory() is False


def test_an_interrupted_run_prints_the_command_to_resume(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise InterruptedRunError(tmp_path, 7)

    monkeypatch.setattr("longspike.recipes.run", interrupted)
    code, out, err = cli("train", "digits", "--set", "training.seed=2", "--run-dir", str(tmp_path / "run"))
    assert (code, out) == (130, "")
    assert "stopped after step 7" in err
    assert f"longspike train digits --set training.seed=2 --run-dir {tmp_path / 'run'} --resume" in err


def test_a_data_set_is_made(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_listops(monkeypatch)
    root = ("--data-root", str(tmp_path))
    assert json.loads(cli("data", "generate", "listops", *root, "--json")[1]) == {
        "name": "listops",
        "folder": str(tmp_path / "listops"),
    }
    assert cli("data", "generate", "listops", *root)[:2] == (0, f"{tmp_path / 'listops'}\n")
    assert cli("data", "path", "listops", *root)[:2] == (0, f"{tmp_path / 'listops'}\n")
    code, _, err = cli("data", "generate", "listops", "--samples", "50", *root)
    assert code != 0
    assert "listops is made in its published size" in err


def test_so_many_pictures_are_made(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pathfinder(monkeypatch)
    words = ("data", "generate", "pathfinder-easy", "--data-root", str(tmp_path))
    assert cli(*words, "--samples", "32")[0] == 0
    assert np.load(tmp_path / "pathfinder-easy" / "images.npy", mmap_mode="r").shape == (32, 1024)
    code, _, err = cli(*words)
    assert code == 2
    assert "holds 32 pictures, not 20. Use these, or remove the folder and make others" in err
    assert "--samples is of `longspike data generate`" in cli("data", "list", "--samples", "32")[2]

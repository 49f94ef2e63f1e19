"""Own data from the command line: trained on, evaluated, predicted and streamed; and what is said wrongly."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import longspike
from cli.conftest import Run
from longspike.errors import InterruptedRunError
from longspike.models import InputSpec
from longspike.recipes import Recipe, load
from own_files import write_long, write_recordings, write_series, write_sounds, write_steps, write_ts, write_wide

TINY = [
    "--model.d-model=4",
    "--model.num-layers=1",
    "--model.d-state=4",
    "--training.epochs=2",
    "--training.batch-size=8",
]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """What would have been trained; every run is interrupted at once."""
    recipes: list[Recipe] = []

    def interrupted(recipe: Recipe, *, run_dir: Path, **_: object) -> None:
        recipes.append(recipe)
        raise InterruptedRunError(run_dir, 7)

    monkeypatch.setattr("longspike.recipes.run", interrupted)
    return recipes


def test_what_was_found_is_shown_and_can_be_said(cli: Run, seen: list[Recipe], tmp_path: Path) -> None:
    path = write_long(tmp_path / "gestures.csv")
    said = ["--label", "gesture", "--group=who", "--training.lr", "0.02"]
    code, out, err = cli("train", "classify", str(path), *said, "--run-dir", str(tmp_path / "run"))
    assert (code, out) == (130, "")
    for text in (
        "a table, a row a step",
        "column 'gesture'",
        "column 'trial'",
        "held out by groups (who)",
        "3: g0, g1, g2",
        "3 to 6 a sample, 50 a second",
        "2: acc_x, acc_y",
        "each channel by itself",
        "--normalise",
    ):
        assert text in err
    assert (seen[0].name, seen[0].training.lr, seen[0].model.num_outputs) == ("gestures", 0.02, 3)
    folder = tmp_path / "run"
    assert f"longspike train {folder} --set training.lr=0.02 --run-dir {folder} --resume" in err
    assert Recipe.from_dict(json.loads(json.dumps(seen[0].as_dict()))) == seen[0]


def test_help_lists_how_data_is_read_and_the_fields_of_the_recipe(cli: Run, tmp_path: Path) -> None:
    code, out, _ = cli("train", "classify", "--help")
    assert code == 0
    assert "--label" in out
    assert "--model.d-model" not in out
    code, out, _ = cli("train", "classify", str(write_wide(tmp_path / "own.csv")), "--help")
    assert code == 0
    assert "--normalise" in out
    assert "--model.d-model" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["classify"], "Write `longspike train classify DATA`"),
        (["FILE"], "is no recipe. If it is data to train on, .* `longspike train classify"),
        (["classify", "gone.csv"], "gone.csv does not exist"),
        (["classify", "FILE", "--label", "lable"], "--label lable: .* Did you mean 'label'"),
        (["classify", "FILE", "--test-share", "much"], "--test_share: expected a number; got 'much'"),
        (["classify", "FILE", "--lable", "x"], "there is no option --lable. Did you mean --label"),
        (["classify", "FILE", "--kind", "tall"], "`kind` must be one of"),
        (["classify", "FILE", "--set", "data.name=x"], "there is no key 'data.name'"),
        (["events", "FILE"], "must be|cannot be listed"),
    ],
)
def test_wrong_words(cli: Run, seen: list[Recipe], tmp_path: Path, words: list[str], message: str) -> None:
    import re

    path = write_wide(tmp_path / "own.csv")
    code, out, err = cli("train", *(str(path) if word == "FILE" else word for word in words))
    assert code in (1, 2)
    assert (out, seen) == ("", [])
    assert re.search(message, err.replace("\n", " "))
    assert not (Path("runs") / "own").exists()


@pytest.mark.slow
def test_from_a_table_to_answers(cli: Run, tmp_path: Path) -> None:
    path, run = write_long(tmp_path / "gestures.csv", samples=48), tmp_path / "run"
    words = ["train", "classify", str(path), "--label", "gesture", *TINY, "--run-dir", str(run)]
    code, out, err = cli(*words, "--json")
    assert code == 0, err
    trained, model = json.loads(out), str(run / "model")
    assert load(run) == load(model)
    assert cli("train", str(run), "--run-dir", str(run), "--resume", "--json")[0] == 0
    assert str(path) in cli("recipes", str(run))[1]
    assert json.loads(cli("recipes", str(run), "--json")[1])["data"]["reading"]["label"] == "gesture"
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    assert json.loads(cli(*words[:2], str(moved), *words[3:], "--resume", "--json")[1])["steps"] == trained["steps"]
    other = tmp_path / "other.csv"
    other.write_bytes(moved.read_bytes())
    code, out, err = cli("evaluate", model, str(other), "--json", "--output", str(tmp_path / "e.json"))
    assert code == 0, err
    assert (json.loads(out)["split"], json.loads(out)["num_samples"]) == ("all", 48)
    code, out, err = cli("evaluate", model, str(moved), "--json", "--output", str(tmp_path / "e.json"))
    assert (json.loads(out)["split"], json.loads(out)["accuracy"]) == ("test", trained["test/accuracy"])
    assert json.loads(cli("evaluate", model, "--json", "--output", str(tmp_path / "e.json"))[1])["num_samples"] == 10
    code, out, _ = cli("predict", model, str(other), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, len(answers), answers[5]["sample"], answers[5]["label"]) == (0, 48, "sample 't5'", "g2")
    alone = tmp_path / "alone.csv"
    alone.write_text("time_s,acc_x,acc_y\n" + "".join(f"{t / 50},{2 + t / 10:.2f},{t}\n" for t in range(4)))
    (answer,) = (json.loads(line) for line in cli("predict", model, str(alone), "--json")[1].splitlines())
    assert (answer["sample"], answer["label"], answer["decision"]) == (None, None, answers[5]["decision"])
    for source in (f"{other}:5", str(alone)):
        code, out, err = cli("stream", model, source, "--json", "--check")
        assert code == 0, err
        streamed = json.loads(out)
        assert (streamed["steps"], streamed["decision"], streamed["equals_whole_sequence"]) == (
            4,
            answer["decision"],
            True,
        )
    assert "holds 48 samples. Choose one" in cli("stream", model, str(other))[2]
    assert f"{other}:48 does not exist" in cli("stream", model, f"{other}:48")[2]


@pytest.mark.slow
def test_from_sounds_and_ts_files_to_answers(cli: Run, tmp_path: Path) -> None:
    sounds = write_sounds(tmp_path / "tones", samples=24)
    code, _, err = cli("train", "classify", str(sounds), *TINY, "--run-dir", str(tmp_path / "a"))
    assert code == 0, err
    model, clip = str(tmp_path / "a" / "model"), str(sounds / "low" / "mic0-00.wav")
    code, out, err = cli("predict", model, clip)
    assert code == 0, err
    assert out.startswith(f"{clip}: ")
    assert cli("stream", model, clip)[0] == 0
    code, out, err = cli(
        "evaluate", model, str(sounds), "--split", "val", "--json", "--output", str(tmp_path / "e.json")
    )
    assert json.loads(out)["num_samples"] == 2
    pair = write_ts(tmp_path / "Pair")
    assert cli("train", "classify", str(pair.parent), *TINY, "--run-dir", str(tmp_path / "b"))[0] == 0
    out = cli(
        "evaluate", str(tmp_path / "b"), str(pair.with_name("Pair_TEST.ts")), "--json", "--output", str(tmp_path / "e")
    )[1]
    assert json.loads(out)["num_samples"] == 12
    assert cli("stream", str(tmp_path / "b" / "model"), f"{pair.parent}:3")[0] == 0
    other = write_ts(tmp_path / "Other", samples=6)
    out = cli("evaluate", str(tmp_path / "b"), str(other.parent), "--json", "--output", str(tmp_path / "e"))[1]
    assert (json.loads(out)["split"], json.loads(out)["num_samples"]) == ("test", 6)


def test_numbers_for_a_model_of_a_data_set(cli: Run, model_path: Path, tmp_path: Path) -> None:
    network = longspike.load(model_path)
    network.input_spec = InputSpec(scale=0.5, shift=0.0)
    network.save(model_path)
    np.save(tmp_path / "many.npy", np.zeros((3, 5)))
    code, out, err = cli("predict", str(model_path), str(tmp_path / "many.npy"), "--json")
    assert (code, len(out.splitlines())) == (0, 3), err
    assert "was not trained on own data" in cli("evaluate", str(model_path), str(tmp_path / "many.npy"))[2]
    assert "Give one of them" in cli("evaluate", str(model_path), "digits", "--data", "digits")[2]


@pytest.mark.slow
def test_labels_of_steps_and_forecasts(cli: Run, tmp_path: Path) -> None:
    steps, series = write_steps(tmp_path / "ecg.csv"), write_series(tmp_path / "weather.csv")
    code, out, err = cli("train", "label", str(steps), *TINY, "--run-dir", str(tmp_path / "a"), "--json")
    assert code == 0, err
    assert "2: high, low" in err
    assert "test/whole_accuracy" in json.loads(out)
    model = str(tmp_path / "a" / "model")
    first = json.loads(cli("predict", model, str(steps), "--json")[1].splitlines()[0])
    assert (first["sample"], len(first["decisions"])) == ("sample 'r0'", 30)
    assert cli("predict", model, str(steps))[1].count(" x ") >= 12
    out = cli("evaluate", model, str(steps), "--json", "--output", str(tmp_path / "e"))[1]
    assert json.loads(out)["num_samples"] == 2
    assert cli("stream", model, f"{steps}:1", "--every", "10")[0] == 0
    words = ["train", "forecast", str(series), "--horizon", "2", *TINY, "--run-dir", str(tmp_path / "b"), "--json"]
    code, out, err = cli(*words)
    assert code == 0, err
    assert "4: temp +1, wind +1, temp +2, wind +2" in err
    told = json.loads(out)["test/columns"]
    assert [each["name"] for each in told] == ["temp", "wind"]
    model = str(tmp_path / "b" / "model")
    (answer,) = (json.loads(line) for line in cli("predict", model, str(series), "--json")[1].splitlines())
    assert list(answer["values"]) == ["temp +1", "wind +1", "temp +2", "wind +2"]
    code, out, err = cli("stream", model, str(series), "--json")
    assert code == 0, err
    assert json.loads(out)["values"] == pytest.approx(answer["values"], abs=1e-4)
    other = tmp_path / "later.csv"
    other.write_bytes(series.read_bytes())
    out = cli("evaluate", model, str(other), "--json", "--output", str(tmp_path / "e"))[1]
    assert (json.loads(out)["split"], json.loads(out)["num_samples"]) == ("all", 20)
    _, wind = json.loads(out)["columns"]
    steps_of_wind = [abs((t + ahead) % 5 - t % 5) for t in range(5) for ahead in (1, 2)]  # the last value repeated
    assert wind["naive_mae"] == pytest.approx(sum(steps_of_wind) / 10, rel=0.05)  # pieces end anywhere
    code, out, _ = cli("evaluate", model, str(other), "--report", str(tmp_path / "r.html"))
    assert re.search(r"^temp +MAE [\d.]+, RMSE [\d.]+ +in its own unit; the last value: MAE", out, re.MULTILINE)
    assert "Errors in the unit of the data" in (tmp_path / "r.html").read_text()


@pytest.mark.needs_extension
@pytest.mark.slow
def test_recordings_of_events(cli: Run, tmp_path: Path) -> None:
    folder, other = write_recordings(tmp_path / "moves"), write_recordings(tmp_path / "other", samples=6)
    words = ["--training.epochs", "1", "--model.channels", "16", "--run-dir", str(tmp_path / "a"), "--json"]
    code, out, err = cli("train", "events", str(folder), *words)
    assert code == 0, err
    assert "16 x 8 pixels" in err
    model = str(tmp_path / "a" / "model")
    out = cli("evaluate", model, str(other), "--json", "--output", str(tmp_path / "e"))[1]
    assert (json.loads(out)["split"], json.loads(out)["num_samples"]) == ("all", 6)
    out = cli("evaluate", model, str(folder), "--json", "--output", str(tmp_path / "e"))[1]
    assert (json.loads(out)["split"], json.loads(out)["num_samples"]) == ("test", 2)
    code, out, err = cli("predict", model, str(other / "left" / "1.npz"), "--json")
    assert code == 0, err
    assert json.loads(out)["decision"] in ("left", "right")
    assert cli("stream", model, str(other / "left" / "1.npz"))[0] == 0


@pytest.mark.slow
def test_a_text(cli: Run, tmp_path: Path) -> None:
    text = tmp_path / "play.txt"
    text.write_text("To be, or not to be: that is the question. " * 50)
    tiny = ["--model.d-model=8", "--model.num-layers=1", "--model.d-state=4", "--training.epochs=1"]
    code, out, err = cli("train", "lm", str(text), *tiny, "--run-dir", str(tmp_path / "a"))
    assert code == 0, err
    assert "1,505 to train, 215 to validate, 430 to test" in err
    assert f"longspike stream {tmp_path / 'a' / 'model'} {text}\n" in out
    other = tmp_path / "other.txt"
    other.write_text("That is the question. " * 50)
    model = str(tmp_path / "a" / "model")
    out = cli("evaluate", model, str(other), "--json", "--output", str(tmp_path / "e"))[1]
    assert (json.loads(out)["split"], json.loads(out)["task"]) == ("all", "language")
    assert cli("stream", model, str(other), "--every", "100")[0] == 0


@pytest.mark.slow
def test_numbers(cli: Run, tmp_path: Path) -> None:
    rows = [f"s{k},{t},{k % 7 + t},{k % 7 * 10 + 5}" for k in range(40) for t in range(2 + k % 2)]
    path = tmp_path / "weights.csv"
    path.write_text("id,t,x,weight\n" + "\n".join(rows) + "\n")
    words = ["train", "regress", str(path), "--label", "weight", *TINY, "--run-dir", str(tmp_path / "a"), "--json"]
    code, out, err = cli(*words)
    assert code == 0, err
    assert "weight: mean 3" in err
    trained, model = json.loads(out), str(tmp_path / "a" / "model")
    assert 1 < trained["test/rmse"] < 100
    page = str(tmp_path / "page.html")
    out = cli("evaluate", model, "--json", "--output", str(tmp_path / "e"), "--report", page)[1]
    assert json.loads(out)["rmse"] == pytest.approx(trained["test/rmse"])
    assert "Of each output, in its own unit" in Path(page).read_text()
    code, out, err = cli("predict", model, str(path), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, len(answers), answers[3]["label"], list(answers[3]["values"])) == (0, 40, "35", ["weight"])
    assert cli("predict", model, str(path))[1].splitlines()[3].endswith("; it is 35")
    alone = tmp_path / "alone.csv"
    alone.write_text("t,x\n0,3\n1,4\n2,5\n")
    streamed = json.loads(cli("stream", model, str(alone), "--json", "--check")[1])
    assert streamed["values"] == pytest.approx(answers[3]["values"], abs=1e-3)
    assert streamed["equals_whole_sequence"]

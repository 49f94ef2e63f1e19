"""`longspike evaluate` on a small model and a data set made of noise."""

import errno
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from longspike.cli import evaluate as command
from longspike.data import DataBundle, Split
from longspike.errors import ConfigError, FileWriteError, MissingExtraError
from longspike.evaluation import evaluate_saved
from longspike.models import SpikeSSM


def noise(num_samples: int) -> Split:
    lengths = torch.arange(num_samples) % 7 + 1
    return Split(values=torch.randn(num_samples, 7, 2), lengths=lengths, labels=torch.arange(num_samples) % 3)


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> DataBundle:
    """What the command gets when it loads "noise"; the root that it asked for is checked."""
    made = DataBundle(
        name="noise",
        train=noise(12),
        val=noise(6),
        test=noise(9),
        num_classes=3,
        d_input=2,
        class_names=("<b>", "two", "three"),
        source="Random numbers.",
    )

    monkeypatch.setattr("longspike.data.available", lambda: ("noise", "digits"))

    def load(name: str, *, root: Path | None = None) -> DataBundle:
        assert name == "noise"
        assert root in (None, Path("somewhere"))
        return made

    monkeypatch.setattr("longspike.evaluation.saved.load_data", load)
    return made


@pytest.fixture
def saved(model: SpikeSSM, tmp_path: Path) -> Path:
    """The model in a run folder."""
    model.save(tmp_path / "run" / "model", metadata={"data": "noise"})
    return tmp_path / "run" / "model"


def test_the_files_are_written_where_nobody_reads_the_table(
    saved: Path, bundle: DataBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output")

    monkeypatch.setattr(command, "print_facts", unread)
    with pytest.raises(BrokenPipeError):
        command.evaluate(saved)
    assert {path.name for path in saved.parent.iterdir()} >= {"evaluation.json", "report.html"}


@pytest.mark.slow
def test_the_table_and_the_files(saved: Path, bundle: DataBundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.evaluate(saved) == 0
    out, err = capsys.readouterr()
    for words in (
        "noise, test split",
        "accuracy",
        "9 samples",
        "firing rate, block 2",
        "energy, mixing only",
        "energy, full",
    ):
        assert words in out
    assert "dense" in out
    assert "Traceback" not in err
    content = json.loads((saved.parent / "evaluation.json").read_text())
    assert (content["data"], content["split"], content["num_samples"], content["limit"]) == ("noise", "test", 9, None)
    assert "&lt;b&gt;" in (saved.parent / "report.html").read_text()


@pytest.mark.slow
def test_json_alone_on_stdout(saved: Path, bundle: DataBundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.evaluate(saved, json=True, split="val", limit=4, batch_size=3, data_root=Path("somewhere")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((saved.parent / "evaluation.json").read_text())
    assert (printed["num_samples"], printed["split"], printed["limit"]) == (4, "val", 4)


def test_files_where_told(saved: Path, bundle: DataBundle, tmp_path: Path) -> None:
    report, output = tmp_path / "pages" / "p.html", tmp_path / "numbers" / "n.json"
    assert command.evaluate(saved, report=report, output=output, limit=99) == 0
    assert report.is_file()
    assert json.loads(output.read_text())["num_samples"] == 9
    assert not (saved.parent / "evaluation.json").exists()
    assert not (saved.parent / "report.html").exists()


@pytest.mark.slow
def test_a_model_that_does_not_know_its_data(model: SpikeSSM, bundle: DataBundle, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"does not say which data it was trained on\. Name the data set with --data"):
        command.evaluate(tmp_path / "model")
    assert command.evaluate(tmp_path / "model", data="noise") == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"d_input": 3},
            r"does not fit the data set 'noise': it reads 3 features a step \(d_input\); the data has 2 features a step",
        ),
        ({"encoder": "embedding"}, r"it reads 2 kinds of tokens \(d_input\); the data has 2 features a step"),
        ({"num_outputs": 4}, r"it has 4 outputs \(num_outputs\); the data has 3 classes\. Choose another with --data"),
    ],
)
def test_models_that_do_not_fit_the_data(
    model: SpikeSSM, bundle: DataBundle, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    SpikeSSM(replace(model.config, **changes)).save(tmp_path / "model", metadata={"data": "noise"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        command.evaluate(tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, r"--limit must be 1 or more; got 0"),
        ({"batch_size": 0}, r"--batch-size must be 1 or more; got 0"),
        ({"data": "digit"}, r"there is no data set 'digit'\. Did you mean 'digits'\?"),
        (
            {"output": Path("x.HTML")},
            r"--output is the JSON file, and x\.HTML is named as a page\. The page is --report",
        ),
        ({"report": Path("x.json")}, r"--report is the HTML page, .* The JSON file is --output"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(saved: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        command.evaluate(saved, **options)


def test_a_split_that_does_not_exist(saved: Path) -> None:
    with pytest.raises(ValueError, match="`split` must be one of 'train', 'val', 'test'; got 'dev'"):
        evaluate_saved(saved, split="dev")


def test_a_place_is_tried_before_the_work(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for options in ({"output": tmp_path / "file" / "x"}, {"report": tmp_path}):
        with pytest.raises(FileWriteError, match=r"cannot write .*: (Not a directory|Is a directory|File exists)"):
            command.evaluate(saved, **options)


def test_only_the_files_that_were_asked_for(saved: Path, bundle: DataBundle, tmp_path: Path) -> None:
    assert command.evaluate(saved, output=tmp_path / "x") == 0
    assert {path.name for path in saved.parent.iterdir()} == {"model"}
    assert json.loads((tmp_path / "x").read_text())["num_samples"] == 9


def test_a_run_folder_that_cannot_be_written_costs_no_result(
    saved: Path, bundle: DataBundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is there first; a file's rights mean nothing to root, so the system is asked to refuse."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert command.evaluate(saved) == 0
    out, err = capsys.readouterr()
    assert "accuracy" in out
    assert "wrote" not in out
    for name in ("evaluation.json", "report.html"):
        assert re.search(rf"not kept: cannot write .*{name}: Read-only file system\..* --output and --report\.", err)
    assert {path.name for path in saved.parent.iterdir()} == {"model"}


def test_without_the_packages_of_the_page(
    saved: Path, bundle: DataBundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object, **__: object) -> Path:
        raise MissingExtraError("The report needs the package 'jinja2', which is not installed.")

    monkeypatch.setattr("longspike.evaluation.saved.write_report", write)
    assert command.evaluate(saved) == 0
    assert "no report: The report needs the package 'jinja2'" in capsys.readouterr().err
    with pytest.raises(MissingExtraError, match="The report needs"):
        command.evaluate(saved, report=saved.parent / "page.html")


@pytest.mark.slow
def test_the_module_loads_without_pytorch() -> None:
    script = "import longspike.cli.evaluate, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

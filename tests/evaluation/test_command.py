"""`longspike evaluate` on a small model and a data set made of noise."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from longspike.cli import evaluate as command
from longspike.data import DataBundle, Split
from longspike.errors import ConfigError, MissingExtraError
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


def test_splits_and_limits_that_do_not_exist(saved: Path, bundle: DataBundle) -> None:
    with pytest.raises(ValueError, match="`split` must be one of 'train', 'val', 'test'; got 'dev'"):
        command.evaluate(saved, split="dev")
    with pytest.raises(ValueError, match="`limit` must be an integer of at least 1; got 0"):
        command.evaluate(saved, limit=0)


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

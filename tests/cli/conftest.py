"""The command line called in-process, and a small saved model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from longspike.cli import main as main_module
from longspike.cli.main import main
from longspike.models import SpikeSSM, SpikeSSMConfig

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `longspike WORDS`; returns exit code, stdout, stderr. The process keeps its settings."""
    monkeypatch.setattr(main_module, "prepare_process", lambda: None)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("LONGSPIKE_DEBUG", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        threads = torch.get_num_threads()
        try:
            code = main(list(words))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        finally:
            torch.set_num_threads(threads)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    """A saved network for digits, not trained."""
    model = SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=2, d_state=4))
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    model.save(tmp_path / "model", metadata={"class_names": names, "data": "digits"})
    return tmp_path / "model"

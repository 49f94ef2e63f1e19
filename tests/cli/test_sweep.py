"""sweep: its table, its file, and what it is told wrongly."""

import json
import sys
from pathlib import Path

import pytest

import longspike.recipes  # noqa: F401
from cli.conftest import Run
from longspike.errors import InterruptedRunError

TINY = ["--set", "model.d_model=4", "model.num_layers=1", "model.d_state=4", "training.epochs=1"]
TINY += ["training.epoch_steps=2", "training.batch_size=40"]
NEURONS = "model.neuron.kind=refractory,gelu+training.rate_target=none"


@pytest.mark.slow
def test_the_table_and_the_file(cli: Run, tmp_path: Path) -> None:
    words = ["sweep", "digits", "--grid", NEURONS, "--seeds", "0:2", *TINY, "--run-dir", str(tmp_path)]
    code, out, _ = cli(*words)
    header, spiking, gelu = out.splitlines()
    assert code == 0
    assert header.split()[:3] == ["variant", "parameters", "steps"]
    assert (spiking.split()[0], gelu.split()[0]) == ("kind=refractory", "kind=gelu")
    assert "+-" in spiking
    assert gelu.split()[-2] == "-"  # no firing rate
    summary = json.loads((tmp_path / "sweep.json").read_text())
    assert summary["command"] == f"longspike sweep digits --grid {NEURONS} --seeds 0:2 --set {' '.join(TINY[1:])}"
    assert [len(row["results"]) for row in summary["rows"]] == [2, 2]
    assert json.loads(cli(*words, "--json")[1]) == summary


def test_what_is_told_wrongly_is_named(cli: Run) -> None:
    for words, text in {
        ("--seeds", "a"): "--seeds must be FROM:TO or numbers with commas between them, such as 0:3; got 'a'",
        ("--seeds", "0:0"): "--seeds 0:0 holds no seed: it is FROM up to TO - 1. Make TO larger, such as 0:3.",
        ("--seeds", "5:3"): "--seeds 5:3 holds no seed",
        ("--seeds", "0:20000"): "20,000 seeds of 1 variant(s) are more than 10,000 runs. Give fewer.",
        ("--seeds", "0:900000000000000000"): "are more than 10,000 runs",
        ("--seeds", "0:5001", "--grid", "training.lr=0.1,0.2"): "5,001 seeds of 2 variant(s) are more than 10,000 runs",
        ("--seconds", "0"): "--seconds must be above 0; got 0",
        ("--grid", "model.d_modle=3"): "there is no key 'model.d_modle'. Did you mean 'model.d_model'?",
        ("--grid", "model.d_model"): "expected key=value,value",
    }.items():
        code, out, err = cli("sweep", "digits", *words)
        assert (code, out) == (2, "")
        assert text in err


def test_a_stopped_sweep_says_how_to_go_on(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        raise InterruptedRunError(tmp_path, 7)

    monkeypatch.setattr(sys.modules["longspike.recipes.sweep"], "run", stopped)
    code, _, err = cli("sweep", "digits", *TINY, "--run-dir", str(tmp_path))
    assert code == 130
    assert "Give the same command again to go on." in err
    assert not (tmp_path / "sweep.json").exists()

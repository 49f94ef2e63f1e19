"""`longspike study` from words to files, quick sizes."""

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Run, cli  # noqa: F401
from longspike._studies.record import StudyRecord
from longspike._studies.transitions import TransitionSettings, study_transitions

pytest.importorskip("matplotlib", reason="plots need longspike[viz]")

KEYS = ["study", "command", "seed", "settings", "versions", "machine", "cpu_seconds", "results"]
RESULTS = {
    "transitions": {"norm_a", "exact_limit", "points", "limits"},
    "retention": {"chance", "points", "num_parameters", "final_losses"},
    "rank": {"d_model", "spans", "accuracies", "costs"},
}


def reject(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def run_study(cli: Run, name: str, folder: Path) -> None:  # noqa: F811
    code, out, err = cli("study", name, "--quick", "--seed", "3", "--output", str(folder))
    assert code == 0, err
    document = json.loads((folder / f"{name}.json").read_text(), parse_constant=reject)
    assert list(document) == KEYS
    assert document["command"] == f"longspike study {name} --quick --seed 3"
    assert document["seed"] == 3
    assert set(document["results"]) == RESULTS[name]
    assert {"longspike", "torch", "numpy", "python"} <= set(document["versions"])
    assert document["cpu_seconds"] > 0
    svg = (folder / f"{name}.svg").read_text()
    assert svg.startswith("<?xml")
    assert svg.count("<path") > 20
    assert len(svg) < 200_000
    assert len(out.splitlines()) > 3
    assert re.search(rf"wrote .*{name}.json and .*{name}.svg", err)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transitions", "retention"])
def test_a_quick_study(name: str, cli: Run, tmp_path: Path) -> None:  # noqa: F811
    run_study(cli, name, tmp_path / "new" / "folder")


@pytest.mark.slow
def test_a_quick_study_of_ranks(cli: Run, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip("sklearn", reason="event-digits needs longspike[data]")
    run_study(cli, "rank", tmp_path)


def test_an_unknown_study_is_wrong_usage(cli: Run) -> None:  # noqa: F811
    assert cli("study", "weather")[0] == 2


def test_a_record_rounds_and_repeats() -> None:
    settings = TransitionSettings(d_state=2, ranks=(1,), low=1.0, high=10.0, points_per_decade=1, num_spikes=3)
    record = StudyRecord(name="transitions", command="c", result=study_transitions(settings, seed=1), cpu_seconds=1.26)
    document = record.as_dict()
    assert document["cpu_seconds"] == 1.3
    assert document["settings"]["ranks"] == (1,)
    assert document["results"]["norm_a"] == float(f"{study_transitions(settings).norm_a:.6g}")

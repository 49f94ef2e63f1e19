"""An exported program, with and without the state, saved here and loaded in a process that only imports."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import longspike
from longspike.models import SpikeSSM, SpikeSSMConfig, exporting

LOAD = """
import torch, longspike
x, right = torch.load("right.pt")
for name in ("plain", "stateful"):
    module = torch.export.load(name + ".pt2").module()
    state = [] if name == "plain" else [longspike.load("model").init_state(1)]
    torch.testing.assert_close(module(x, *state)[0], right)
print("equal")
"""


def test_every_state_of_the_networks_has_a_name_for_saved_programs() -> None:
    rooms = (longspike.models, longspike.nn, longspike.functional)
    public = {name for room in rooms for name in dir(room) if name.endswith("State")}
    assert public <= {state.__name__ for state in exporting.STATES}


@pytest.mark.slow
def test_a_new_process_loads_after_the_imports_alone(tmp_path: Path) -> None:
    model, x = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=6, num_layers=1, d_state=4)).eval(), torch.randn(1, 70, 2)
    with torch.no_grad():
        for name, inputs in (("plain", (x,)), ("stateful", (x, model.init_state(1)))):
            torch.export.save(torch.export.export(model, inputs), tmp_path / f"{name}.pt2")
        torch.save((x, model(x)[0]), tmp_path / "right.pt")
    model.save(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "equal\n", done.stderr

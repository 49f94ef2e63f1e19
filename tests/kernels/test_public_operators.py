"""Operators made of public parts of PyTorch are the same operators; and the newest PyTorch that was tried is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from longspike.kernels import _operators
from longspike.kernels.refractory_lif.operator import refractory_lif_op
from operator_results import results
from operators import lif_case

ROOT = Path(__file__).parents[2]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.needs_extension
@pytest.mark.slow
def test_the_same_results_gradients_shapes_and_checks(tmp_path: Path) -> None:
    file = tmp_path / "found.pt"
    done = run(str(ROOT / "tests" / "operator_results.py"), str(file), LONGSPIKE_PUBLIC_OPERATORS="1")
    assert done.returncode == 0, done.stderr
    is_private, found = torch.load(file)
    assert not is_private
    expected = results()
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        assert len(found[name]) == len(tensors), name
        assert all(torch.equal(a, b) for a, b in zip(found[name], tensors, strict=True)), name


@pytest.mark.needs_extension
@pytest.mark.slow
def test_without_a_private_part_the_public_ones_are_taken() -> None:
    """The part is taken away before the package is imported; going backward twice is refused in the same words."""
    code = (
        "import torch\n"
        "del torch._C.DispatchKeySet.from_raw_repr\n"
        "from longspike.kernels import _operators\n"
        "from longspike.kernels.mixing import glu\n"
        "from longspike.kernels.mixing.operator import glu_backward_op\n"
        "x = torch.randn(1, 4, requires_grad=True)\n"
        "glu(x).sum().backward(); print(_operators.uses_private_parts(), x.grad.shape)\n"
        "y = glu_backward_op(x, torch.ones(1, 2))\n"
        "try: y.sum().backward()\n"
        "except RuntimeError as error: print(error)\n"
    )
    done = run("-c", code)
    first, second = done.stdout.strip().split("\n")
    assert first == "False torch.Size([1, 4])", done.stderr
    assert re.search(r"glu_backward\S* has no gradient of its own", second)


def test_private_parts_are_there_and_in_use() -> None:
    if os.environ.get("LONGSPIKE_PUBLIC_OPERATORS", "0") not in ("", "0"):
        pytest.skip("the environment asks for public operators")
    assert _operators.uses_private_parts(), (
        "this PyTorch lacks a part of PRIVATE_PARTS; operators run at half the speed"
    )
    leaves = lif_case(2, 5, 3).leaves()
    spikes = refractory_lif_op(*leaves, "subtract", "atan", 1.3, "full", "auto")[0]
    assert type(spikes.grad_fn).__name__ == "longspike_refractory_lif_Backward"


def test_the_newest_torch_that_was_tried_is_the_one_that_ci_installs() -> None:
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "requirements" / "cpu.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == _operators.NEWEST_TORCH

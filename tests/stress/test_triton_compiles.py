"""The Triton kernels compile for a GPU, which none has to be there for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="triton is not installed")
TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "launches"), [("sa_hippo", 6), ("dendrite", 6), ("refractory_lif", 4), ("s4d", 4)]
)
def test_every_launch_compiles(operator: str, launches: int, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, str(TESTS / "triton_compiler.py"), operator]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == f"{launches} compiled", done.stderr[-2000:]

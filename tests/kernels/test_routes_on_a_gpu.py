"""Which kernels a call on a GPU takes, and why; no GPU is asked."""

import pytest
import torch

from longspike import explain
from longspike.errors import BackendUnavailableError
from longspike.kernels import _triton
from longspike.kernels._dispatch import choose

MISSING = "triton is not installed (pip install longspike[gpu])"
CUDA = torch.device("cuda")
DENDRITES = ("dendritic_conv", "dendritic_lif", "segment_max")


pytest.importorskip("triton", reason="triton is not installed")


@pytest.fixture
def no_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton.importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("longest", "gaps", "items", "route"),
    [
        (1, 1, 1, ("recurrent", "triton")),
        (511, 1, 2, ("recurrent", "triton")),
        (512, 1, 2, ("fft", "torch")),
        (512, 9, 64, ("chunked", "triton")),
        (512, 9, 65, ("recurrent", "triton")),
        (511, 9, 1, ("recurrent", "triton")),
    ],
)
def test_memory(longest: int, gaps: int, items: int, route: tuple[str, str]) -> None:
    choice = choose("sa_hippo", "auto", CUDA, torch.float32, batch=items, seqlen=longest, gaps=gaps)
    assert (choice.method, choice.backend) == route


@pytest.mark.parametrize("method", ["recurrent", "chunked"])
def test_memory_by_name(method: str) -> None:
    choice = explain("sa_hippo", (2, 70, 6), method=method, device="cuda")
    assert str(choice) == f"sa_hippo: {method} (triton), because it was asked for by name"


def test_memory_without_triton(no_triton: None) -> None:
    assert explain("sa_hippo", (2, 70, 6), device="cuda").reason == f"{MISSING}, and all gaps are equal"
    assert explain("sa_hippo", (2, 70, 6), method="chunked", device="cuda").backend == "torch"
    with pytest.raises(
        BackendUnavailableError, match="sa_hippo: method='recurrent' cannot run, because triton is not installed"
    ):
        explain("sa_hippo", (2, 70, 6), method="recurrent", device="cuda")


@pytest.mark.parametrize("name", DENDRITES)
def test_dendrites(name: str) -> None:
    choice = explain(name, (70, 2), device="cuda")
    assert (choice.method, choice.backend) == ("compiled", "triton")
    assert explain(name, (70, 2), method="compiled", device="cuda").reason == "it was asked for by name"
    assert explain(name, (70, 2), method="reference", device="cuda").backend == "torch"
    half = explain(name, (70, 2), device="cuda", dtype=torch.bfloat16)
    assert (half.method, half.backend) == ("reference", "torch")
    assert "float32 and float64, not torch.bfloat16" in half.reason


@pytest.mark.parametrize("name", DENDRITES)
def test_dendrites_without_triton(no_triton: None, name: str) -> None:
    assert explain(name, (70, 2), device="cuda").reason == MISSING
    with pytest.raises(
        BackendUnavailableError, match=f"{name}: method='compiled' cannot run, because triton is not installed"
    ):
        explain(name, (70, 2), method="compiled", device="cuda")

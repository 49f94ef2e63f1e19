"""The table of routes: it knows every operator, explain() reads it, and nothing else in the room chooses."""

import ast
import inspect
from pathlib import Path

import pytest
import torch

import longspike.kernels
from longspike import explain
from longspike.errors import BackendUnavailableError
from longspike.kernels import _triton, dendrite, layer_norm, mixing, native, s4d_lif, s4d_scan, sa_hippo, spikes, tick
from longspike.kernels import spiking_block as block
from longspike.kernels._dispatch import Choice, choose
from longspike.kernels._routes import ROUTES, Call

ROOM = Path(longspike.kernels.__file__).parent
MAY_ASK = ("_dispatch.py", "_routes.py", "native.py", "_triton.py")
ROOMS = (dendrite, layer_norm, mixing, s4d_lif, s4d_scan, sa_hippo, spikes, block, tick)


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("device", ["cpu", "cuda", "meta"])
def test_explain_knows_every_operator_and_gives_a_reason(name: str, device: str) -> None:
    can_run = {explain(name, (2, 7, 3), device=device).backend, "torch"}
    for route in ROUTES[name]:
        if route.backend in can_run:
            choice = explain(name, (2, 7, 3), method=route.method, device=device)
            assert (choice.operator, choice.method, choice.reason) == (name, route.method, "it was asked for by name")
        elif not any(other.backend in can_run for other in ROUTES[name] if other.method == route.method):
            with pytest.raises(BackendUnavailableError, match=f"{name}: method='{route.method}' cannot run, because "):
                explain(name, (2, 7, 3), method=route.method, device=device)
    choice = explain(name, (2, 7, 3), device=device)
    assert (choice.operator, choice.method) in {(name, route.method) for route in ROUTES[name]}
    assert choice.reason
    assert explain(name, (2, 7, 3), device="meta").backend == "torch"


def test_every_entry_with_a_method_is_in_the_table() -> None:
    found = {
        name
        for room in ROOMS
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if function is not choose and "method" in inspect.signature(function).parameters
    }
    assert len(found) == 14
    assert found - set(ROUTES) == set()


def test_routes_that_hold_for_every_operator() -> None:
    """The plain form runs everywhere, so something always does."""
    for routes in ROUTES.values():
        assert any(route.method == "reference" and route.backend == "torch" for route in routes)
    half = Call(torch.device("cuda"), torch.float16, 1, 9, 3)
    assert {choose(name, "auto", **half._asdict()).backend for name in ROUTES} == {"torch"}


def _names(tree: ast.AST) -> set[str]:
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_the_table_is_the_only_place_that_chooses() -> None:
    """Nobody else asks where a tensor lies or which kernels are there: the table does, or PyTorch's dispatcher."""
    asking = {"is_cuda", "supports", "why_not", "is_available", "find_spec", "unavailable_reason"}
    found = {
        str(path.relative_to(ROOM)): sorted(asking & _names(ast.parse(path.read_text())))
        for path in ROOM.rglob("*.py")
        if path.name not in MAY_ASK
    }
    assert {name: asked for name, asked in found.items() if asked} == {}


def test_an_unknown_method() -> None:
    with pytest.raises(ValueError, match="glu: `method` must be one of 'auto', 'compiled', 'reference'; got 'quick'"):
        mixing.glu(torch.zeros(1, 2, 4), method="quick")
    with pytest.raises(ValueError, match=r"explain: `operator` must be one of 'refractory_lif', .*; got 'lif'"):
        explain("lif", (2, 7, 3))


@pytest.mark.parametrize(
    ("method", "call", "message"),
    [
        ("fft", {"gaps": 3}, "method='fft' needs one gap for all ticks; got 3 different ones"),
        (
            "chunked",
            {"transition": "expm"},
            "transition='expm' is dense and runs by method='reference'; got method='chun",
        ),
        ("fft", {"transition": "expm", "gaps": 3}, "transition='expm' is dense and runs .*; got method='fft'"),
    ],
)
def test_methods_that_refuse_a_memory(method: str, call: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"sa_hippo: {message}"):
        choose("sa_hippo", method, torch.device("cpu"), torch.float32, **call)


@pytest.mark.parametrize(
    ("transition", "seqlen", "gaps", "dtype", "route"),
    [
        ("expm", 9, 3, torch.float32, ("reference", "transition='expm' is a dense matrix")),
        ("bilinear", 2, 3, torch.float16, ("reference", "and 2 tick(s) need no parallel form")),
        ("bilinear", 9, 1, torch.float16, ("fft", "and all gaps are equal")),
        ("bilinear", 9, 3, torch.float16, ("chunked", "and the gaps differ")),
    ],
)
def test_the_memory_in_pytorch(
    transition: str, seqlen: int, gaps: int, dtype: torch.dtype, route: tuple[str, str]
) -> None:
    call = Call(torch.device("cpu"), dtype, 2, seqlen, gaps=gaps, transition=transition)
    choice = choose("sa_hippo", "auto", **call._asdict())
    assert (choice.method, choice.backend) == (route[0], "torch")
    assert choice.reason.endswith(route[1])


def test_lengths_are_read_only_by_a_route_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(torch.device("cpu"), torch.float16, 2, gaps=3, offsets=torch.tensor([0, 2, 9]))
    assert call.longest == 7
    assert choose("sa_hippo", "auto", **call._asdict()).method == "chunked"
    assert Call(call.device, call.dtype, offsets=torch.tensor([0])).longest == 0
    if native.is_available():
        monkeypatch.setattr(Call, "longest", property(lambda _: pytest.fail("it waits for the device")))
        assert choose("sa_hippo", "auto", **call._replace(dtype=torch.float32)._asdict()).method == "recurrent"


def test_an_operator_without_triton_says_where_it_runs() -> None:
    assert _triton.why_not(torch.device("cpu"), torch.float32).startswith("the Triton kernels run on CUDA devices")
    choice = choose("linear", "auto", torch.device("cuda"), torch.float32)
    expected = "the compiled kernels run on the CPU and the tensors are on cuda"
    assert choice == Choice("linear", "reference", "torch", expected if native.is_available() else choice.reason)

"""Which calls go to Triton, what tracing is told about them, and what is said where they cannot run."""

import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from longspike import explain
from longspike.errors import BackendUnavailableError
from longspike.kernels import _triton, native
from longspike.kernels._dispatch import choose
from longspike.kernels._routes import Call
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.kernels.s4d_lif import s4d_lif
from longspike.kernels.s4d_lif.operator import s4d_lif_op
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.s4d_scan.operator import s4d_scan_backward_op, s4d_scan_op
from operators import lif_case, s4d_case

CUDA = torch.device("cuda")
needs_triton = pytest.mark.skipif(
    _triton.why_not(CUDA, torch.float32) != "", reason=_triton.why_not(CUDA, torch.float32) or "triton is here"
)
DYNAMICS = ("subtract", "atan", 2.0, "full")


@needs_triton
@pytest.mark.parametrize(
    ("shape", "method"),
    [
        ((64, 1024, 256), "sequential"),
        ((8, 16384, 256), "speculative"),
        ((1, 262144, 128), "speculative"),
        ((1, 1, 8), "sequential"),
    ],
)
def test_the_neuron_on_cuda(shape: tuple[int, int, int], method: str) -> None:
    choice = explain("refractory_lif", shape, device="cuda")
    assert (choice.method, choice.backend) == (method, "triton")
    assert str(shape[2]) in choice.reason
    for by_name in ("sequential", "speculative"):
        assert explain("refractory_lif", shape, device="cuda", method=by_name).backend == "triton"
    for by_name in ("pmbc", "reference"):
        assert explain("refractory_lif", shape, device="cuda", method=by_name).backend == "torch"


@needs_triton
def test_scan_and_both_on_cuda() -> None:
    assert str(explain("s4d_scan", (2, 7, 3), device="cuda")).startswith("s4d_scan: scan (triton), because")
    assert explain("s4d_scan", (2, 7, 3), device="cuda", method="fft").backend == "torch"
    assert explain("s4d_lif", (2, 7, 3), device="cuda").method == "fused"
    assert explain("s4d_lif", (2, 7, 3), device="cuda", method="reference").backend == "torch"


def test_without_triton_torch_runs_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton.importlib.util, "find_spec", lambda _: None)
    for operator in ("refractory_lif", "s4d_scan", "s4d_lif"):
        choice = explain(operator, (2, 7, 3), device="cuda")
        assert choice.backend == "torch"
        assert "triton is not installed" in choice.reason
    call = Call(CUDA, torch.float32, 2, 7, 3, reset="zero")
    with pytest.raises(
        BackendUnavailableError, match=r"refractory_lif: method='speculative' cannot run, because triton"
    ):
        choose("refractory_lif", "speculative", **call._asdict())
    with pytest.raises(
        BackendUnavailableError, match=r"s4d_scan: method='scan' cannot run, because triton is not inst"
    ):
        choose("s4d_scan", "scan", **call._asdict())


def test_kernels_are_refused_where_they_cannot_run() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    with pytest.raises(
        BackendUnavailableError, match=r"s4d_lif: method='fused' cannot run, because the Triton kernels"
    ):
        choose("s4d_lif", "fused", torch.device("cpu"), torch.float32)
    assert "float32 and float64" in choose("s4d_scan", "auto", CUDA, torch.float16, seqlen=7).reason


def test_on_a_cpu_scan_and_neuron_run_in_turn() -> None:
    scan, neuron = s4d_case(2, 37, 5, 3), lif_case(2, 37, 5)
    named = dict(zip(("reset", "surrogate", "scale", "gradient"), DYNAMICS, strict=True))
    spikes, ssm_end, end = s4d_lif(scan.u, scan[1:4], scan.state, neuron.parameters, neuron.state, **named)
    current, expected_ssm = s4d_scan(*scan)
    expected, *expected_end, _, _ = refractory_lif_op(current, *neuron.parameters, *neuron.state, *DYNAMICS, "auto")
    for a, b in zip((spikes, ssm_end, *end), (expected, expected_ssm, *expected_end), strict=True):
        assert torch.equal(a, b)


@needs_triton
def test_tracing_knows_shapes_and_places_on_cuda() -> None:
    with FakeTensorMode():
        scan = [torch.empty(x.shape, device="cuda") for x in s4d_case(2, 37, 5, 3)]
        neuron = [
            torch.empty(x.shape, device="cuda") for x in (*lif_case(2, 37, 5).parameters, *lif_case(2, 37, 5).state)
        ]
        spikes, v, _, _, saved, certificate = refractory_lif_op(scan[0], *neuron, *DYNAMICS, "auto")
        assert (spikes.shape, v.shape, saved.shape) == ((2, 37, 5), (2, 5), (2, 3, 3, 5))
        assert certificate.device.type == "cuda"
        *_, saved, certificate = refractory_lif_op(scan[0], *neuron, *DYNAMICS, "pmbc")
        assert saved.shape[1] == 0
        assert certificate.device.type == "cpu"
        y, end, saved = s4d_scan_op(*scan, True)
        assert (y.shape, end.shape, saved.shape) == ((2, 37, 5), (2, 3, 2, 5), (2, 1, 3, 2, 5))
        grads = s4d_scan_backward_op(scan[0], y, end, *scan[1:4], saved)
        assert [x.shape for x in grads] == [x.shape for x in scan]
        spikes, ssm_end, *_, saved = s4d_lif_op(*scan, *neuron, *DYNAMICS, True)
        assert (spikes.shape, ssm_end.shape, saved.shape) == ((2, 37, 5), (2, 3, 2, 5), (2, 3, 3, 5))
        assert spikes.device.type == "cuda"


def test_importing_the_package_does_not_import_triton() -> None:
    code = (
        "import sys, longspike.nn, longspike.functional; print('triton' in sys.modules, 'TRITON' in str(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split()[0] == "False"


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
def test_a_cpu_still_goes_to_the_compiled_kernels() -> None:
    assert explain("refractory_lif", (2, 7, 3)).backend == "cpp"
    assert explain("s4d_scan", (2, 7, 3)).backend == "cpp"

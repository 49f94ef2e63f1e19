"""Neuron and state space through the public functions on a CUDA device, against the CPU."""

import pytest
import torch

from longspike import explain
from longspike.functional import LIFState, refractory_lif
from longspike.kernels.s4d_lif import s4d_lif
from longspike.kernels.s4d_scan import s4d_scan
from longspike.models import SpikeSSM
from longspike.nn import S4D
from operators import RESETS, lif_case, relative_error, s4d_case
from tolerances import LIF_GRADIENT_F32, S4D_SCAN

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
DYNAMICS = {"reset": "subtract", "surrogate": "atan", "scale": 2.0, "gradient": "full"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["sequential", "speculative", "auto"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("seqlen", [0, 1, 65, 3001])
def test_spikes_are_the_loops(seqlen: int, reset: str, method: str, dtype: torch.dtype) -> None:
    case = lif_case(2, seqlen, 37, dtype=dtype)
    expected, end = refractory_lif(case.current, **case.named(), reset=reset, state=LIFState(*case.state))
    moved = {name: x.cuda() for name, x in case.named().items()}
    state = LIFState(*(x.cuda() for x in case.state))
    spikes, found = refractory_lif(case.current.cuda(), **moved, reset=reset, state=state, method=method)
    assert torch.equal(spikes.cpu(), expected)
    for a, b in zip(found, end, strict=True):
        assert torch.equal(a.cpu(), b)


@pytest.mark.parametrize("seqlen", [1, 65, 3001])
def test_gradients_of_the_neuron(seqlen: int) -> None:
    case, grads = lif_case(2, seqlen, 37), []
    for device in ("cpu", "cuda"):
        leaves = [x.detach().to(device).requires_grad_() for x in (case.current, *case.parameters)]
        spikes, end = refractory_lif(leaves[0], **dict(zip(case.named(), leaves[1:], strict=True)), surrogate="atan")
        (spikes.sum() + end.v.sum()).backward()
        grads.append([x.grad.cpu() for x in leaves])
    for a, b in zip(*grads, strict=True):
        assert relative_error(b, a) < LIF_GRADIENT_F32


@pytest.mark.parametrize("seqlen", [1, 65, 1000])
def test_scan(seqlen: int) -> None:
    case, found = s4d_case(2, seqlen, 37, 9), []
    for device in ("cpu", "cuda"):
        leaves = [x.detach().to(device).requires_grad_() for x in case]
        y, end = s4d_scan(*leaves)
        (y.square().sum() + end.sum()).backward()
        found.append([x.detach().cpu() for x in (y, end, *(x.grad for x in leaves))])
    for a, b in zip(*found, strict=True):
        assert relative_error(b, a) < S4D_SCAN["float32"]


def test_scan_and_neuron_in_one_pass_are_the_two_in_turn() -> None:
    scan, neuron, found = s4d_case(2, 500, 37, 9), lif_case(2, 500, 37), []
    for method in ("fused", "reference"):
        leaves = [x.detach().cuda().requires_grad_() for x in (*scan, *neuron.parameters, *neuron.state)]
        u, lam, c, d, ssm_state, *rest = leaves
        spikes, ssm_end, end = s4d_lif(
            u, (lam, c, d), ssm_state, tuple(rest[:4]), tuple(rest[4:]), method=method, **DYNAMICS
        )
        (spikes.sum() + ssm_end.sum() + end[0].sum()).backward()
        found.append([spikes, ssm_end, *end, *(x.grad for x in leaves)])
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


def test_whole_is_chunks_is_steps() -> None:
    layer, x = S4D(37, d_state=32).cuda(), torch.randn(2, 90, 37, device="cuda")
    with torch.inference_mode():
        currents, spikes = [], []
        for pieces in ((90,), (31, 1, 58), (1,) * 90):
            ssm, neuron, parts = None, None, []
            for part in x.split(pieces, dim=1):
                current, ssm = layer(part, ssm)
                fired, neuron = refractory_lif(current, beta=0.8, rho=0.3, state=neuron)
                parts.append((current, fired))
            currents.append(torch.cat([current for current, _ in parts], 1))
            spikes.append(torch.cat([fired for _, fired in parts], 1))
    for found in (currents, spikes):
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])


def test_a_training_step_of_a_network() -> None:
    model = SpikeSSM.from_preset("digits").cuda()
    x = torch.randn(4, 64, 1, device="cuda")
    torch.nn.functional.cross_entropy(model(x)[0], torch.arange(4, device="cuda")).backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    assert explain("s4d_scan", x).backend == "triton"


def test_a_long_sequence_needs_no_second_compilation() -> None:
    from longspike.kernels.refractory_lif.triton_forward import lif_forward_kernel

    def run(seqlen: int) -> int:
        refractory_lif(torch.randn(2, seqlen, 32, device="cuda"), beta=0.5, method="sequential")
        return sum(len(kernels[0]) for kernels in lif_forward_kernel.device_caches.values())

    first = run(100)
    assert [run(seqlen) for seqlen in (1, 16, 101, 4096)] == [first] * 4

"""The same spikes and gradients as snnTorch, SpikingJelly and Norse, under the map that makes their neurons ours.

A spike that differs counts only where the peer's own membrane lies further from its threshold than rounding reaches,
and a lane is compared up to its first such borderline spike, because everything after it may differ.
Install the peers with: pip install --no-deps -r requirements/peers.txt
"""

import importlib
import warnings
from types import ModuleType

import pytest
import torch
from torch import Tensor

from longspike.functional import LIFState, refractory_lif
from longspike.nn import Surrogate
from operators import relative_error, weighted_sum
from tolerances import PEER_F64, PEER_GRADIENT_F32, PEER_MARGIN

DTYPES = (torch.float32, torch.float64)
ATAN = Surrogate("atan", 2.0)


def peer(name: str) -> ModuleType:
    """The peer's module, or a skip that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} is not here ({error}); pip install --no-deps -r requirements/peers.txt")


def drive(dtype: torch.dtype, seqlen: int = 300) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return (0.3 + torch.randn(3, seqlen, 7, generator=generator, dtype=torch.float64)).to(dtype)


def assert_same_spikes(ours: Tensor, theirs: Tensor, margin: Tensor) -> None:
    """`margin`: the peer's membrane before the reset, less its threshold."""
    name = str(ours.dtype).removeprefix("torch.")
    borderline = (margin.abs() <= PEER_MARGIN[name]).cumsum(1) > 0
    assert float(borderline.double().mean()) < 0.2
    assert 0.02 < float(theirs.double().mean()) < 0.98
    assert int(((ours != theirs) & ~borderline).sum()) == 0


def ours(x: Tensor, beta: float, reset: str, threshold: float, **options) -> tuple[Tensor, LIFState]:
    return refractory_lif(x, beta=beta, threshold=threshold, reset=reset, rho=0.0, gamma=0.0, **options)


# snnTorch: Leaky(reset_delay=False) is v > threshold, reset at once; it returns the membrane after the reset. By
# subtraction the two agree only while a reset ends below the threshold: it takes the threshold off a second time from a
# membrane that is still above it. The drive is therefore kept under (2 - beta)*threshold.


def snntorch_run(x: Tensor, beta: float, threshold: float, reset: str) -> tuple[Tensor, Tensor]:
    snn, surrogates = peer("snntorch"), peer("snntorch.surrogate")
    cell = snn.Leaky(
        beta=beta,
        threshold=threshold,
        reset_mechanism=reset,
        reset_delay=False,
        spike_grad=surrogates.atan(alpha=2.0),
    ).to(x.dtype)
    mem, spikes, membranes = torch.zeros_like(x[:, 0]), [], []
    for x_t in x.unbind(1):
        spike, mem = cell(x_t, mem)
        spikes.append(spike)
        membranes.append(mem)
    return torch.stack(spikes, 1), torch.stack(membranes, 1)


def membrane_before_reset(x: Tensor, after: Tensor, beta: float) -> Tensor:
    return beta * torch.cat([torch.zeros_like(after[:, :1]), after[:, :-1]], 1) + x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize(("beta", "threshold"), [(0.3, 0.7), (0.9, 1.3)])
def test_snntorch_leaky(beta: float, threshold: float, reset: str, dtype: torch.dtype) -> None:
    x = drive(dtype).clamp(max=(2 - beta) * threshold - 0.01)
    theirs, after = snntorch_run(x, beta, threshold, reset)
    spikes, _ = ours(x, beta, reset, threshold)
    assert_same_spikes(spikes, theirs, membrane_before_reset(x, after, beta) - threshold)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_snntorch_gradient(reset: str) -> None:
    """Without delay its reset is not detached: the full gradient."""
    x = drive(torch.float32, 60).clamp(max=1.2 * 0.9 - 0.01)
    grads = []
    for run in (
        lambda x: snntorch_run(x, 0.8, 0.9, reset)[0],
        lambda x: ours(x, 0.8, reset, 0.9, surrogate=ATAN, gradient="full")[0],
    ):
        leaf = x.clone().requires_grad_()
        grads.append(torch.autograd.grad(weighted_sum([run(leaf)]), leaf)[0])
    assert relative_error(grads[1], grads[0]) <= PEER_GRADIENT_F32


# SpikingJelly: LIFNode is v >= threshold (the drive is continuous: equality has probability zero), beta = 1 - 1/tau.


def spikingjelly_run(
    x: Tensor, tau: float, threshold: float, reset: str, decay_input: bool, detach: bool = False
) -> tuple[Tensor, Tensor]:
    neuron, surrogates = peer("spikingjelly.activation_based.neuron"), peer("spikingjelly.activation_based.surrogate")
    cell = neuron.LIFNode(
        tau=tau,
        decay_input=decay_input,
        v_threshold=threshold,
        v_reset=None if reset == "subtract" else 0.0,
        surrogate_function=surrogates.ATan(alpha=2.0),
        detach_reset=detach,
        step_mode="s",
    ).to(x.dtype)
    spikes, membranes = [], []
    for x_t in x.unbind(1):
        spikes.append(cell(x_t))
        membranes.append(cell.v)
    return torch.stack(spikes, 1), torch.stack(membranes, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("decay_input", [False, True])
@pytest.mark.parametrize(("tau", "threshold"), [(2.0, 0.7), (5.0, 0.4)])
def test_spikingjelly_lif(tau: float, threshold: float, decay_input: bool, reset: str, dtype: torch.dtype) -> None:
    x, beta, gain = drive(dtype), 1 - 1 / tau, 1 / tau if decay_input else 1.0
    theirs, after = spikingjelly_run(x, tau, threshold, reset, decay_input)
    spikes, _ = ours(gain * x, beta, reset, threshold)
    assert_same_spikes(spikes, theirs, membrane_before_reset(gain * x, after, beta) - threshold)


@pytest.mark.parametrize(("detach", "gradient"), [(False, "full"), (True, "detach_reset")])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_spikingjelly_gradient(reset: str, detach: bool, gradient: str) -> None:
    x = drive(torch.float64, 60)
    grads = []
    for run in (
        lambda x: spikingjelly_run(x, 4.0, 0.6, reset, False, detach)[0],
        lambda x: ours(x, 0.75, reset, 0.6, surrogate=ATAN, gradient=gradient)[0],
    ):
        leaf = x.clone().requires_grad_()
        grads.append(torch.autograd.grad(weighted_sum([run(leaf)]), leaf)[0])
    assert relative_error(grads[1], grads[0]) <= PEER_F64


# Norse: lif_box is v > threshold, hard reset, beta = 1 - dt/tau, and the current enters with dt/tau.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tau_inv", [120.0, 600.0])
def test_norse_lif_box(tau_inv: float, dtype: torch.dtype) -> None:
    box = peer("norse.torch.functional.lif_box")
    x, step_s, threshold = 3 * drive(dtype), 0.001, 0.6
    gain = step_s * tau_inv
    values = {"tau_mem_inv": tau_inv, "v_leak": 0.0, "v_th": threshold, "v_reset": 0.0}
    parameters = box.LIFBoxParameters(**{name: torch.as_tensor(value, dtype=dtype) for name, value in values.items()})
    state, theirs, after = box.LIFBoxFeedForwardState(v=torch.zeros_like(x[:, 0])), [], []
    for x_t in x.unbind(1):
        spike, state = box.lif_box_feed_forward_step(x_t, state, parameters, step_s)
        theirs.append(spike)
        after.append(state.v)
    spikes, _ = ours(gain * x, 1 - gain, "zero", threshold)
    margin = membrane_before_reset(gain * x, torch.stack(after, 1), 1 - gain) - threshold
    assert_same_spikes(spikes, torch.stack(theirs, 1).to(dtype), margin)

"""The neuron of other libraries and of plain PyTorch, all computing u = beta*v + x, s = [u > 1], v = u - s.

A factory returns a function current -> spikes in that library's own layout, (seqlen, batch, channels) where it has one.
The surrogate is an arctangent everywhere. Peers are imported only when they are benchmarked.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from longspike.functional import refractory_lif

BETA = 0.9
Neuron = Callable[[Tensor], Tensor]


class _AtanSpike(torch.autograd.Function):
    """1 where z > 0; slope 1/(1 + (pi z)^2) backward."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (z,) = ctx.saved_tensors
        return grad / (1 + (torch.pi * z) ** 2)


def longspike_neuron() -> Neuron:
    """Ours; (batch, seqlen, channels)."""
    return lambda x: refractory_lif(x, beta=BETA, rho=0.0, surrogate="atan")[0]


def torch_loop() -> Neuron:
    """A step-by-step loop in eager PyTorch; (seqlen, batch, channels)."""

    def run(x: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        for x_t in x.unbind(0):
            u = BETA * v + x_t
            s = _AtanSpike.apply(u - 1)  # type: ignore[no-untyped-call]
            v = u - s
            spikes.append(s)
        return torch.stack(spikes)

    return run


def compiled_torch_loop(chunk: int = 16) -> Neuron:
    """The same loop, `chunk` steps at a time through torch.compile; (seqlen, batch, channels)."""

    def steps(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        spikes = []
        for x_t in x.unbind(0):
            u = BETA * v + x_t
            s = _AtanSpike.apply(u - 1)  # type: ignore[no-untyped-call]
            v = u - s
            spikes.append(s)
        return torch.stack(spikes), v

    compiled = torch.compile(steps, dynamic=False)

    def run(x: Tensor) -> Tensor:
        v, parts = torch.zeros_like(x[0]), []
        for part in x.split(chunk):
            spikes, v = compiled(part, v)
            parts.append(spikes)
        return torch.cat(parts)

    return run


def spikingjelly() -> Neuron:
    """SpikingJelly's LIFNode, multi-step; (seqlen, batch, channels)."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    node: nn.Module = neuron.LIFNode(
        tau=1 / (1 - BETA),
        decay_input=False,
        v_threshold=1.0,
        v_reset=None,
        surrogate_function=surrogate.ATan(),
        step_mode="m",
    )

    def run(x: Tensor) -> Tensor:
        functional.reset_net(node)
        return node(x)

    return run


def snntorch() -> Neuron:
    """snnTorch's Leaky in its time loop, reset by subtraction without delay; (seqlen, batch, channels)."""
    import snntorch
    from snntorch import surrogate

    leaky = snntorch.Leaky(beta=BETA, reset_mechanism="subtract", reset_delay=False, spike_grad=surrogate.atan())

    def run(x: Tensor) -> Tensor:
        membrane, spikes = torch.zeros_like(x[0]), []
        for x_t in x.unbind(0):
            s, membrane = leaky(x_t, membrane)
            spikes.append(s)
        return torch.stack(spikes)

    return run


def norse() -> Neuron:
    """Norse's lif_box step in a time loop, its drive scaled to the same recurrence; (seqlen, batch, channels).

    Norse resets to zero here (it has no step without a synaptic current that resets by subtraction), so its spikes
    differ from the others' while the work is the same.
    """
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters, lif_box_feed_forward_step

    parameters = LIFBoxParameters(tau_mem_inv=torch.tensor(1000 * (1 - BETA)), v_th=torch.tensor(1.0), method="super")

    def run(x: Tensor) -> Tensor:
        state, spikes = LIFBoxFeedForwardState(v=torch.zeros_like(x[0])), []
        scaled = x / (1 - BETA)
        for x_t in scaled.unbind(0):
            s, state = lif_box_feed_forward_step(x_t, state, parameters, dt=0.001)
            spikes.append(s)
        return torch.stack(spikes)

    return run


BASELINES: dict[str, tuple[Callable[[], Neuron], bool]] = {  # name -> (factory, batch first)
    "longspike": (longspike_neuron, True),
    "torch.compile loop": (compiled_torch_loop, False),
    "torch loop": (torch_loop, False),
    "SpikingJelly": (spikingjelly, False),
    "snnTorch": (snntorch, False),
    "Norse": (norse, False),
}


def peer_versions() -> dict[str, str]:
    """Versions of the libraries of the candidates that are installed."""
    found = {}
    for package in ("spikingjelly", "snntorch", "norse"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

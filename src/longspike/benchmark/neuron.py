"""The neuron against other libraries: forward, and forward with backward."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longspike._core.errors import LongspikeError
from longspike.benchmark.baselines import BASELINES, BETA, Neuron
from longspike.benchmark.timing import Timing, time_rounds
from longspike.functional import refractory_lif

LIMIT = "copy (torch)"


@dataclass(frozen=True)
class NeuronBenchmark:
    """What was timed: shape (batch, seqlen, channels), forward and training step, spikes per position by candidate."""

    shape: tuple[int, int, int]
    forward: list[Timing]
    training: list[Timing]
    rates: dict[str, float]
    skipped: dict[str, str]


def check_kernel(shape: tuple[int, int, int]) -> None:
    """Refuse to time a kernel that is wrong: spikes and gradients against the plain loop on a small piece.

    Raises: LongspikeError naming what differs.
    """
    x = torch.randn(2, min(shape[1], 200), min(shape[2], 37)) * 0.25 + 0.12
    results = {}
    for method in ("reference", "auto"):
        leaf = x.clone().requires_grad_()
        spikes, _ = refractory_lif(leaf, beta=BETA, surrogate="atan", method=method)
        (spikes * torch.linspace(0, 1, spikes.numel()).view_as(spikes)).sum().backward()
        results[method] = (spikes.detach(), leaf.grad)
    if not torch.equal(results["auto"][0], results["reference"][0]):
        raise LongspikeError(
            "bench: the kernel's spikes differ from the reference; nothing was timed. Run `make test`."
        )
    if not torch.allclose(results["auto"][1], results["reference"][1], rtol=1e-4, atol=1e-6):  # type: ignore[arg-type]
        raise LongspikeError(
            "bench: the kernel's gradient differs from the reference; nothing was timed. Run `make test`."
        )


def _training_step(neuron: Neuron, x: Tensor, grad: Tensor) -> Callable[[], None]:
    leaf = x.detach().requires_grad_()

    def run() -> None:
        leaf.grad = None
        neuron(leaf).backward(grad)

    return run


def _forward(neuron: Neuron, x: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.no_grad():
            return neuron(x)

    return run


def bench_neuron(
    shape: tuple[int, int, int],
    *,
    names: tuple[str, ...] = tuple(BASELINES),
    rounds: int = 5,
    lead_in: int = 1,
    on_progress: Callable[[str], None] = lambda name: None,
) -> NeuronBenchmark:
    """Time the neuron at (batch, seqlen, channels), float32; each library in its own layout, none in a foreign one.

    A candidate whose library is not installed is skipped and named.
    """
    check_kernel(shape)
    x = torch.randn(shape) * 0.25 + 0.12
    grad = torch.randn(shape)
    layouts = {True: (x, grad), False: (x.transpose(0, 1).contiguous(), grad.transpose(0, 1).contiguous())}
    forward: dict[str, Callable[[], object]] = {LIMIT: lambda: x.clone()}
    training: dict[str, Callable[[], object]] = {}
    rates, skipped = {}, {}
    for name in names:
        factory, is_batch_first = BASELINES[name]
        data, upstream = layouts[is_batch_first]
        try:
            neuron = factory()
            rates[name] = float(_forward(neuron, data)().mean())
        except ImportError as error:
            skipped[name] = f"not installed ({error})"
            continue
        forward[name] = _forward(neuron, data)
        training[name] = _training_step(neuron, data, upstream)
    return NeuronBenchmark(
        shape=shape,
        forward=time_rounds(forward, rounds=rounds, lead_in=lead_in, on_progress=on_progress),
        training=time_rounds(training, rounds=rounds, lead_in=lead_in, on_progress=on_progress),
        rates=rates,
        skipped=skipped,
    )

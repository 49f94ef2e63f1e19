"""Is what is about to be timed also right: every timed kernel against its definition, on a small case.

Spikes and states of the neuron must be equal bit for bit; sums in another order may differ by their rounding.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from longspike.bench.baselines import BETA
from longspike.errors import LongspikeError
from longspike.functional import refractory_lif
from longspike.kernels import native
from longspike.kernels.mixing import glu, linear
from longspike.layers.block import SpikingBlock
from longspike.ssm.s4d import S4D

SHAPE = (2, 130, 37)
LONG = (1, 2000, 3)
TOLERANCE = 1e-4  # relative to the largest value: float32 sums over 130 steps and a batch
FLIPPED = 2e-3  # share of a block's spikes that rounding in front of the neuron may turn


def _input(shape: tuple[int, ...], scale: float = 1.0, mean: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator) * scale + mean


def _with_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What `function` returns, and the gradients of a weighted sum of it."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    y = function(*leaves)
    weights = torch.linspace(-1, 1, y.numel()).view_as(y)
    return y.detach(), list(torch.autograd.grad((y * weights).sum(), leaves))


def _expect(what: str, is_right: bool) -> None:
    if not is_right:
        raise LongspikeError(f"bench: {what} differ from the reference; nothing was timed. Run `make test`.")


def _is_close(found: Tensor, truth: Tensor, tolerance: float = TOLERANCE) -> bool:
    return bool((found - truth).abs().max() <= tolerance * truth.abs().max())  # False for a NaN


def _check_neuron() -> None:
    x = _input(SHAPE, 0.25, 0.12)
    routes = {
        method: _with_gradients(lambda x, m=method: refractory_lif(x, beta=BETA, surrogate="atan", method=m)[0], x)
        for method in ("reference", "auto")
    }
    _expect("the neuron's spikes", torch.equal(routes["auto"][0], routes["reference"][0]))
    _expect("the neuron's gradients", _is_close(routes["auto"][1][0], routes["reference"][1][0]))


def _check_speculative() -> None:
    if native.is_available():
        x = _input(LONG, 0.25, 0.12)
        spikes, truth = (refractory_lif(x, beta=BETA, method=method)[0] for method in ("speculative", "reference"))
        _expect("the speculative neuron's spikes", torch.equal(spikes, truth))


def _check_scan() -> None:
    scan = S4D(SHAPE[2], d_state=8)
    loop = copy.deepcopy(scan)
    loop.method = "reference"
    routes = []
    for layer in (scan, loop):
        parameters = dict(layer.named_parameters())

        def run(x: Tensor, *values: Tensor, layer: S4D = layer, names: tuple[str, ...] = tuple(parameters)) -> Tensor:
            return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))[0]

        routes.append(_with_gradients(run, _input(SHAPE), *parameters.values()))
    (y, gradients), (truth, true_gradients) = routes
    _expect("the scan's outputs", _is_close(y, truth))
    _expect("the scan's gradients", all(map(_is_close, gradients, true_gradients)))


def _check_mixing() -> None:
    spikes, weight = (_input(SHAPE) > 1).float(), _input((74, SHAPE[2]))
    y, gradients = _with_gradients(lambda x, w: linear(x, w, None), spikes, weight)
    truth, true_gradients = _with_gradients(torch.nn.functional.linear, spikes, weight)
    _expect("the mixing's outputs", _is_close(y, truth))
    _expect("the mixing's gradients", all(map(_is_close, gradients, true_gradients)))
    gated, gate_gradients = _with_gradients(glu, truth)
    true_gated, true_gate_gradients = _with_gradients(torch.nn.functional.glu, truth)
    _expect("the gate's outputs", _is_close(gated, true_gated))
    _expect("the gate's gradients", _is_close(gate_gradients[0], true_gate_gradients[0]))


def _check_block(name: str = "block", *, is_bidirectional: bool = False) -> None:
    block, x = SpikingBlock(SHAPE[2], d_state=8, is_bidirectional=is_bidirectional), _input(SHAPE)
    parts = copy.deepcopy(block)
    parts.ssm.method = "reference"
    parts.neuron.method = "reference"  # type: ignore[assignment]

    def fired(x: Tensor) -> Tensor:
        z = parts.norm(x)
        current = parts.ssm(z)[0]
        if parts.backward_ssm is not None:
            parts.backward_ssm.method = "reference"
            current = current + parts.backward_ssm(z.flip(1))[0].flip(1)
        return parts.neuron(current)[0]

    def mixed(x: Tensor, spikes: Tensor) -> Tensor:
        return x + torch.nn.functional.glu(torch.nn.functional.linear(spikes, block.mix.weight, block.mix.bias))

    with torch.no_grad():
        spikes, true_spikes = block.outputs(x)[1], fired(x)
        counts = block.activity(x)[1]  # of the pass that is timed, which returns no spikes
        _expect(f"the {name}'s spikes", float((spikes != true_spikes).float().mean()) <= FLIPPED)
        _expect(f"the {name}'s spike counts", torch.equal(counts, spikes.sum(dim=1)))
        _expect(f"the {name}'s outputs", _is_close(block(x)[0], mixed(x, spikes)))
    _, (grad,) = _with_gradients(lambda x: block(x)[0], x)
    _, (true_grad,) = _with_gradients(lambda x: mixed(x, fired(x)), x)
    _expect(f"the {name}'s gradients", float((grad - true_grad).norm()) <= 0.05 * float(true_grad.norm()))


def _check_block_in_both_directions() -> None:
    _check_block("block in both directions", is_bidirectional=True)


CHECKS = (
    _check_neuron,
    _check_speculative,
    _check_scan,
    _check_mixing,
    _check_block,
    _check_block_in_both_directions,
)


def check_parity() -> None:
    """Refuse to time kernels that are wrong; the caller's random numbers stay as they are.

    Raises: LongspikeError naming what differs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for check in CHECKS:
            check()

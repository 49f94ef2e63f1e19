"""Training some inputs of an operator gives them the gradient that training all gives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from block_cases import OPTIONS, block_case
from dendrites import Geometry, conv_case
from longspike.kernels.dendrite import dendritic_conv, dendritic_lif
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import linear
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.kernels.s4d_lif import s4d_lif
from longspike.kernels.s4d_lif.operator import s4d_lif_op
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.sa_hippo import Dynamics, sa_hippo, sa_hippo_tables
from longspike.kernels.spiking_block import Inputs, spiking_block
from longspike.kernels.tick import EventPoolState, embed_cells, event_pool
from longspike.nn import SAHippo
from operators import lif_case, s4d_case, weighted_sum
from tolerances import DERIVATIVE

WIDE = torch.float64
SPIKE = {"threshold": 0.8, "surrogate": "atan", "scale": 1.3}
NEURON = ("beta", "threshold", "rho", "gamma", "v", "r", "spike")
SCAN = ("u", "lam", "c", "d", "state")
Case = tuple[dict[str, Tensor], Callable[..., list[Tensor]]]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=WIDE)


def refractory_lif() -> Case:
    def run(*leaves: Tensor) -> list[Tensor]:
        return list(refractory_lif_op(*leaves, *OPTIONS.values(), "auto")[:4])

    case = lif_case(2, 70, 5, dtype=WIDE)
    return dict(zip(("current", *NEURON), (case.current, *case.parameters, *case.state), strict=True)), run


def scan() -> Case:
    return dict(zip(SCAN, s4d_case(2, 70, 5, 3, dtype=WIDE), strict=True)), lambda *x: list(s4d_scan(*x))


def scan_and_neuron() -> Case:
    def run(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, start: Tensor, *neuron: Tensor) -> list[Tensor]:
        spikes, end, state = s4d_lif(u, (lam, c, d), start, neuron[:4], neuron[4:], **OPTIONS)
        return [spikes, end, *state]

    neuron = lif_case(2, 70, 5, dtype=WIDE)
    tensors = (*s4d_case(2, 70, 5, 3, dtype=WIDE), *neuron.parameters, *neuron.state)
    return dict(zip((*SCAN, *NEURON), tensors, strict=True)), run


def scan_and_neuron_in_one_pass() -> Case:
    """The Triton kernel in its interpreter, before the compiled adjoints: fewer steps than one of its spans."""
    pytest.importorskip("triton", reason="triton is not installed")
    neuron = lif_case(2, 11, 5, dtype=WIDE)
    tensors = (*s4d_case(2, 11, 5, 3, dtype=WIDE), *neuron.parameters, *neuron.state)
    named = dict(zip((*SCAN, *NEURON), tensors, strict=True))
    return named, lambda *leaves: list(s4d_lif_op(*leaves, *OPTIONS.values(), True)[:5])


def block(*, is_bidirectional: bool = False) -> Case:
    case = block_case(2, 70, 5, 2, dtype=WIDE, is_bidirectional=is_bidirectional)

    def run(x: Tensor, *rest: Tensor) -> list[Tensor]:
        learnt, state = rest[:-4], rest[-4:]
        inputs = Inputs(*learnt, *[None] * (len(Inputs._fields) - len(learnt)))
        y, counts, ends = spiking_block(x, inputs, state, **OPTIONS)
        return [y, counts, *ends]

    return {name: x.detach() for name, x in case.differentiable().items()}, run


def block_in_both_directions() -> Case:
    return block(is_bidirectional=True)


def dendrites_of_rows() -> Case:
    case = conv_case(3, 2, 2, [20, 0, 15], Geometry((4, 3), 3, 1, 1))

    def run(
        values: Tensor, weight: Tensor, rate: Tensor, soma: Tensor, g: Tensor, i: Tensor, v: Tensor
    ) -> list[Tensor]:
        membrane, end = dendritic_conv(values, weight, (rate, soma, g), (i, v), case.plan, case.gap, **SPIKE)
        return [membrane, *end]

    return dict(zip(("values", "weight", "rate", "rate_soma", "g", "i", "v"), case[:7], strict=True)), run


def dendrites() -> Case:
    def run(drive: Tensor, rate: Tensor, soma: Tensor, g: Tensor, i: Tensor, v: Tensor) -> list[Tensor]:
        membrane, end = dendritic_lif(drive, (rate, soma, g), (i, v), **SPIKE)
        return [membrane, *end]

    tensors = (draw(2, 9, 3, 5), draw(3).exp(), draw(1)[0].exp(), draw(3), draw(2, 3, 5), draw(2, 5))
    return dict(zip(("drive", "rate", "rate_soma", "g", "i", "v"), tensors, strict=True)), run


def memory() -> Case:
    layer = SAHippo(6, d_state=4, rank=2, num_heads=3).to(WIDE)
    index, offsets = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([0, 2, 5])

    def run(u: Tensor, *rest: Tensor) -> list[Tensor]:
        return list(sa_hippo(u, index, offsets, *rest))

    tables = layer.tables(torch.tensor([1.0, 3.0], dtype=WIDE), WIDE)
    tensors = (draw(5, 6), tables, layer.R, layer.C, layer.D, draw(2, 3, 2, 2, 2))
    return dict(zip(("u", "tables", "r", "c", "d", "state"), tensors, strict=True)), run


def tables() -> Case:
    layer = SAHippo(6, d_state=4, rank=2, num_heads=3).to(WIDE)

    def run(delta: Tensor, *dynamics: Tensor) -> list[Tensor]:
        return [sa_hippo_tables(delta, Dynamics(*dynamics), structure="dplr", inputs="held")]

    return {"delta": draw(4).exp(), **layer.dynamics(WIDE)._asdict()}, run


def embedding() -> Case:
    cell, offsets = torch.tensor([2, 0, 1, 2, 1]), torch.tensor([0, 2, 5])
    named = {"values": draw(5, 2), "weight": draw(3, 2, 4)}
    return named, lambda values, weight: [embed_cells(values, cell, offsets, weight)]


def pooling() -> Case:
    def run(y: Tensor, window: Tensor, windows: Tensor) -> list[Tensor]:
        state = EventPoolState(window, windows, torch.tensor([[1.0, 1, 2], [0, 0, 1]], dtype=WIDE))
        mean, end = event_pool(y, torch.ones(5, dtype=WIDE), torch.tensor([0, 2, 5]), state, size=2)
        return [mean, end.window, end.windows]

    return {"y": draw(5, 3), "window": draw(2, 3), "windows": draw(2, 3)}, run


def mixing() -> Case:
    named = {"x": draw(2, 5, 3), "weight": draw(4, 3), "bias": draw(4)}
    return named, lambda x, weight, bias: [linear(x, weight, bias)]


def norm() -> Case:
    named = {"x": draw(2, 5, 3), "weight": draw(3), "bias": draw(3)}
    return named, lambda x, weight, bias: [layer_norm(x, weight, bias)]


ON_A_CPU = pytest.mark.skipif(torch.cuda.is_available(), reason="the interpreter runs without a GPU")
ONE_PASS = pytest.param(scan_and_neuron_in_one_pass, marks=[pytest.mark.needs_extension, ON_A_CPU])
CASES = (
    refractory_lif, scan, scan_and_neuron, ONE_PASS, block, block_in_both_directions, dendrites_of_rows, dendrites, memory,
    tables, embedding, pooling, mixing, norm,
)  # fmt: skip


def gradients(case: Case, trained: set[str]) -> dict[str, Tensor]:
    named, run = case
    leaves = {name: x.detach().clone().requires_grad_(name in trained) for name, x in named.items()}
    loss = weighted_sum(run(*leaves.values()))
    wanted = [leaves[name] for name in leaves if name in trained]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return dict(zip((name for name in leaves if name in trained), found, strict=True))


@pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)
def test_some_have_the_gradients_of_all(build: Callable[[], Case]) -> None:
    case = build()
    names = set(case[0])
    everything = gradients(case, names)
    assert all(bool(grad.any()) for grad in everything.values())
    for subset in [{name} for name in names] + [names - {name} for name in names]:
        for name, grad in gradients(case, subset).items():
            torch.testing.assert_close(
                grad,
                everything[name],
                rtol=DERIVATIVE,
                atol=DERIVATIVE,
                msg=lambda m, n=name, s=subset: f"{n} of {s}: {m}",
            )


@pytest.mark.parametrize("method", ["recurrent", "chunked", "fft", "reference"])
def test_a_state_of_zeros_has_a_gradient_too(method: str) -> None:
    layer, u = SAHippo(6, d_state=4, rank=2, num_heads=3, method=method).to(WIDE), draw(2, 5, 6)
    state = layer.init_state(2).requires_grad_()
    found = torch.autograd.grad(weighted_sum(list(layer.sequence(u, state))), state)[0]
    layer.method = "reference"
    expected = torch.autograd.grad(weighted_sum(list(layer.sequence(u, state))), state)[0]
    assert bool(expected.any())
    torch.testing.assert_close(found, expected, rtol=DERIVATIVE, atol=DERIVATIVE)

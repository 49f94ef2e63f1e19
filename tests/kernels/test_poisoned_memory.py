"""No operator reads memory that it has not written: every fresh tensor is full of NaN."""

import pytest
import torch
from torch import Tensor

from block_cases import OPTIONS, block_case
from dendrites import Geometry, conv_case
from longspike.functional import LIFState, refractory_lif
from longspike.kernels import native
from longspike.kernels.dendrite import dendritic_conv, dendritic_lif, pool_plan, segment_max
from longspike.kernels.mixing import glu, linear
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.spiking_block import spiking_block
from operators import GRADIENTS, RESETS, lif_case, s4d_case, weighted_sum
from sa_hippo_cases import memory, start, ticks

SEQLENS = (0, 1, 63, 64, 65, 130)
BOTH = {"is_bidirectional": True, "has_lengths": True}


pytestmark = pytest.mark.usefixtures("nan_in_fresh_memory")


def test_the_poison_works() -> None:
    assert bool(native.empty((2, 3), torch.float32).isnan().all())
    assert bool(torch.empty(3).isnan().all())


def assert_finite(tensors: list[Tensor]) -> None:
    assert all(bool(x.isfinite().all()) for x in tensors)


@pytest.mark.parametrize("seqlen", SEQLENS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("method", ["reference", "sequential", "speculative", "pmbc"])
def test_refractory_lif(method: str, reset: str, seqlen: int) -> None:
    if method == "pmbc" and reset == "zero":
        pytest.skip("PMBC has no zero reset")
    for gradient in GRADIENTS:
        leaves = lif_case(2, seqlen, 5, slowest=0.5).leaves()
        current, beta, threshold, rho, gamma, *state = leaves
        spikes, end = refractory_lif(
            current,
            beta=beta,
            threshold=threshold,
            rho=rho,
            gamma=gamma,
            reset=reset,
            gradient=gradient,
            state=LIFState(*state),
            method=method,
        )
        assert_finite([spikes, *end])
        assert_finite(list(torch.autograd.grad(weighted_sum([spikes, *end]), leaves)))


@pytest.mark.parametrize("seqlen", SEQLENS)
@pytest.mark.parametrize("n_pairs", [1, 5])
@pytest.mark.parametrize("method", ["scan", "fft", "reference"])
def test_s4d_scan(method: str, n_pairs: int, seqlen: int) -> None:
    leaves = s4d_case(2, seqlen, 3, n_pairs).leaves()
    y, end = s4d_scan(*leaves, method=method)
    assert_finite([y, end])
    grads = torch.autograd.grad(weighted_sum([y, end]), leaves, allow_unused=True, materialize_grads=True)
    assert_finite(list(grads))


@pytest.mark.parametrize("offsets", [(0, 0), (0, 0, 1, 1), (0, 63, 127, 192), (0, 0, 130, 130)])
@pytest.mark.parametrize("variant", ["rank 3", "rank 8, held", "diag, held"])
@pytest.mark.parametrize("method", ["recurrent", "chunked", "fft", "reference"])
def test_sa_hippo(method: str, variant: str, offsets: tuple[int, ...]) -> None:
    layer = memory(variant, 6, 6, 2, torch.float32, method=method)
    u, delta, bounds = ticks(6, torch.float32, offsets)
    delta = torch.ones_like(delta) if method == "fft" else delta
    leaves = [u.requires_grad_(), start(layer, len(offsets) - 1).requires_grad_()]
    y, end = layer(u, delta, bounds, leaves[1])
    assert_finite([y, end])
    wanted = [*leaves, *layer.parameters()]
    grads = torch.autograd.grad(weighted_sum([y, end]), wanted, allow_unused=True, materialize_grads=True)
    assert_finite(list(grads))


@pytest.mark.parametrize("rows", [0, 1, 33])
def test_mixing(rows: int) -> None:
    x, weight, bias = (torch.randn(*s, requires_grad=True) for s in ((rows, 5), (37, 5), (37,)))
    y = linear(x, weight, bias)
    assert_finite([y, *torch.autograd.grad(y.sum(), (x, weight, bias))])
    z = torch.randn(rows, 34, requires_grad=True)
    assert_finite([glu(z), *torch.autograd.grad(glu(z).sum(), z)])


@pytest.mark.parametrize("channels", [1, 5, 32])
@pytest.mark.parametrize("counts", [[40, 0, 30], [0, 0]])
@pytest.mark.parametrize("method", ["auto", "reference"])
def test_dendrites(method: str, counts: list[int], channels: int) -> None:
    case = conv_case(3, channels, 2, counts, Geometry((5, 4), 3, 1, 1))
    leaves = case.leaves(torch.float32)
    values, weight, *parameters, i, v = leaves
    options = {"threshold": 0.8, "surrogate": "atan", "scale": 1.3, "method": method}
    membrane, end = dendritic_conv(values, weight, tuple(parameters), (i, v), case.plan, case.gap, **options)
    largest = segment_max(membrane, pool_plan(case.plan, 2), method=method)
    assert_finite([membrane, largest, *end])
    grads = torch.autograd.grad(
        weighted_sum([largest, membrane, *end]), leaves, allow_unused=True, materialize_grads=True
    )
    assert_finite(list(grads))
    leaves = [x.detach().requires_grad_() for x in (torch.randn(2, len(counts), 3, channels), *parameters)]
    start = (torch.randn(2, 3, channels), torch.randn(2, channels))
    membrane, end = dendritic_lif(leaves[0], tuple(leaves[1:]), start, **options)
    assert_finite([membrane, *end, *torch.autograd.grad(weighted_sum([membrane, *end]), leaves)])


@pytest.mark.parametrize("seqlen", SEQLENS)
@pytest.mark.parametrize("variant", [{}, {"has_norm": False}, {"has_dropout": True, "has_lengths": True}, BOTH])
def test_spiking_block(variant: dict, seqlen: int) -> None:
    case = block_case(2, seqlen, 5, 2, **variant).leaves()
    y, counts, state = spiking_block(case.x, case.inputs, case.state, **OPTIONS, method="fused")
    assert_finite([y, counts, *state])
    weighted_sum([y, counts, *state]).backward()
    assert_finite([t.grad for t in case.differentiable().values()])

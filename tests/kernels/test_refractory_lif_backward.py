"""The neuron's adjoint against autograd through a loop of our own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from longspike.functional import LIFState, refractory_lif
from longspike.kernels import native
from longspike.nn import Surrogate
from operators import (
    GRADIENTS,
    LIF_NAMES,
    RESETS,
    SURROGATES,
    LIFCase,
    autograd_lif,
    lif_case,
    relative_error,
    weighted_sum,
)
from tolerances import LIF_GRADIENT_F32, LIF_GRADIENT_F64

Outputs = Callable[[list[Tensor]], list[Tensor]]


def gradients(case: LIFCase, outputs: Outputs) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradients of every argument from a loss on all of them."""
    leaves = case.leaves()
    results = outputs(leaves)
    loss = weighted_sum(results)
    return results, list(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))


def library(reset: str, surrogate: Surrogate, gradient: str, method: str) -> Outputs:
    def outputs(leaves: list[Tensor]) -> list[Tensor]:
        current, beta, threshold, rho, gamma, *state = leaves
        spikes, end = refractory_lif(
            current,
            beta=beta,
            threshold=threshold,
            rho=rho,
            gamma=gamma,
            reset=reset,
            surrogate=surrogate,
            gradient=gradient,
            state=LIFState(*state),
            method=method,
        )
        return [spikes, *end]

    return outputs


def assert_gradients_agree(ours: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for name, a, b in zip(LIF_NAMES, ours, expected, strict=True):
        assert bool(a.isfinite().all()), name
        assert relative_error(a, b) <= tolerance, (name, relative_error(a, b))


@pytest.fixture(params=["compiled", "reference"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The operator picks the compiled backward wherever it can; without the extension it takes the reference."""
    if request.param == "reference":
        monkeypatch.setattr(native, "_extension", None)
        monkeypatch.setattr(native, "unavailable_reason", "this test hides it")
    return request.param


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("reset", RESETS)
def test_equals_autograd(reset: str, gradient: str, surrogate: Surrogate, backend: str) -> None:
    case = lif_case(2, 70, 5, dtype=torch.float64)
    results, ours = gradients(case, library(reset, surrogate, gradient, "auto"))
    truth, expected = gradients(case, lambda leaves: autograd_lif(leaves, reset, surrogate, gradient))
    assert torch.equal(results[0], truth[0])
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)
    if gradient != "instant" and reset == "subtract":
        assert all(float(g.abs().max()) > 0 for g in expected)


@pytest.mark.parametrize("seqlen", [0, 1, 63, 64, 65, 130])
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("reset", RESETS)
def test_lengths_around_a_block(reset: str, gradient: str, seqlen: int) -> None:
    case = lif_case(1, seqlen, 3, dtype=torch.float64, seed=seqlen + 1)
    _, ours = gradients(case, library(reset, SURROGATES[2], gradient, "sequential"))
    _, expected = gradients(case, lambda leaves: autograd_lif(leaves, reset, SURROGATES[2], gradient))
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
@pytest.mark.parametrize("reset", RESETS)
def test_float32_is_near_float64(reset: str, surrogate: Surrogate, backend: str) -> None:
    case = lif_case(3, 130, 19, slowest=0.9)
    wide = LIFCase(case.current.double(), *(tuple(x.double() for x in part) for part in case[1:]))
    results, ours = gradients(case, library(reset, surrogate, "full", "auto"))
    truth, expected = gradients(wide, lambda leaves: autograd_lif(leaves, reset, surrogate, "full"))
    assert torch.equal(results[0].double(), truth[0])
    assert {g.dtype for g in ours} == {torch.float32}
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F32)


@pytest.mark.parametrize("method", ["speculative", "pmbc", "reference"])
def test_every_forward_route_has_the_same_gradient(method: str) -> None:
    case = lif_case(2, 130, 5, dtype=torch.float64)
    _, ours = gradients(case, library("subtract", SURROGATES[0], "full", method))
    _, expected = gradients(case, library("subtract", SURROGATES[0], "full", "sequential"))
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("cut", [1, 64, 81])
def test_two_chunks_have_the_gradient_of_the_whole(reset: str, gradient: str, cut: int) -> None:
    """Gradients flow through the state that is handed on."""
    case = lif_case(2, 130, 5, dtype=torch.float64)
    whole = library(reset, SURROGATES[4], gradient, "sequential")

    def in_two(leaves: list[Tensor]) -> list[Tensor]:
        current, *rest = leaves
        first, *state = whole([current[:, :cut], *rest])
        second, *end = whole([current[:, cut:], *rest[:4], *state])
        return [torch.cat([first, second], 1), *end]

    _, ours = gradients(case, in_two)
    _, expected = gradients(case, whole)
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)


def test_gradient_of_the_final_state_alone() -> None:
    case = lif_case(2, 70, 5, dtype=torch.float64)
    for k in (1, 2, 3):
        _, ours = gradients(case, lambda leaves, k=k: library("zero", SURROGATES[0], "full", "auto")(leaves)[k : k + 1])
        _, expected = gradients(
            case, lambda leaves, k=k: autograd_lif(leaves, "zero", SURROGATES[0], "full")[k : k + 1]
        )
        assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)


def test_gradient_modes_differ() -> None:
    """Otherwise the comparisons above could not tell them apart."""
    case = lif_case(2, 70, 5, dtype=torch.float64)
    grads = [gradients(case, library("subtract", SURROGATES[0], mode, "auto"))[1][0] for mode in GRADIENTS]
    assert relative_error(grads[1], grads[0]) > 1e-2
    assert relative_error(grads[2], grads[0]) > 1e-2


def test_gradient_behind_strides_and_many_threads() -> None:
    case = lif_case(3, 300, 41, dtype=torch.float64, layout="transposed")
    weights = torch.randn(3, 41, 300, dtype=torch.float64).transpose(1, 2)  # grad_spikes arrive transposed

    def loss(outputs: Outputs) -> list[Tensor]:
        leaves = case.leaves()
        return list(torch.autograd.grad((outputs(leaves)[0] * weights).sum(), leaves))

    ours = loss(library("subtract", SURROGATES[3], "full", "auto"))
    expected = loss(lambda leaves: autograd_lif(leaves, "subtract", SURROGATES[3], "full"))
    assert_gradients_agree(ours, expected, LIF_GRADIENT_F64)


def test_scalar_parameters_sum_the_gradient_over_channels() -> None:
    case = lif_case(2, 65, 5, dtype=torch.float64)
    beta = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    rows = torch.full((5,), 0.8, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 65, 5, dtype=torch.float64)
    for b in (beta, rows):
        (refractory_lif(case.current, beta=b)[0] * weights).sum().backward()
    torch.testing.assert_close(beta.grad, rows.grad.sum())


def test_bfloat16_current_gets_a_bfloat16_gradient() -> None:
    current = torch.randn(2, 65, 3, dtype=torch.bfloat16, requires_grad=True)
    spikes, _ = refractory_lif(current, beta=0.5)
    spikes.float().sum().backward()
    assert current.grad.dtype == torch.bfloat16
    assert bool(current.grad.isfinite().all())


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
def test_compiled_slope_is_that_of_the_surrogate(surrogate: Surrogate) -> None:
    """With one step, dLoss/dcurrent is the slope at current - threshold."""
    z = torch.linspace(-3, 3, 301, dtype=torch.float64)
    current = (z + 1.0)[None, None].requires_grad_()
    refractory_lif(current, beta=0.5, surrogate=surrogate, method="sequential")[0].sum().backward()
    assert relative_error(current.grad[0, 0], surrogate.slope((current.detach() - 1.0)[0, 0])) <= LIF_GRADIENT_F64


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("uses_state", [False, True])
def test_leaving_out_what_nobody_asked_for_changes_nothing_else(reset: str, rho: float, uses_state: bool) -> None:
    """The backward pass skips parameter gradients and, for rho = 0, the refractory trace; the rest stays bit for bit."""
    current, weight = torch.randn(3, 130, 19, dtype=torch.float64), torch.randn(3, 130, 19, dtype=torch.float64)
    found = []
    for trains in (True, False):
        leaf = current.clone().requires_grad_()
        start = LIFState(*(torch.full((3, 19), 0.3, dtype=torch.float64, requires_grad=True) for _ in range(3)))
        beta = torch.full((19,), 0.8, dtype=torch.float64, requires_grad=trains)
        spikes, end = refractory_lif(leaf, beta=beta, rho=rho, gamma=0.6, reset=reset, state=start)
        total = (spikes * weight).sum() + (sum((x * x).sum() for x in end) if uses_state else 0)
        found.append(torch.autograd.grad(total, (leaf, *start)))
    for full, lean in zip(*found, strict=True):
        assert torch.equal(full, lean)

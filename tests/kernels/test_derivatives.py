"""Every operator and layer, differentiated in every way: the right numbers, or the one sentence that refuses."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

import derivatives
from longspike.errors import DerivativeError
from longspike.functional import hard_reset_orbit
from longspike.kernels import _operators, native
from longspike.kernels.sa_hippo.tables import formula
from longspike.kernels.spikes import spikes
from longspike.models import SpikeSSM
from longspike.nn import SAHippo, Surrogate
from tolerances import DERIVATIVE

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "derivatives.md"
CASES = derivatives.operators() | derivatives.layers()
ROWS = tuple(CASES)
SPIKING = (
    "spikes", "count_spikes", "SDN", "Heaviside", "Graded", "dendritic_lif", "dendritic_conv", "DendriticLIF",
    "DendriticLIFConv2d", "LeakyMemory", "MemoryBlock", "SpatialPool", "FlamesSequence",
)  # fmt: skip
TWICE = r"_backward\S* has no gradient of its own; what it belongs to can be differentiated once, not twice"
FORWARD = r"longspike\.\w+\.default has no derivative in forward mode .* Use reverse mode"
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


def loss(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: derivatives.loss(CASES[name].function(x))


def gradient(name: str, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(loss(name)(leaf), leaf)[0]


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=DERIVATIVE, atol=DERIVATIVE)


@pytest.mark.parametrize("name", ROWS)
def test_torch_func_has_the_gradient_of_backward(name: str) -> None:
    x, expected = CASES[name].x, gradient(name, CASES[name].x)
    assert bool(expected.any())
    assert_close(torch.func.grad(loss(name))(x), expected)
    with torch.no_grad():  # means what is outside
        assert_close(torch.func.grad(loss(name))(x), expected)
    y, backward = torch.func.vjp(CASES[name].function, x)
    both = torch.stack([torch.ones_like(y), -2 * torch.ones_like(y)])
    (found,) = torch.vmap(backward)(both)
    assert_close(found[1], -2 * found[0])


@pytest.mark.parametrize("name", [name for name in ROWS if name != "DendriticLIFConv2d"])
def test_vmap_is_a_loop_also_over_gradients(name: str) -> None:
    function, x = CASES[name]
    several = torch.stack([x, 1.5 * x, -x])
    assert_close(torch.vmap(function)(several), torch.stack([function(each) for each in several]))
    expected = torch.stack([gradient(name, each) for each in several])
    assert_close(torch.vmap(torch.func.grad(loss(name)))(several), expected)
    assert_close(torch.func.grad(lambda z: torch.vmap(loss(name))(z).sum())(several), expected)


def test_vmap_over_what_decides_the_rows() -> None:
    function, x = CASES["DendriticLIFConv2d"]
    with pytest.raises(ValueError, match="which rows there are depends on the values, so vmap cannot map over them"):
        torch.vmap(function)(torch.stack([x, x]))


def curved(name: str, x: Tensor) -> Tensor:
    """A loss whose gradient depends on the output."""
    y = CASES[name].function(x)
    return derivatives.loss(y) + 0.5 * y.square().sum()


def second_derivative(name: str, x: Tensor, along: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(curved(name, leaf), leaf, create_graph=True)
    if not grad.requires_grad:  # it does not depend on x
        return torch.zeros_like(x)
    return torch.autograd.grad((grad * along).sum(), leaf, allow_unused=True, materialize_grads=True)[0]


def kind_of_twice(name: str) -> str:
    x = CASES[name].x
    along, step = derivatives.draw(*x.shape), 1e-6
    try:
        found = second_derivative(name, x, along)
    except DerivativeError as error:
        return "refused" if re.search(TWICE, str(error)) else str(error)
    if name in SPIKING:  # the value of a spike stands still, its derivative does not: differences say nothing
        return "yes"
    before, after = (torch.autograd.functional.vjp(lambda z: curved(name, z), x + s * along)[1] for s in (-step, step))
    torch.testing.assert_close(found, (after - before) / (2 * step), rtol=1e-5, atol=1e-6)
    return "yes"


def tangents(name: str) -> list[Callable[[], Tensor]]:
    """The three ways of forward mode."""
    function, x = CASES[name]
    along = derivatives.draw(*x.shape)

    def dual() -> Tensor:
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(function(forward_ad.make_dual(x, along))).tangent

    return [lambda: torch.func.jvp(function, (x,), (along,))[1], dual, torch.no_grad()(dual)]


def kind_of_forward(name: str) -> str:
    kinds = {kind_of_tangent(name, way) for way in tangents(name)}
    return " or ".join(kinds)


def kind_of_tangent(name: str, way: Callable[[], Tensor]) -> str:
    try:
        tangent = way()
    except DerivativeError as error:
        return "refused" if re.search(FORWARD, str(error)) else str(error)
    along = derivatives.draw(*CASES[name].x.shape)
    assert_close(derivatives.loss(tangent), (gradient(name, CASES[name].x) * along).sum())
    return "yes"


def documented() -> dict[str, tuple[str, str]]:
    """Rows of the page's table: what is given twice and in forward mode."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines()]
    named = [row for row in rows if len(row) == 3 and row[0].startswith("`")]
    return {name.strip(" `"): (twice, forward) for names, twice, forward in named for name in names.split(",")}


@pytest.mark.parametrize("name", ROWS)
def test_twice_and_forward_are_right_or_refused(name: str) -> None:
    """Without the extension most parts are plain PyTorch and give numbers; those have to be right."""
    found = (kind_of_twice(name), kind_of_forward(name))
    if native.is_available():
        assert documented()[name] == found


@pytest.mark.needs_extension
def test_the_page_has_every_operator_and_layer() -> None:
    assert set(documented()) == set(ROWS)


def test_the_orbit_has_no_derivative_and_says_so() -> None:
    x = torch.randn(2, 7, 3)
    with pytest.raises(DerivativeError, match="hard_reset_orbit has no gradient; got a current that requires one"):
        hard_reset_orbit(x.clone().requires_grad_(), beta=0.5)
    with pytest.raises(DerivativeError, match="hard_reset_orbit has no derivative in forward mode"):
        torch.func.jvp(lambda z: hard_reset_orbit(z, beta=0.5), (x,), (x,))


def test_in_plain_pytorch_a_spike_has_the_derivatives_of_its_primitive() -> None:
    """s = g + (step - g), the bracket a constant: PyTorch's own derivatives of g, twice and forward."""
    x, along, surrogate = derivatives.draw(4, 3), derivatives.draw(3, 4).T, Surrogate("sigmoid", 2.0)

    def ours(z: Tensor) -> Tensor:
        return spikes(z, threshold=0.2, surrogate=surrogate.name, scale=surrogate.value, method="reference")

    def straight(z: Tensor) -> Tensor:
        smooth = surrogate.primitive(z - 0.2)
        return smooth + ((z > 0.2).to(z.dtype) - smooth).detach()

    found = []
    for spike in (ours, straight):
        leaf = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad((spike(leaf) + along).square().sum(), leaf, create_graph=True)
        (again,) = torch.autograd.grad((grad * along).sum(), leaf)
        found.append((grad.detach(), again, torch.func.jvp(spike, (x,), (along,))[1]))
    for a, b in zip(*found, strict=True):
        assert_close(a, b)


def test_jacobians_by_vmap() -> None:
    function, x = CASES["refractory_lif"]
    assert_close(torch.func.jacrev(loss("refractory_lif"))(x), gradient("refractory_lif", x))
    for way in (torch.func.jacfwd(function), torch.func.hessian(loss("refractory_lif"))):
        with pytest.raises(DerivativeError, match=FORWARD):
            way(x)
    with pytest.raises(DerivativeError, match=TWICE):
        torch.func.grad(lambda z: torch.func.grad(loss("refractory_lif"))(z).square().sum())(x)


def test_a_gradient_penalty_is_refused_not_halved() -> None:
    """The fused block's first gradient once came back as a constant, so the penalty trained the encoder alone."""
    model, x = SpikeSSM.from_preset("digits"), torch.randn(2, 9, 1, requires_grad=True)
    (grad,) = torch.autograd.grad(model(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(DerivativeError, match=TWICE):
        grad.square().sum().backward()
    with pytest.raises(DerivativeError, match=TWICE):
        torch.autograd.functional.hessian(lambda u: model(u)[0].square().sum(), x.detach()[:1, :4])


@pytest.mark.parametrize("parameter", SAHippo.DYNAMICS)
def test_the_memorys_parameters_have_no_constant_gradient(parameter: str) -> None:
    layer, u = SAHippo(4, d_state=4, rank=2), torch.randn(5, 4)
    y, _ = layer(u, torch.tensor([1, 3, 1, 1, 2]), torch.tensor([0, 2, 5]))
    (grad,) = torch.autograd.grad(y.square().sum(), getattr(layer, parameter), create_graph=True)
    assert grad.requires_grad
    if native.is_available():
        with pytest.raises(DerivativeError, match=TWICE):
            grad.sum().backward()


@pytest.mark.needs_extension
def test_tables_can_be_differentiated_twice() -> None:
    layer, gaps = SAHippo(4, d_state=4, rank=2).double(), torch.tensor([1.0, 3.0], dtype=torch.float64)
    parameters = [p for name, p in layer.named_parameters() if name in SAHippo.DYNAMICS]
    plain = formula(gaps, layer.dynamics(torch.float64), "dplr", "impulse")
    found = []
    for tables in (layer.tables(gaps, torch.float64), plain):
        first = torch.autograd.grad(tables.square().sum(), parameters, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), parameters))
    for ours, expected in zip(*found, strict=True):
        assert_close(ours, expected)


def test_operators_take_and_return_tensors_one_by_one() -> None:
    """In lists, vmap refuses them and autograd does not see them."""
    names = [name[11:] for name in torch._C._dispatch_get_all_op_names() if name.startswith("longspike::")]
    assert len(names) > 20
    schemas = [str(getattr(torch.ops.longspike, name).default._schema) for name in names]
    assert [schema for schema in schemas if "[]" in schema] == []


def test_public_operators_refuse_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_operators, "_IS_FAST", False)
    op = _operators.operator("derivative_of_a_test")(_twice)
    with pytest.raises(
        DerivativeError, match=r"longspike.derivative_of_a_test.default has no derivative in forward mode"
    ):
        torch.func.jvp(op, (torch.ones(2),), (torch.ones(2),))
    with pytest.raises(DerivativeError, match=r"derivative_of_a_test.default has no gradient of its own"):
        op(torch.ones(2, requires_grad=True)).sum().backward()
    assert torch.equal(op(torch.ones(2)), torch.full((2,), 2.0))


def _twice(x: Tensor) -> Tensor:
    return 2 * x

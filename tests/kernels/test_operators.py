"""A call of an operator gives the same whoever looks on: modes, fake tensors, functorch, views with a pending sign."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from longspike.kernels import native
from longspike.kernels.mixing.operator import glu_op, linear_op
from longspike.kernels.refractory_lif.operator import refractory_lif_op
from operators import lif_case

if not native.is_available():
    pytest.skip(native.unavailable_reason, allow_module_level=True)
X, WEIGHT, BIAS = torch.randn(2, 3, 6), torch.randn(4, 6), torch.randn(4)


def mixed(x: Tensor) -> Tensor:
    return glu_op(linear_op(x, WEIGHT, BIAS))


EXPECTED = mixed(X)


class Recorder(TorchDispatchMode):
    """Writes down what is dispatched."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class Subclass(torch.Tensor):
    """A tensor type of somebody else."""


@pytest.mark.parametrize("grad", [True, False])
def test_a_mode_sees_the_operators(grad: bool) -> None:
    with torch.set_grad_enabled(grad), Recorder() as recorder:
        y = mixed(X.clone().requires_grad_())
    assert recorder.names == ["aten.clone.default", "longspike.linear.default", "longspike.glu.default"]
    assert torch.equal(y, EXPECTED)


def test_fake_tensors_stay_fake() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        y = mixed(mode.from_tensor(X.requires_grad_(False)))
    assert isinstance(y, torch._subclasses.FakeTensor)
    assert y.shape == EXPECTED.shape
    assert glu_op(X.to("meta")).is_meta


def test_a_graph_holds_the_operators() -> None:
    graph = make_fx(mixed)(X)
    assert "torch.ops.longspike.linear.default" in graph.code
    assert torch.equal(graph(X), EXPECTED)


def test_jit_trace_holds_the_operators() -> None:
    with pytest.warns(DeprecationWarning, match="trace"):
        assert "longspike::glu" in str(torch.jit.trace(mixed, (X,)).graph)


def test_subclasses_and_function_transforms() -> None:
    y = mixed(X.as_subclass(Subclass))
    assert type(y) is Subclass
    assert torch.equal(y.as_subclass(torch.Tensor), EXPECTED)
    assert torch.equal(torch.func.functionalize(mixed)(X), EXPECTED)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap() -> None:
    assert torch.equal(torch.vmap(mixed)(X), EXPECTED)


def test_pending_signs_and_zeros_are_resolved() -> None:
    negated = torch.complex(X, X).conj().imag
    assert negated.is_neg()
    assert torch.equal(mixed(negated), mixed(-X))
    leaf = negated.detach().requires_grad_()
    assert torch.equal(mixed(leaf), mixed(-X))
    assert torch.equal(glu_op(torch._efficientzerotensor((2, 4))), torch.zeros(2, 2))


def test_inference_mode_and_a_profiler() -> None:
    with torch.inference_mode():
        assert torch.equal(mixed(X.clone()), EXPECTED)
    with torch.profiler.profile() as profile:
        mixed(X)
    assert {"longspike::linear", "longspike::glu"} <= {event.key for event in profile.key_averages()}


def test_gradients_reach_inputs_that_want_them() -> None:
    weight, x = WEIGHT.clone().requires_grad_(), X.clone()
    y = linear_op(x, weight, BIAS)
    assert type(y.grad_fn).__name__ == "longspike_linear_Backward"
    y.sum().backward()
    torch.testing.assert_close(weight.grad, x.sum((0, 1)).expand(4, 6))
    with torch.no_grad():
        assert not linear_op(x, weight, BIAS).requires_grad


def test_the_second_derivative_of_a_product_and_none_of_a_neuron() -> None:
    x, weight = X.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
    (grad,) = torch.autograd.grad(linear_op(x, weight, BIAS).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(grad.sum(), weight)
    y = torch.nn.functional.linear(x, weight, BIAS)
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    torch.testing.assert_close(second, torch.autograd.grad(grad.sum(), weight)[0])
    case = lif_case(2, 5, 3)
    leaves = case.leaves()
    spikes = refractory_lif_op(*leaves, "subtract", "atan", 1.3, "full", "auto")[0]
    (grad,) = torch.autograd.grad(spikes.sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match=r"refractory_lif_backward\S* has no gradient of its own"):
        grad.sum().backward()


def test_a_call_does_not_load_the_compiler() -> None:
    code = (
        "import sys, torch; from longspike.kernels.mixing import glu; x = torch.randn(1, 4, requires_grad=True)\n"
        "glu(x).sum().backward(); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr

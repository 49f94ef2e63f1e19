"""The zero-skipping linear map and the gated linear unit against PyTorch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from longspike.kernels import native
from longspike.kernels.mixing import glu, linear
from longspike.nn import SpikeLinear
from operators import relative_error
from tolerances import GLU, MIXING

DTYPES = (torch.float32, torch.float64)
SHAPES = ((), (1,), (7,), (2, 33), (3, 5, 2), (0,), (2, 0))
SIZES = ((1, 1), (3, 2), (5, 37), (41, 130), (2, 257))  # inputs, outputs: one vector, tails, wide tiles and a tail


def sparse(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype) * (torch.rand(*shape) < 0.4)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_linear(has_bias: bool, inputs: int, outputs: int, shape: tuple, dtype: torch.dtype) -> None:
    x, weight = sparse(*shape, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
    bias = torch.randn(outputs, dtype=dtype) if has_bias else None
    y = linear(x, weight, bias, method="compiled")
    assert y.shape == (*shape, outputs)
    assert y.dtype == dtype
    assert relative_error(y, F.linear(x, weight, bias)) <= MIXING[name(dtype)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_references_by_their_equations(dtype: torch.dtype) -> None:
    x, weight, bias = sparse(2, 7, 5, dtype=dtype), torch.randn(6, 5, dtype=dtype), torch.randn(6, dtype=dtype)
    product = np.einsum("bti,oi->bto", x.double().numpy(), weight.double().numpy())
    for held, added in ((bias, product + bias.double().numpy()), (None, product)):
        y = linear(x, weight, held, method="reference")
        assert relative_error(y, torch.from_numpy(added)) <= MIXING[name(dtype)]
    gated = product[..., :3] / (1 + np.exp(-product[..., 3:]))
    y = glu(torch.from_numpy(product).to(dtype), method="reference")
    assert y.dtype == dtype
    assert relative_error(y, torch.from_numpy(gated)) <= GLU[name(dtype)]


def test_auto_takes_the_compiled_route_where_there_is_one() -> None:
    method = "compiled" if native.is_available() else "reference"
    x, weight, bias = sparse(67, 41, dtype=torch.float32), torch.randn(54, 41), torch.randn(54)
    assert torch.equal(linear(x, weight, bias), linear(x, weight, bias, method=method))
    assert torch.equal(glu(x @ weight.t()), glu(x @ weight.t(), method=method))


@pytest.mark.needs_extension
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (2, 5)])
def test_linear_gradcheck(shape: tuple, has_bias: bool) -> None:
    x = sparse(*shape, 3, dtype=torch.float64).requires_grad_()
    weight, bias = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((4, 3), (4,)))
    leaves = (x, weight, bias) if has_bias else (x, weight, None)
    assert torch.autograd.gradcheck(lambda *a: linear(*a, method="compiled"), leaves)


@pytest.mark.needs_extension
def test_linear_behind_strides() -> None:
    x, weight = torch.randn(5, 7, 3).transpose(0, 2), torch.randn(5, 11).t()
    bias = torch.randn(11)
    assert relative_error(linear(x, weight, bias), F.linear(x, weight, bias)) <= MIXING["float32"]


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_row_depends_on_that_row_alone(dtype: torch.dtype) -> None:
    x, weight, bias = sparse(67, 41, dtype=dtype), torch.randn(53, 41, dtype=dtype), torch.randn(53, dtype=dtype)
    whole = linear(x, weight, bias)
    for size in (1, 2, 31, 32, 33):
        parts = [linear(rows, weight, bias) for rows in x.split(size)]
        assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(linear(x.flip(0), weight, bias).flip(0), whole)
    assert torch.equal(linear(x.view(1, 67, 41), weight, bias)[0], whole)


@pytest.mark.needs_extension
def test_linear_skips_the_weights_of_silent_inputs() -> None:
    """A zero input contributes nothing, not 0 * inf = NaN: the compiled route never reads its weights."""
    weight = torch.tensor([[2.0, float("inf")], [3.0, float("nan")]])
    y = linear(torch.tensor([[1.0, 0.0], [0.0, -0.0]]), weight, torch.tensor([0.5, 0.25]), method="compiled")
    assert y.tolist() == [[2.5, 3.25], [0.5, 0.25]]
    assert bool(linear(torch.tensor([[1.0, 1.0]]), weight, None, method="compiled")[0, 1].isnan())


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3, 19, 64])
def test_glu(channels: int, shape: tuple, dtype: torch.dtype) -> None:
    x = 3 * torch.randn(*shape, 2 * channels, dtype=dtype)
    y = glu(x, method="compiled")
    assert y.shape == (*shape, channels)
    assert relative_error(y, F.glu(x, dim=-1)) <= GLU[name(dtype)]


@pytest.mark.needs_extension
def test_glu_gradcheck() -> None:
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(glu, (x,))
    assert torch.autograd.gradcheck(lambda x: glu(x.transpose(0, 1)), (x,))


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
def test_glu_saturates_without_nan(dtype: torch.dtype) -> None:
    gate = torch.tensor([-1e30, -800.0, -90.0, 0.0, 90.0, 800.0, 1e30], dtype=dtype)
    x = torch.cat([torch.ones(7, dtype=dtype), gate])[None].requires_grad_()
    y = glu(x)
    y.sum().backward()
    torch.testing.assert_close(y[0], torch.sigmoid(gate), rtol=GLU[name(dtype)], atol=1e-30)
    assert bool(x.grad.isfinite().all())


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
def test_glu_row_depends_on_that_row_alone(dtype: torch.dtype) -> None:
    x = torch.randn(67, 38, dtype=dtype)
    whole = glu(x)
    for size in (1, 31, 33):
        assert torch.equal(torch.cat([glu(rows) for rows in x.split(size)]), whole)


@pytest.mark.needs_extension
def test_many_rows_on_all_threads() -> None:
    x, weight = sparse(3001, 41, dtype=torch.float32), torch.randn(53, 41)
    assert torch.equal(linear(x, weight, None)[1234:1240], linear(x[1234:1240], weight, None))
    assert relative_error(linear(x, weight, None), F.linear(x, weight)) <= MIXING["float32"]
    wide = torch.randn(3001, 38)
    assert torch.equal(glu(wide)[1234:1240], glu(wide[1234:1240]))


def test_instruction_sets_agree(architectures: list[str]) -> None:
    x, weight, bias = sparse(9, 41, dtype=torch.float64), torch.randn(37, 41).double(), torch.randn(37).double()
    wide = torch.randn(9, 38, dtype=torch.float64)
    for arch in architectures:
        native.extension().use_architecture(arch)
        assert relative_error(linear(x, weight, bias), F.linear(x, weight, bias)) <= MIXING["float64"]
        assert relative_error(glu(wide), F.glu(wide)) <= GLU["float64"]


def test_half_precision_takes_pytorchs_route() -> None:
    layer = SpikeLinear(5, 3)
    x = torch.randn(2, 7, 5, dtype=torch.bfloat16)
    y = layer(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, F.linear(x, layer.weight.bfloat16(), layer.bias.bfloat16()))

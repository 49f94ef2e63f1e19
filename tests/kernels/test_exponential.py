"""The kernels' own exp, through the sigmoid of the gate: accurate on every instruction set, and NaN stays NaN."""

import numpy as np
import pytest
import torch

from longspike.kernels import native
from longspike.kernels.mixing import glu

pytestmark = pytest.mark.needs_extension
ULPS = 4  # exp is good to two; the addition and the division round once each, on numbers of twice the size at worst


def exact_sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x) in long double: the error of double precision itself is to be seen."""
    return 1 / (1 + np.exp(-x.astype(np.longdouble)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exp_is_as_accurate_as_it_says(architectures: list[str], dtype: torch.dtype) -> None:
    """Where x is far below zero the sigmoid is e^x, so no digit of a wrong exp hides; a shorter series shows."""
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        pytest.skip("long double is double here")
    span = 80.0 if dtype == torch.float32 else 700.0
    x = torch.cat([torch.linspace(-span, 20, 4001, dtype=dtype), torch.linspace(-1, 1, 999, dtype=dtype)])
    exact = exact_sigmoid(x.numpy())
    for name in architectures:
        native.extension().use_architecture(name)
        y = glu(torch.cat([torch.ones_like(x), x])[None], method="compiled")[0].numpy()
        error = np.abs(y.astype(np.longdouble) / exact - 1) / torch.finfo(dtype).eps
        assert error.max() < ULPS, (name, float(error.max()), float(x[int(error.argmax())]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_beyond_the_finite_range(architectures: list[str], dtype: torch.dtype) -> None:
    gate = torch.tensor([float("nan"), -torch.inf, -1e30, 1e30, torch.inf], dtype=dtype)
    for name in architectures:
        native.extension().use_architecture(name)
        y = glu(torch.cat([torch.full_like(gate, 3), gate])[None], method="compiled")[0]
        assert y[0].isnan(), name
        assert y[1:3].abs().max() < 1e-37, name
        assert y[3:].tolist() == [3, 3], name

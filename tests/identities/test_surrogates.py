"""Each surrogate's slope is the derivative of its primitive, by central differences."""

import pytest
import torch

from longspike.nn import Surrogate
from operators import SURROGATES
from tolerances import NUMERIC_SLOPE

DEFAULTS = tuple(Surrogate(s.name) for s in SURROGATES)
STEP = 1e-6


@pytest.mark.parametrize("surrogate", [*SURROGATES, *DEFAULTS], ids=str)
def test_slope_is_the_derivative_of_the_primitive(surrogate: Surrogate) -> None:
    z = torch.linspace(-2.03, 2.01, 4001, dtype=torch.float64)
    kinks = torch.tensor([0.0, surrogate.value, -surrogate.value, surrogate.value / 2, -surrogate.value / 2])
    z = z[((z[:, None] - kinks).abs() > 3 * STEP).all(dim=1)]
    numeric = (surrogate.primitive(z + STEP) - surrogate.primitive(z - STEP)) / (2 * STEP)
    largest = surrogate.slope(torch.zeros(1, dtype=torch.float64)).item()
    assert float((surrogate.slope(z) - numeric).abs().max()) <= NUMERIC_SLOPE * max(1.0, largest) * surrogate.value**2


@pytest.mark.parametrize("surrogate", [*SURROGATES, *DEFAULTS], ids=str)
def test_slope_is_even_positive_at_the_threshold_and_largest_there(surrogate: Surrogate) -> None:
    z = torch.linspace(0, 4, 401, dtype=torch.float64)
    slope = surrogate.slope(z)
    torch.testing.assert_close(slope, surrogate.slope(-z))
    assert slope[0] > 0
    assert bool((slope >= 0).all())
    assert float(slope.max()) == float(slope[0])


@pytest.mark.parametrize("name", ["triangle", "boxcar", "atan", "sigmoid"])
def test_primitive_climbs_from_zero_to_one(name: str) -> None:
    primitive = Surrogate(name).primitive(torch.tensor([-1e4, 0.0, 1e4], dtype=torch.float64))
    torch.testing.assert_close(primitive, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), rtol=0, atol=1e-4)

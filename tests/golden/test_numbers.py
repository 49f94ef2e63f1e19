"""Numbers worked out by hand or published; each test states its source."""

import math

import pytest
import torch

from longspike.functional import LIFState, beta_from_tau, refractory_lif
from longspike.nn import SDN, Surrogate
from longspike.ssm.initialisation import hippo_legs, initial_poles, legs_spectrum


def test_hippo_legs_by_hand() -> None:
    """Gu et al. 2020, HiPPO, equation of LegS: -sqrt((2n+1)(2k+1)) below the diagonal, -(n+1) on it."""
    assert hippo_legs(1).tolist() == [[-1.0]]
    expected = [
        [-1.0, 0.0, 0.0],
        [-math.sqrt(3), -2.0, 0.0],
        [-math.sqrt(5), -math.sqrt(15), -3.0],
    ]
    torch.testing.assert_close(hippo_legs(3), torch.tensor(expected, dtype=torch.float64), rtol=1e-15, atol=0)


def test_legs_spectrum_of_two_by_hand() -> None:
    """A + P P^T = [[-1/2, sqrt(3)/2], [-sqrt(3)/2, -1/2]]: eigenvalues -1/2 +- i sqrt(3)/2."""
    assert legs_spectrum(2)[0] == pytest.approx(complex(-0.5, math.sqrt(3) / 2), abs=1e-15)


def test_s4d_lin_and_inv_by_hand() -> None:
    """Gu et al. 2022, S4D, equations of S4D-Lin and S4D-Inv, N = 4."""
    assert initial_poles(4, "lin").tolist() == [complex(-0.5, 0.0), complex(-0.5, math.pi)]
    inverse = initial_poles(4, "inv")
    assert inverse[0] == pytest.approx(complex(-0.5, 4 / math.pi * 3), abs=1e-15)
    assert inverse[1] == pytest.approx(complex(-0.5, 4 / math.pi * (4 / 3 - 1)), abs=1e-15)


@pytest.mark.parametrize("method", ["reference", "sequential", "speculative", "pmbc"])
def test_refractory_neuron_by_hand(method: str) -> None:
    """beta 1/2, threshold 1, rho 1/2, gamma 1/2, current 3/2 throughout; every number is exact in binary.

    v = 1.5            r = 0      z = 1.5      spike
    v = .25 + 1.5      r = 1      z = 1.25     spike
    v = .375 + 1.5     r = 1.5    z = 1.125    spike
    v = .4375 + 1.5    r = 1.75   z = 1.0625   spike
    v = .46875 + 1.5   r = 1.875  z = 1.03125  spike
    """
    spikes, end = refractory_lif(torch.full((1, 5, 1), 1.5), beta=0.5, threshold=1.0, rho=0.5, gamma=0.5, method=method)
    assert spikes.flatten().tolist() == [1.0, 1.0, 1.0, 1.0, 1.0]
    assert (end.v.item(), end.r.item(), end.spike.item()) == (1.96875, 1.875, 1.0)


@pytest.mark.parametrize("method", ["reference", "sequential", "speculative"])
def test_resets_by_hand(method: str) -> None:
    """beta 1/2, threshold 1, currents 2, 1/4, 7/8, from rest, no refractoriness.

    subtract: v = 2 (spike), 1/2 + 1/4 = 3/4, 3/8 + 7/8 = 5/4 (spike)
    zero:     v = 2 (spike), 0 + 1/4 = 1/4, 1/8 + 7/8 = 1: not above the threshold
    none:     v = 2 (spike), 1 + 1/4 = 5/4 (spike), 5/8 + 7/8 = 3/2 (spike)
    """
    current = torch.tensor([2.0, 0.25, 0.875])[None, :, None]
    expected = {"subtract": ([1, 0, 1], 1.25), "zero": ([1, 0, 0], 1.0), "none": ([1, 1, 1], 1.5)}
    for reset, (spikes, v) in expected.items():
        ours, end = refractory_lif(current, beta=0.5, reset=reset, method=method)
        assert ours.flatten().tolist() == spikes
        assert end.v.item() == v


@pytest.mark.parametrize("method", ["reference", "sequential", "speculative", "pmbc"])
def test_initial_state_by_hand(method: str) -> None:
    """v 4, r 2, spike 1, beta 1/2, threshold 2, rho 1, gamma 1/4: r = 3/2, v = (4 - 2)/2 + 3 = 4, z = 5/2 > 2."""
    state = LIFState(torch.tensor([[4.0]]), torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    spikes, end = refractory_lif(
        torch.tensor([[[3.0]]]), beta=0.5, threshold=2.0, rho=1.0, gamma=0.25, state=state, method=method
    )
    assert (spikes.item(), end.v.item(), end.r.item()) == (1.0, 4.0, 1.5)


def test_sdn_has_153_parameters() -> None:
    """Shen et al. 2024, SpikingSSMs: convolution 8 + 8, mixing 64 + 8, read-out 8 + 1, look-back 8 x 8: 153."""
    assert sum(p.numel() for p in SDN(3).predictor.parameters()) == 153


def test_default_scales_of_the_surrogates() -> None:
    scales = {name: Surrogate(name).scale for name in ("triangle", "fast_sigmoid", "atan", "boxcar", "sigmoid")}
    assert scales == {"triangle": 1.0, "fast_sigmoid": 25.0, "atan": 2.0, "boxcar": 1.0, "sigmoid": 4.0}


def test_beta_of_twenty_milliseconds() -> None:
    """exp(-1/20) = 0.951229424500714."""
    assert beta_from_tau(0.02, 0.001) == pytest.approx(0.951229424500714, rel=1e-14)

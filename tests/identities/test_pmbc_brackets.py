"""PMBC's mathematics by a dense matrix: the spike map reverses order, so its iterates close in on the spikes."""

import numpy as np
import pytest
import torch

from longspike.functional import LIFState, refractory_lif
from operators import lif_case


def spike_map(case, sample: int, channel: int):
    """F(x) = H(c - K x - theta) for one lane, K written out: k_m = theta*beta^m + rho*gamma^(m-1)."""
    beta, theta, rho, gamma = (float(p[channel]) for p in case.parameters)
    v, r, s = (float(part[sample, channel]) for part in case.state)
    current = case.current[sample, :, channel].numpy()
    seqlen = len(current)
    c, membrane = np.zeros(seqlen), v - theta * s
    for t in range(seqlen):
        membrane = beta * membrane + current[t]
        c[t] = membrane - rho * gamma**t * (gamma * r + s)
    lag = np.arange(seqlen)[:, None] - np.arange(seqlen)[None]
    power = np.where(lag > 0, lag, 1)
    kernel = np.where(lag > 0, theta * beta**power + rho * gamma ** (power - 1.0), 0.0)
    return lambda x: (c - kernel @ x > theta).astype(float)


@pytest.mark.parametrize("channel", range(7))
def test_iterates_bracket_the_spikes(channel: int) -> None:
    case = lif_case(2, 131, 7, dtype=torch.float64)
    named = case.named()
    for sample in range(2):
        truth = refractory_lif(case.current, **named, state=LIFState(*case.state), method="reference")[0]
        spikes = truth[sample, :, channel].numpy()
        step = spike_map(case, sample, channel)
        np.testing.assert_array_equal(step(spikes), spikes)  # the spikes are the fixed point
        low, high = np.zeros_like(spikes), np.ones_like(spikes)
        for _ in range(132):
            closer_low, closer_high = step(high), step(low)
            assert (closer_low >= low).all()  # from below, never down again
            assert (closer_high <= high).all()
            assert (closer_low <= spikes).all()
            assert (spikes <= closer_high).all()
            low, high = closer_low, closer_high
        np.testing.assert_array_equal(low, high)  # every position settles within seqlen rounds


def test_alternating_iterates_agree_only_where_they_are_right() -> None:
    case = lif_case(1, 131, 7, dtype=torch.float64)
    truth = refractory_lif(case.current, **case.named(), state=LIFState(*case.state), method="reference")[0]
    for channel in range(7):
        step, spikes = spike_map(case, 0, channel), truth[0, :, channel].numpy()
        x = np.zeros_like(spikes)
        for _ in range(140):
            following = step(x)
            certain = following == x
            np.testing.assert_array_equal(following[certain], spikes[certain])
            x = following
        assert certain.all()


def test_a_constant_drive_settles_about_one_position_a_round() -> None:
    """The worst case that MAX_ITERATIONS and the repair are there for."""
    current = torch.full((1, 400, 1), 0.2, dtype=torch.float64)
    *_, certificate = refractory_lif(current, beta=0.95, method="pmbc", return_certificate=True)
    assert certificate.resolved < certificate.positions
    assert certificate.repaired >= certificate.positions - certificate.resolved


def test_rounding_of_the_loop_decides_at_the_threshold() -> None:
    """The second current completes the threshold up to a rounding: there exact arithmetic and the loop part ways."""
    beta, threshold = 0.7, 0.9
    first = torch.rand(2000) * 0.8
    second = torch.tensor(threshold) - torch.tensor(beta) * first
    current = torch.stack([first, second])[None]
    options = {"beta": torch.tensor(beta), "threshold": torch.tensor(threshold)}
    loop, _ = refractory_lif(current, method="reference", **options)
    wide = {name: value.double() for name, value in options.items()}
    exact, _ = refractory_lif(current.double(), method="reference", **wide)
    assert int((loop != exact).sum()) > 20
    assert torch.equal(refractory_lif(current, method="pmbc", **options)[0], loop)

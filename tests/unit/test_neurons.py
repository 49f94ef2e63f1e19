"""The neuron modules."""

import math

import pytest
import torch

from longspike.functional import LIFState, hard_reset_orbit, refractory_lif
from longspike.nn import (
    GELU,
    SDN,
    Bernoulli,
    Graded,
    HardResetLIF,
    Heaviside,
    NeuronConfig,
    RefractoryLIF,
    SpikingBlock,
    Surrogate,
)
from longspike.training import firing_rate
from operators import RESETS
from tolerances import BFLOAT16, SDN_WHITE_NOISE, SIGMAS


def test_refractory_module_is_the_function_at_its_parameters() -> None:
    for reset in RESETS:
        neuron = RefractoryLIF(5, beta=0.7, threshold=0.6, rho=0.3, gamma=0.25, reset=reset)
        with torch.no_grad():
            neuron.log_threshold += 0.3 * torch.randn(5)
            neuron.log_rho += 0.3 * torch.randn(5)
        x = torch.randn(2, 70, 5)
        spikes, end = neuron(x)
        beta, threshold, rho, gamma = neuron.dynamics()
        expected, expected_end = refractory_lif(x, beta=beta, threshold=threshold, rho=rho, gamma=gamma, reset=reset)
        assert torch.equal(spikes, expected)
        assert all(torch.equal(a, b) for a, b in zip(end, expected_end, strict=True))


def test_refractory_module_shows_its_certificate() -> None:
    x = torch.randn(2, 70, 5)
    for method in ("reference", "pmbc"):
        neuron = RefractoryLIF(5, method=method)
        spikes, end, certificate = neuron.certified(x)
        expected, expected_end = neuron(x)
        assert torch.equal(spikes, expected)
        assert torch.equal(end.v, expected_end.v)
        assert certificate.method == method
        assert certificate.positions == x.numel()
        assert (certificate.iterations > 0) == (method == "pmbc")


def test_refractory_module_starts_where_it_was_told() -> None:
    neuron = RefractoryLIF(3, beta=0.7, threshold=0.6, rho=0.3, gamma=0.25, trains_beta=True, trains_gamma=True)
    for value, wanted in zip(neuron.dynamics(), (0.7, 0.6, 0.3, 0.25), strict=True):
        torch.testing.assert_close(value, torch.full((3,), wanted))
    fixed = RefractoryLIF(3, beta=0.7, gamma=0.25)
    assert torch.equal(fixed.dynamics()[0], torch.full((3,), 0.7))
    assert torch.equal(fixed.dynamics()[3], torch.full((3,), 0.25))


def test_rho_zero_has_no_refractory_parameter() -> None:
    neuron = RefractoryLIF(3, rho=0)
    assert {name for name, _ in neuron.named_parameters()} == {"log_threshold"}
    assert torch.equal(neuron.dynamics()[2], torch.zeros(3))


@pytest.mark.parametrize("gradient", ["full", "detach_reset", "instant"])
@pytest.mark.parametrize("reset", RESETS)
def test_trained_dynamics_get_finite_gradients(reset: str, gradient: str) -> None:
    neuron = RefractoryLIF(
        5, beta=0.6, gamma=0.4, reset=reset, gradient=gradient, surrogate="atan", trains_beta=True, trains_gamma=True
    )
    spikes, end = neuron(torch.randn(2, 70, 5))
    (spikes.sum() + end.v.sum() + end.r.sum()).backward()
    names = dict(neuron.named_parameters())
    assert set(names) == {"log_threshold", "log_rho", "logit_beta", "logit_gamma"}
    for name, p in names.items():
        assert bool(p.grad.isfinite().all()), name
        assert bool((p.grad != 0).any()), name


@pytest.mark.parametrize(
    "neuron",
    [RefractoryLIF(3, beta=0.6), HardResetLIF(3, beta=0.6), SDN(3), Heaviside(3), Graded(3, levels=2), GELU(3)],
)
def test_steps_equal_the_sequence(neuron) -> None:
    x = torch.randn(2, 33, 3)
    whole, end = neuron(x)
    state, steps = neuron.init_state(2), []
    for t in range(33):
        y, state = neuron.step(x[:, t], state)
        steps.append(y)
    torch.testing.assert_close(torch.stack(steps, 1), whole)
    torch.testing.assert_close(state, end)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("build", [RefractoryLIF, HardResetLIF, SDN, Heaviside, Graded, GELU, Bernoulli])
def test_dtype_of_the_input_comes_out(build, dtype: torch.dtype) -> None:
    y, _ = build(3)(torch.randn(2, 9, 3, dtype=dtype))
    assert y.dtype == dtype


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "channels"), [(0.125, 151), (0.2, 149), (0.5, 83), (0.9, 5)])
def test_hard_reset_is_the_loop_and_its_orbit(beta: float, channels: int) -> None:
    """1.0e6 positions in all; float64, so that the two routes round alike."""
    current = 0.5 + torch.randn(2, 1301, channels, dtype=torch.float64)
    neuron = HardResetLIF(channels, beta=beta).double()
    spikes, _ = neuron(current)
    expected, _ = refractory_lif(current, beta=beta, reset="zero", rho=0.0, method="reference")
    assert torch.equal(spikes, expected)
    assert torch.equal(hard_reset_orbit(current, beta=beta), spikes)


@pytest.mark.parametrize("seqlen", [1, 2, 3, 63, 64, 65, 130])
def test_orbit_of_short_and_odd_lengths(seqlen: int) -> None:
    for mean in (-1.0, 0.1, 1.5):
        current = (mean + torch.randn(1, 3, seqlen, dtype=torch.float64)).transpose(1, 2)
        expected, _ = refractory_lif(current, beta=0.5, reset="zero")
        assert torch.equal(hard_reset_orbit(current, beta=0.5), expected)


def test_orbit_of_constant_and_silent_drive() -> None:
    current = torch.tensor([0.9, 0.0, 2.0, -3.0]).expand(1, 200, 4)
    expected, _ = refractory_lif(current.double(), beta=0.5, reset="zero")
    ours = hard_reset_orbit(current, beta=0.5)
    assert ours.dtype == torch.float32
    assert ours.sum(1)[0].tolist() == [100.0, 0.0, 200.0, 0.0]
    assert torch.equal(ours.double(), expected)


def test_a_membrane_at_the_threshold_is_silent() -> None:
    """1, then 1.5 spikes; after the reset again exactly 1."""
    current, expected = torch.ones(1, 6, 1), [0, 1, 0, 1, 0, 1]
    assert hard_reset_orbit(current, beta=0.5).flatten().tolist() == expected
    assert refractory_lif(current, beta=0.5, reset="zero")[0].flatten().tolist() == expected


def test_hard_reset_threshold_divides_the_current() -> None:
    neuron = HardResetLIF(3, beta=0.3)
    with torch.no_grad():
        neuron.ln_vth.copy_(torch.tensor([0.0, 0.5, -0.5]))
    x = torch.randn(2, 70, 3)
    expected, _ = refractory_lif(x, beta=0.3, threshold=neuron.ln_vth.exp().detach(), reset="zero")
    assert float((neuron(x)[0] != expected).float().mean()) < 0.01  # scaling rounds
    neuron(x)[0].sum().backward()
    assert bool(neuron.ln_vth.grad.isfinite().all())
    assert not HardResetLIF(3, trains_threshold=False).ln_vth.requires_grad


@torch.no_grad()
def test_sdn_on_white_noise_and_on_a_constant_drive() -> None:
    """Right on what it was fitted to; silent on a constant 0.9, where the exact neuron fires: the documented fault."""
    x = torch.randn(4, 2000, 5)
    exact, _ = HardResetLIF(5, beta=0.125)(x)
    assert 0.1 < float(exact.mean()) < 0.3
    assert float((SDN(5)(x)[0] != exact).float().mean()) < SDN_WHITE_NOISE
    constant = torch.full((1, 200, 1), 0.9)
    assert float(HardResetLIF(1, beta=0.125)(constant)[0].detach().mean()) > 0.4
    assert float(SDN(1)(constant)[0].detach().sum()) == 0


def test_sdn_gradient_is_that_of_the_present_input() -> None:
    neuron, x = SDN(3), torch.randn(1, 20, 3, requires_grad=True)
    spikes, _ = neuron(x)
    (grad,) = torch.autograd.grad(spikes[:, 12].sum(), x)
    assert bool((grad[:, :12] == 0).all())
    assert bool((grad[:, 13:] == 0).all())
    assert all(not p.requires_grad for p in neuron.predictor.parameters())


def test_heaviside() -> None:
    neuron = Heaviside(3, threshold=0.5, surrogate=Surrogate("atan", 1.5))
    x = torch.tensor([[[0.5, 0.5001, -2.0]]], requires_grad=True)
    spikes, state = neuron(x)
    assert spikes.tolist() == [[[0.0, 1.0, 0.0]]]
    assert state == neuron.init_state(4) == ()
    spikes.sum().backward()
    torch.testing.assert_close(x.grad, Surrogate("atan", 1.5).slope(x.detach() - 0.5))


@pytest.mark.parametrize(("levels", "is_signed"), [(1, False), (1, True), (3, False), (4, True)])
def test_graded_spikes_round_and_clip(levels: int, is_signed: bool) -> None:
    x = torch.linspace(-6.3, 6.3, 42, dtype=torch.float64, requires_grad=True)
    spikes, state = Graded(42, levels=levels, is_signed=is_signed, surrogate=Surrogate("atan", 1.5))(x)
    assert state == ()
    assert torch.equal(spikes, x.detach().round().clamp(-levels if is_signed else 0, levels))
    spikes.sum().backward()
    thresholds = [k + 0.5 for k in range(levels)] + ([-k - 0.5 for k in range(levels)] if is_signed else [])
    expected = sum(Surrogate("atan", 1.5).slope(x.detach() - threshold) for threshold in thresholds)
    torch.testing.assert_close(x.grad, expected)


@pytest.mark.parametrize("kind", ["ternary", "multi_bit"])
def test_a_spike_counts_its_strength_in_the_rate(kind: str) -> None:
    torch.manual_seed(0)
    block = SpikingBlock(4, d_state=4, norm="none", neuron=NeuronConfig(kind=kind))
    x, lengths = 5 * torch.randn(3, 20, 4), torch.tensor([20, 7, 1])
    _, spikes, _ = block.outputs(x, lengths=lengths)
    assert int(spikes.min()) == (-1 if kind == "ternary" else 0)
    assert int(spikes.max()) == (1 if kind == "ternary" else 3)
    _, counts, _ = block.activity(x, lengths=lengths)
    assert torch.equal(counts, torch.stack([s[:n].abs().sum(0) for s, n in zip(spikes, lengths, strict=True)]))
    rate = firing_rate(spikes, lengths)
    torch.testing.assert_close(rate, counts.sum() / (28 * 4))


def test_bernoulli_fires_as_often_as_it_should() -> None:
    n, p = 40_000, torch.tensor([-0.5, 0.0, 0.1, 0.7, 1.0, 1.5])
    x = p.expand(1, n, 6).clone().requires_grad_()
    spikes, _ = Bernoulli(6)(x)
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    wanted = p.clamp(0, 1)
    error = (spikes.detach().mean(1)[0] - wanted).abs()
    assert bool((error <= SIGMAS * (wanted * (1 - wanted) / n).sqrt()).all())
    spikes.sum().backward()
    assert x.grad[0, 0].tolist()[2:4] == [1.0, 1.0]
    assert x.grad[0, 0, 0] == x.grad[0, 0, 5] == 0


def test_bernoulli_repeats_with_the_seed_and_draws_in_evaluation() -> None:
    neuron, x = Bernoulli(3).eval(), torch.full((2, 50, 3), 0.5)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(neuron(x)[0])
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_gelu_by_its_formula() -> None:
    x = torch.linspace(-3, 3, 21, dtype=torch.float64)[None, :, None]
    expected = 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    torch.testing.assert_close(GELU(1)(x)[0], expected)


def test_state_of_half_precision_is_close_to_that_of_float32() -> None:
    x = torch.randn(2, 9, 3)
    half, full = RefractoryLIF(3)(x.bfloat16())[1], RefractoryLIF(3)(x.bfloat16().float())[1]
    torch.testing.assert_close(half.v, full.v, rtol=BFLOAT16, atol=BFLOAT16)
    assert isinstance(half, LIFState)


def test_representation_names_the_options() -> None:
    assert "reset=zero" in repr(RefractoryLIF(3, reset="zero"))


@pytest.mark.parametrize(("rho", "explodes"), [(1.0, False), (6.0, True)])
def test_the_full_gradient_grows_without_bound_where_a_neuron_is_strongly_refractory(
    rho: float, explodes: bool
) -> None:
    """Backwards, kappa[t] holds (gamma - rho g'(z)) kappa[t+1]: unstable where rho g'(z) > 1 + gamma."""
    torch.manual_seed(0)
    drive = 1.0 + 0.5 * torch.randn(1, 400, 1, dtype=torch.float64)
    largest = {}
    for gradient in ("full", "instant"):
        current = drive.clone().requires_grad_()
        values = {"beta": 0.125, "threshold": 1.0, "rho": rho, "gamma": 0.5}
        parameters = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
        spikes, _ = refractory_lif(current, **parameters, gradient=gradient)
        spikes.sum().backward()
        largest[gradient] = float(current.grad.abs().max())
    assert largest["instant"] <= 1.0
    assert (largest["full"] > 1e6) == explodes

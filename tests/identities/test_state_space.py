"""The formulas of S4D: discretisation, kernel, poles."""

import math

import numpy as np
import pytest
import torch

from longspike.nn import S4D
from longspike.ssm.discretise import bilinear, zero_order_hold
from longspike.ssm.initialisation import hippo_legs, initial_poles, legs_spectrum
from tolerances import DISCRETISE, EIGENVALUES, S4D_FFT, S4D_SCAN


def complex_pair(pair: torch.Tensor) -> torch.Tensor:
    return torch.complex(pair[:, 0], pair[:, 1])


@pytest.mark.parametrize("rule", [zero_order_hold, bilinear])
@pytest.mark.parametrize("dt_scale", [1e-6, 1e-3, 0.1, 3.0])
def test_discretisation_is_the_complex_formula(rule, dt_scale: float) -> None:
    a_real = -torch.rand(5, 3, dtype=torch.float64) - 0.01
    a_imag = 20 * torch.randn(5, 3, dtype=torch.float64)
    a_imag[0] = 0
    dt = dt_scale * (0.5 + torch.rand(3, dtype=torch.float64))
    a_bar, b_bar = map(complex_pair, rule(a_real, a_imag, dt))
    a = torch.complex(a_real, a_imag)
    if rule is zero_order_hold:
        expected_a, expected_b = torch.exp(dt * a), torch.special.expm1(a_real * dt) * 0 + (torch.exp(dt * a) - 1) / a
        relative = 1e-15 / dt_scale  # the complex formula itself cancels for a small step
    else:
        expected_a, expected_b, relative = (1 + dt * a / 2) / (1 - dt * a / 2), dt / (1 - dt * a / 2), 0.0
    torch.testing.assert_close(a_bar, expected_a, rtol=DISCRETISE, atol=DISCRETISE)
    torch.testing.assert_close(b_bar, expected_b, rtol=DISCRETISE + 100 * relative, atol=0)


@pytest.mark.parametrize("rule", [zero_order_hold, bilinear])
def test_discrete_poles_are_stable(rule) -> None:
    a_bar, _ = rule(-torch.rand(4, 3) - 0.1, 30 * torch.randn(4, 3), torch.rand(3) + 0.01)
    assert float(complex_pair(a_bar).abs().max()) < 1


def layer(d_model: int, d_state: int, discretisation: str, method: str = "auto", init: str = "lin") -> S4D:
    torch.manual_seed(7)
    return S4D(
        d_model, d_state=d_state, discretisation=discretisation, method=method, init=init, dt_min=0.01, dt_max=0.3
    ).double()


@pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])
@pytest.mark.parametrize("d_state", [2, 4, 6, 10])
def test_impulse_response_is_the_kernel_formula(d_state: int, discretisation: str) -> None:
    """K[l] = 2 Re sum_n C_n B_bar_n A_bar_n^l, plus D at l = 0."""
    s4d, seqlen = layer(3, d_state, discretisation), 67
    impulse = torch.zeros(1, seqlen, 3, dtype=torch.float64)
    impulse[:, 0] = 1
    a = torch.complex(-s4d.log_A_real.exp(), s4d.A_imag).detach().numpy()
    dt, c = s4d.log_dt.exp().detach().numpy(), complex_pair(s4d.C).detach().numpy()
    if discretisation == "zoh":
        a_bar, b_bar = np.exp(dt * a), (np.exp(dt * a) - 1) / a
    else:
        a_bar, b_bar = (1 + dt * a / 2) / (1 - dt * a / 2), dt / (1 - dt * a / 2)
    kernel = np.stack([2 * (c * b_bar * a_bar**step).sum(0).real for step in range(seqlen)])
    kernel[0] += s4d.D.detach().numpy()
    np.testing.assert_allclose(s4d(impulse)[0][0].detach().numpy(), kernel, rtol=0, atol=S4D_FFT["float64"])


@pytest.mark.parametrize("init", ["lin", "inv", "legs"])
@pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])
@pytest.mark.parametrize(("d_model", "d_state"), [(1, 2), (3, 4), (5, 10)])
def test_scan_convolution_loop_step_and_chunks_agree(
    d_model: int, d_state: int, discretisation: str, init: str
) -> None:
    x = torch.randn(2, 17, d_model, dtype=torch.float64)
    start = torch.randn(2, d_state // 2, 2, d_model, dtype=torch.float64)
    results = {}
    for method in ("scan", "fft", "reference"):
        s4d = layer(d_model, d_state, discretisation, method, init)
        y, end = s4d(x, start)
        results[method] = y
        state, steps = start, []
        for t in range(17):
            y_t, state = s4d.step(x[:, t], state)
            steps.append(y_t)
        torch.testing.assert_close(torch.stack(steps, 1), y, rtol=0, atol=S4D_FFT["float64"])
        torch.testing.assert_close(state, end, rtol=0, atol=S4D_FFT["float64"])
        if method == "scan":
            assert torch.equal(torch.stack(steps, 1), y)
    torch.testing.assert_close(results["scan"], results["reference"], rtol=0, atol=S4D_SCAN["float64"])
    torch.testing.assert_close(results["scan"], results["fft"], rtol=0, atol=S4D_FFT["float64"])


@pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])
@pytest.mark.parametrize("method", ["scan", "fft"])
def test_gradcheck_of_the_layer(discretisation: str, method: str) -> None:
    s4d = layer(3, 4, discretisation, method)
    names, values = zip(*s4d.named_parameters(), strict=True)
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)

    def call(x, *parameters):
        return torch.func.functional_call(s4d, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (x, *values), fast_mode=True)


@pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])
def test_tied_poles_and_a_trained_b(discretisation: str) -> None:
    """Against the same layer with every channel's own poles, and with B multiplied into C."""
    options = {"d_state": 4, "discretisation": discretisation, "dt_min": 0.01, "dt_max": 0.3}
    tied, own = S4D(6, n_ssm=2, trains_b=True, **options).double(), S4D(6, **options).double()
    with torch.no_grad():
        tied.log_A_real.normal_()
        tied.A_imag.normal_(std=3)
        tied.B.normal_()
        for name in ("log_A_real", "A_imag"):
            getattr(own, name).copy_(torch.cat([getattr(tied, name)] * 3, dim=1))
        b = torch.cat([torch.complex(*tied.B.unbind(1))] * 3, dim=1)
        c = torch.complex(*tied.C.unbind(1)) * b
        own.C.copy_(torch.stack([c.real, c.imag], dim=1))
        own.D.copy_(tied.D)
        own.log_dt.copy_(tied.log_dt)
    x = torch.randn(2, 17, 6, dtype=torch.float64)
    torch.testing.assert_close(tied(x)[0], own(x)[0], rtol=0, atol=S4D_SCAN["float64"])
    tied(x)[0].square().sum().backward()
    own(x)[0].square().sum().backward()
    torch.testing.assert_close(tied.A_imag.grad, own.A_imag.grad.view(2, 3, 2).sum(dim=1))
    assert tied.A_imag.shape == (2, 2)
    assert bool(tied.B.grad.abs().min() > 0)


def test_a_b_that_was_not_trained_changes_nothing() -> None:
    torch.manual_seed(2)
    plain = S4D(5, d_state=4)
    torch.manual_seed(2)
    with_b = S4D(5, d_state=4, trains_b=True)
    x = torch.randn(2, 9, 5)
    torch.testing.assert_close(with_b(x)[0], plain(x)[0])


@pytest.mark.parametrize("n_ssm", [0, 4, 7])
def test_sets_of_poles_divide_the_channels(n_ssm: int) -> None:
    with pytest.raises(ValueError, match="`n_ssm` must"):
        S4D(6, n_ssm=n_ssm)


def test_half_precision_in_and_out() -> None:
    s4d = S4D(3, d_state=4)
    x = torch.randn(2, 65, 3, dtype=torch.bfloat16)
    y, end = s4d(x)
    assert y.dtype == torch.bfloat16
    assert end.dtype == torch.float32
    assert torch.equal(y, s4d(x.float())[0].bfloat16())


@pytest.mark.parametrize("d_state", [2, 3, 5, 8, 16])
def test_legs_plus_rank_one_is_normal(d_state: int) -> None:
    """A + P P^T = -I/2 + skew with P[n] = sqrt(n + 1/2)."""
    p = np.sqrt(np.arange(d_state) + 0.5)
    normal = hippo_legs(d_state).numpy() + np.outer(p, p)
    skew = normal + 0.5 * np.eye(d_state)
    np.testing.assert_allclose(skew, -skew.T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("d_state", [2, 4, 10, 16])
def test_legs_spectrum_is_numpys(d_state: int) -> None:
    p = np.sqrt(np.arange(d_state) + 0.5)
    eigenvalues = np.linalg.eigvals(hippo_legs(d_state).numpy() + np.outer(p, p))
    expected = np.sort(eigenvalues.imag[eigenvalues.imag > 0])
    ours = legs_spectrum(d_state).numpy()
    assert ours.shape == (d_state // 2,)
    np.testing.assert_allclose(np.sort(ours.imag), expected, rtol=0, atol=EIGENVALUES)
    np.testing.assert_allclose(ours.real, -0.5, rtol=0, atol=EIGENVALUES)
    assert torch.equal(initial_poles(d_state, "legs"), legs_spectrum(d_state))


def test_steps_start_log_uniform_between_their_bounds() -> None:
    s4d = S4D(4001, d_state=2, dt_min=2e-3, dt_max=5e-2)
    log_dt = s4d.log_dt.detach()
    assert math.log(2e-3) <= float(log_dt.min()) < math.log(2.1e-3)
    assert math.log(4.8e-2) < float(log_dt.max()) <= math.log(5e-2) + 1e-6
    assert abs(float(log_dt.mean()) - math.log(1e-2)) < 0.1

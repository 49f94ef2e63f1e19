"""The formulas of the spike-aware memory: LegS, Woodbury, contraction, S4, the Taylor series, the effective time."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.kernels.sa_hippo.reference import advance
from longspike.kernels.sa_hippo.tables import Dynamics, formula, rows_of
from longspike.nn import SAHippo
from longspike.ssm.dplr import legs_dplr
from longspike.ssm.initialisation import hippo_legs, legs_spectrum
from longspike.ssm.transitions import dense_transition, effective_time, taylor2_dense
from sa_hippo_cases import VARIANTS, dense_memory, dense_step, memory, start, ticks, whole
from strategies import seeds
from tolerances import CONTRACTION, LEGS, SA_HIPPO, SA_HIPPO_ROWS


def real_matrix(rows: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    """T (heads, d_state, d_state) on (Re x, Im x) of the stored halves; its 2-norm is that of the complex T."""
    heads, n_pairs, _, rank = r.shape
    basis = torch.eye(2 * n_pairs, dtype=r.dtype).view(n_pairs, 2, -1).expand(heads, -1, -1, -1)
    return advance(basis, rows_of(rows, n_pairs, rank), r).flatten(1, 2)


def halves(t: np.ndarray) -> np.ndarray:
    """The same matrix from a full complex T."""
    n = len(t) // 2
    kept, mirrored = t[:n, :n], t[:n, n:]
    columns = np.stack([kept + mirrored, 1j * (kept - mirrored)], -1).reshape(n, 2 * n)
    return np.stack([columns.real, columns.imag], 1).reshape(2 * n, 2 * n)


@pytest.mark.parametrize("d_state", [2, 6, 64])
def test_diagonal_plus_rank_one_is_legs(d_state: int) -> None:
    legs = legs_dplr(d_state)
    v = np.concatenate([legs.v.numpy(), legs.v.numpy().conj()], 1)
    p, b, lam = (whole(x.numpy()) for x in (legs.p, legs.b, legs.lam))
    np.testing.assert_allclose(v @ v.conj().T, np.eye(d_state), rtol=0, atol=LEGS)
    rebuilt = v @ (np.diag(lam) - np.outer(p, p.conj())) @ v.conj().T
    np.testing.assert_allclose(rebuilt, hippo_legs(d_state).numpy(), rtol=0, atol=LEGS)
    np.testing.assert_allclose(v @ b, np.sqrt(2 * np.arange(d_state) + 1), rtol=0, atol=LEGS)
    np.testing.assert_allclose(np.sort(legs.lam.imag), np.sort(legs_spectrum(d_state).imag), rtol=0, atol=LEGS)
    assert bool((legs.p.real > 0).all())
    assert not bool(legs.p.imag.any())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("delta", [0.0, 0.3, 1.0, 40.0, 3000.0])
def test_a_row_is_the_dense_transition(variant: str, delta: float) -> None:
    layer = memory(variant, 6, 10, 2, torch.float64, dt_max=0.5)
    gap = torch.tensor([delta], dtype=torch.float64)
    for rows in (
        formula(gap, layer.dynamics(torch.float64), layer.structure, layer.input),
        layer.tables(gap, torch.float64),  # compiled where there is a compiler
    ):
        ours = real_matrix(rows[0], layer.R).detach().numpy()
        b = rows_of(rows[0], layer.n_pairs, layer.rank).b.detach().numpy()
        for head in range(2):
            t, vector = dense_step(layer, head, delta)
            np.testing.assert_allclose(ours[head], halves(t), rtol=0, atol=SA_HIPPO_ROWS)
            scale = max(np.abs(vector).max(), 1.0)
            np.testing.assert_allclose(
                b[head, 0] + 1j * b[head, 1], vector[: layer.n_pairs], atol=SA_HIPPO_ROWS * scale
            )


@given(
    seed=seeds,
    d_state=st.sampled_from([2, 6, 16]),
    rank=st.sampled_from([0, 1, 3, 8]),
    log_dt=st.floats(-12, 8),
    log_decay=st.floats(-8, 6),
    spread=st.floats(0.0, 3.0),
)
def test_every_transition_contracts(
    seed: int, d_state: int, rank: int, log_dt: float, log_decay: float, spread: float
) -> None:
    """|T| <= 1 for every gap, decay, R and spectrum with negative real part: A_S + A_S* <= 0."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: spread * torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    n = d_state // 2
    dynamics = Dynamics(
        torch.tensor([log_dt], dtype=torch.float64),
        draw(1, n) - 0.7,
        100 * draw(1, n),
        log_decay + draw(1, n),
        5 * draw(1, n, 2, rank),
        draw(1, n, 2),
    )
    rows = formula(torch.ones(1, dtype=torch.float64), dynamics, "dplr", "impulse")
    assert float(torch.linalg.matrix_norm(real_matrix(rows[0], dynamics.r), ord=2).max()) <= 1 + CONTRACTION


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("d_model", "d_state", "num_heads"), [(3, 2, 1), (6, 10, 3)])
def test_the_layer_is_the_dense_recurrence(variant: str, d_model: int, d_state: int, num_heads: int) -> None:
    layer = memory(variant, d_model, d_state, num_heads, torch.float64)
    u, delta, offsets = ticks(d_model, torch.float64)
    state = start(layer, len(offsets) - 1)
    y, end = layer(u, delta, offsets, state)
    expected, expected_end = dense_memory(layer, u, delta, offsets, state)
    end = end.detach().numpy()
    assert np.abs(y.detach().numpy() - expected).max() <= SA_HIPPO["float64"] * np.abs(expected).max()
    assert (
        np.abs(end[..., 0, :] + 1j * end[..., 1, :] - expected_end).max()
        <= SA_HIPPO["float64"] * np.abs(expected_end).max()
    )


@pytest.fixture
def double() -> None:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("d_state", [4, 64])
def test_without_decay_it_is_s4(d_state: int) -> None:
    """Gu et al. 2022, S4: HiPPO-LegS itself, real matrices, bilinear, the input held."""
    layer = SAHippo(3, d_state=d_state, rank=1, input="held", decay="none", dt_min=0.01, dt_max=0.1)
    u = torch.randn(1, 100, 3)
    y, _ = layer.sequence(u)
    a, dt, identity = hippo_legs(d_state).numpy(), float(layer.log_dt.detach().exp()), np.eye(d_state)
    b = np.sqrt(2 * np.arange(d_state) + 1)
    a_bar = np.linalg.solve(identity - dt / 2 * a, identity + dt / 2 * a)
    b_bar = np.linalg.solve(identity - dt / 2 * a, dt * b)
    complex_c = (layer.C[:, 0] + 1j * layer.C[:, 1]).detach().numpy()
    c = 2 * (complex_c.T @ legs_dplr(d_state).v.numpy().conj().T).real
    x, expected = np.zeros((d_state, 3)), np.zeros((100, 3))
    for k in range(100):
        x = a_bar @ x + b_bar[:, None] * u[0, k].numpy()
        expected[k] = (c.T * x).sum(0) + layer.D.detach().numpy() * u[0, k].numpy()
    np.testing.assert_allclose(y[0].detach().numpy(), expected, rtol=0, atol=LEGS * np.abs(expected).max())


def test_the_taylor_series_explodes_where_the_exponential_decays() -> None:
    """LegS, N = 64, whose eigenvalues are -1 .. -64: exp(Dt A) has radius exp(-Dt), I + Dt A + (Dt A)^2/2 explodes.

    In exact arithmetic its radius is max |1 - k Dt + (k Dt)^2/2| = 0.98 at |A| Dt = 52 and 15 at 260. LegS is so far from
    normal that rounding the diagonal-plus-rank-one form to float64 already makes it about 1.7 and 70.
    """
    legs = legs_dplr(64)
    fixed = [torch.zeros(1, dtype=torch.float64), torch.log(-legs.lam.real)[None], legs.lam.imag[None], None]
    dynamics = Dynamics(*fixed, torch.view_as_real(legs.p)[None, ..., None], torch.view_as_real(legs.b)[None])
    norm = float(torch.linalg.matrix_norm(hippo_legs(64), ord=2))
    for delta, text, stable, low, high, exact in (
        (0.02, "52.2", 0.98, 1.2, 3, 0.980),
        (0.1, "261", 15.08, 40, 110, 0.905),
    ):
        assert f"{norm * delta:.3g}" == text
        k = delta * np.arange(1, 65)
        assert abs(np.abs(1 - k + k**2 / 2).max() - stable) < 0.01
        gap = torch.tensor([delta], dtype=torch.float64)
        with pytest.warns(UserWarning, match=rf"taylor2: \|A_S Dt\| = {text} exceeds 2 .* Use transition='bilinear'"):
            t, _ = dense_transition(gap, dynamics, "taylor2", "impulse")
        assert low < np.abs(np.linalg.eigvals(halves(np.concatenate([t[0, 0], t[0, 0]])))).max() < high
        t, _ = dense_transition(gap, dynamics, "expm", "impulse")
        assert abs(np.abs(np.linalg.eigvals(halves(np.concatenate([t[0, 0], t[0, 0]])))).max() - exact) < 1e-3
        t, _ = dense_transition(gap, dynamics, "bilinear", "impulse")
        assert np.linalg.norm(halves(np.concatenate([t[0, 0], t[0, 0]])), 2) <= 1 + CONTRACTION


def test_small_gaps_do_not_warn_and_all_transitions_meet() -> None:
    """At |A| Dt << 1 the three rules differ by O(Dt^3)."""
    layer = memory("rank 3", 4, 6, 2, torch.float64, dt_min=1e-6, dt_max=1e-5)
    gap = torch.tensor([1.0], dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rules = [
            dense_transition(gap, layer.dynamics(torch.float64), name, "held")
            for name in ("bilinear", "expm", "taylor2")
        ]
    for t, b in rules[1:]:
        torch.testing.assert_close(t, rules[0][0], rtol=0, atol=1e-10)
        torch.testing.assert_close(b, rules[0][1], rtol=1e-6, atol=0)


@pytest.mark.parametrize("inputs", ["impulse", "held"])
def test_diag_is_the_exact_exponential_without_rank(inputs: str) -> None:
    layer = memory("diag", 4, 6, 2, torch.float64)
    gaps = torch.tensor([0.0, 0.5, 3.0, 90.0], dtype=torch.float64)
    dynamics = layer.dynamics(torch.float64)
    t, b = dense_transition(gaps, dynamics, "expm", inputs)
    rows = formula(gaps, dynamics, "diag", inputs)
    parts = rows_of(rows, 3, 0)
    torch.testing.assert_close(torch.complex(*parts.g.unbind(2)), torch.diagonal(t[..., :3], dim1=2, dim2=3))
    torch.testing.assert_close(torch.complex(*parts.b.unbind(2)), b)


@pytest.mark.parametrize("transition", ["expm", "taylor2"])
@pytest.mark.parametrize("inputs", ["impulse", "held"])
def test_dense_transitions_run_as_layers(transition: str, inputs: str) -> None:
    """Small gaps: the dense recurrence of the exponential follows the bilinear one, which the other tests pin down."""
    torch.manual_seed(1)
    reference = SAHippo(4, d_state=6, rank=2, num_heads=2, input=inputs, dt_min=1e-5, dt_max=1e-4).double()
    layer = SAHippo(4, d_state=6, rank=2, num_heads=2, input=inputs, transition=transition).double()
    layer.load_state_dict(reference.state_dict())
    u, _, offsets = ticks(4, torch.float64, (0, 0, 9, 12))
    delta, state = torch.tensor([1.0, 3.0, 2.0] * 4).double(), start(layer, 3)
    for ours, expected in zip(layer(u, delta, offsets, state), reference(u, delta, offsets, state), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("decay", [0.02, 1.0, 30.0])
def test_effective_time_peaks_at_half_the_time_constant(decay: float) -> None:
    dt = torch.linspace(0, 3 / decay, 60_001, dtype=torch.float64)
    moved = effective_time(dt, torch.tensor(decay, dtype=torch.float64))
    assert abs(float(dt[moved.argmax()]) - 1 / (2 * decay)) <= 3 / decay / 60_000
    assert abs(float(moved.max()) - 1 / (2 * decay * math.e)) <= 1e-9 / decay


def test_the_default_decays_span_the_gaps() -> None:
    """At a gap of one step no mode is past its peak; over 300 steps of the largest dt the slowest mode is at its own."""
    layer = SAHippo(64, num_heads=64, d_state=8)
    decay = layer.log_decay.exp().detach()
    assert float((1 / (2 * decay)).min()) >= 0.1 * (1 - 1e-5)
    assert float((1 / (2 * decay)).max()) <= 30 * (1 + 1e-5)
    assert float(decay.min()) < 0.02
    assert float(decay.max()) > 4


def test_the_taylor_series_warns_beyond_two_also_where_its_radius_is_one() -> None:
    """A nilpotent matrix: I + z has radius 1 for every |z|."""
    dt, b = torch.ones(1, dtype=torch.float64), torch.ones(1, 2, dtype=torch.complex128)
    matrix = torch.tensor([[[0, 1], [0, 0]]], dtype=torch.complex128)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taylor2_dense(1.9 * matrix, dt, b)
    with pytest.warns(UserWarning, match=r"taylor2: \|A_S Dt\| = 2.1 exceeds 2"):
        taylor2_dense(2.1 * matrix, dt, b)

"""The study of transitions against numbers that are known in closed form."""

import math

import pytest
import torch

from longspike._studies.transitions import (
    RULES,
    TransitionSettings,
    TransitionStudy,
    legs_norm,
    legs_taylor2_radius,
    spectral_radius,
    study_transitions,
    transition_matrices,
)
from longspike.kernels.sa_hippo.tables import Dynamics, formula
from longspike.ssm.initialisation import hippo_legs
from longspike.ssm.sa_hippo import SAHippo

SETTINGS = TransitionSettings(
    d_state=6, ranks=(1, 3), low=1e-3, high=1e4, points_per_decade=2, num_spikes=11, steps_per_gap=3
)


@pytest.fixture(scope="module")
def study() -> TransitionStudy:
    return study_transitions(SETTINGS, seed=5)


def dynamics(d_state: int, rank: int, decay: str) -> Dynamics:
    layer = SAHippo(1, d_state=d_state, rank=rank, decay=decay)
    return Dynamics(*(None if x is None else x.detach() for x in layer.dynamics(torch.float64)))


@pytest.mark.parametrize(("size", "exact", "truth", "norm"), [(52, 0.980, 0.980, 903), (260, 14.97, 0.905, 23488)])
def test_the_numbers_of_legs_at_64_states(size: float, exact: float, truth: float, norm: float) -> None:
    """|A| = 2608. In exact arithmetic taylor2's radius is 0.98 and 15; as stored in float64 it is near 1.7 and 70."""
    dt = torch.tensor([size / legs_norm(64)], dtype=torch.float64)
    memory = dynamics(64, 1, "none")
    assert legs_taylor2_radius(64, float(dt)) == pytest.approx(exact, rel=2e-3)
    t, _ = transition_matrices(dt, memory, "taylor2")
    assert float(torch.linalg.matrix_norm(t, ord=2)) == pytest.approx(norm, rel=2e-3)
    assert float(spectral_radius(t)) > 1.3 * exact
    assert float(spectral_radius(transition_matrices(dt, memory, "expm")[0])) == pytest.approx(truth, abs=1e-3)
    assert float(torch.linalg.matrix_norm(transition_matrices(dt, memory, "bilinear")[0], ord=2)) <= 1 + 1e-12


def test_the_exact_radius_is_that_of_the_triangular_matrix() -> None:
    z = 0.3 * hippo_legs(7)
    t = torch.eye(7, dtype=torch.float64) + z + z @ z / 2
    assert legs_taylor2_radius(7, 0.3) == pytest.approx(float(t.diagonal().abs().max()), rel=1e-12)


@pytest.mark.parametrize("decay", ["separable", "none"])
def test_the_dense_bilinear_rule_is_the_layers_own(decay: str) -> None:
    """Applied to a state, T is what the layer computes from its tables."""
    memory = dynamics(6, 2, decay)._replace(log_dt=torch.zeros(1, dtype=torch.float64))
    dt, n = torch.tensor([0.7, 2.3], dtype=torch.float64), 3
    t, _ = transition_matrices(dt, memory, "bilinear")
    x = torch.randn(n, dtype=torch.complex128)
    row = formula(dt, memory, "dplr", "impulse")[:, 0]
    g, e = torch.complex(row[:, :n], row[:, n : 2 * n]), torch.complex(row[:, 2 * n : 3 * n], row[:, 3 * n : 4 * n])
    w, r = row[:, 6 * n :].view(2, 2, 2), torch.complex(memory.r[0, :, 0], memory.r[0, :, 1])
    read = 2 * torch.einsum("nj,gn->gj", r.conj(), e * x).real
    expected = g * x - e * torch.einsum("nj,gj->gn", r, torch.einsum("gjk,gk->gj", w, read).to(r.dtype))
    torch.testing.assert_close((t @ torch.cat([x, x.conj()]))[:, :n], expected, rtol=1e-10, atol=1e-10)


def test_every_point_is_there_once(study: TransitionStudy) -> None:
    keys = {(p.rank, p.decay, p.rule, p.size) for p in study.points}
    assert len(keys) == len(study.points) == 2 * 2 * len(RULES) * 15
    assert min(p.size for p in study.points) == pytest.approx(1e-3)
    assert max(p.size for p in study.points) == pytest.approx(1e4)


def test_what_holds_for_every_gap(study: TransitionStudy) -> None:
    for p in study.points:
        assert p.dt == pytest.approx(p.size / study.norm_a)
        assert p.radius <= p.norm * (1 + 1e-9)
        if p.rule in ("bilinear", "expm", "diag"):
            assert p.norm <= 1 + 1e-9
        if p.rule == "expm":
            assert (p.error, p.state_error) == (0, 0)


def test_the_order_of_the_rules_at_small_gaps(study: TransitionStudy) -> None:
    """Both rules are of second order, so a step ten times as long costs a thousand times the error."""
    for rule in ("bilinear", "taylor2"):
        errors = {
            round(math.log10(p.size), 1): p.error
            for p in study.points
            if (p.rank, p.decay, p.rule) == (1, "none", rule)
        }
        assert errors[-1.0] / errors[-2.0] == pytest.approx(1000, rel=0.1)


def test_the_limit_of_taylor2_is_where_its_radius_crosses_1(study: TransitionStudy) -> None:
    """6 states are few enough for float64: the exact limit |A| 2/N is found."""
    limit = next(x for x in study.limits if (x.rank, x.decay) == (1, "none"))
    assert limit.radius_exceeds_1 == pytest.approx(study.exact_limit, rel=2e-3)
    assert limit.norm_exceeds_1 < limit.radius_exceeds_1


def test_seeds_reproduce_and_matter(study: TransitionStudy) -> None:
    assert study_transitions(SETTINGS, seed=5) == study
    other = study_transitions(SETTINGS, seed=6)
    assert [p.state_error for p in other.points] != [p.state_error for p in study.points]


def test_messages() -> None:
    with pytest.raises(ValueError, match="TransitionSettings: `num_spikes`"):
        TransitionSettings(num_spikes=0)
    with pytest.raises(ValueError, match=r"0 < `low` <= `high` must hold; got 10\.0 and 1\.0"):
        TransitionSettings(low=10.0, high=1.0)
    with pytest.raises(ValueError, match=r"`ranks` must be one or more integers of at least 1; got \(0,\)"):
        TransitionSettings(ranks=(0,))

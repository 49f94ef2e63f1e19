"""Stability and accuracy of the memory's transitions as the gap grows, against the exact exponential."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longspike._core.mistakes import Mistakes, is_integer
from longspike.kernels.sa_hippo.tables import Dynamics
from longspike.ssm.initialisation import hippo_legs
from longspike.ssm.sa_hippo import SAHippo
from longspike.ssm.transitions import bilinear_dense, dense_dynamics, exponential_dense, taylor2_dense

RULES = ("expm", "bilinear", "taylor2", "diag")
"""The exact exponential, Woodbury's bilinear rule, the series to second order, and the exponential without R."""
DECAYS = ("separable", "none")
LARGEST = 1e12
"""State errors beyond it are given as this number: the state has left every useful range."""
STABLE = 1 + 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionSettings:
    """What is swept.

    Attributes:
        d_state: N. ranks: columns of R. low, high: range of |A| Dt, |A| the 2-norm at Dt = 0.
        points_per_decade: of |A| Dt, log-spaced. num_spikes: of the Poisson train.
        steps_per_gap: mean gap of the train in its own steps; gaps are geometric, at least one step.
    """

    d_state: int = 64
    ranks: tuple[int, ...] = (1, 8)
    low: float = 1e-2
    high: float = 1e5
    points_per_decade: int = 4
    num_spikes: int = 64
    steps_per_gap: int = 4

    def __post_init__(self) -> None:
        mistakes = Mistakes("TransitionSettings", self)
        mistakes.integers("d_state", "points_per_decade", "num_spikes", "steps_per_gap")
        mistakes.rising("low", "high")
        if not self.ranks or not all(is_integer(rank, low=1) for rank in self.ranks):
            mistakes.add(f"`ranks` must be one or more integers of at least 1; got {self.ranks!r}")
        mistakes.raise_any()

    @classmethod
    def quick(cls) -> "TransitionSettings":
        """Seconds instead of minutes: smaller, coarser, and no use for conclusions."""
        return cls(d_state=16, ranks=(1, 3), high=1e3, points_per_decade=1, num_spikes=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionPoint:
    """One transition over one gap.

    Attributes:
        rank, decay, rule: of the memory and its transition. size: |A| Dt. dt: Dt, dimensionless.
        radius: spectral radius of T as float64 sees it, in the coordinates in which the layer computes.
        norm: ||T||_2. error: ||T - exp|| / ||exp||, 2-norms.
        state_error: relative error of the states over a Poisson train whose mean gap is Dt.
    """

    rank: int
    decay: str
    rule: str
    size: float
    dt: float
    radius: float
    norm: float
    error: float
    state_error: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Taylor2Limit:
    """The |A| Dt from which on the second-order series is unstable by the radius, and can amplify by the norm."""

    rank: int
    decay: str
    radius_exceeds_1: float | None
    norm_exceeds_1: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionStudy:
    """Points of every memory, rule and size; where taylor2 leaves its stable region.

    norm_a: |A|, the same for all. exact_limit: |A| Dt beyond which taylor2 is unstable in exact arithmetic for rank 1
    without decay, where the eigenvalues are -1 .. -N: |A| 2/N.
    """

    settings: TransitionSettings
    seed: int
    norm_a: float
    exact_limit: float
    points: tuple[TransitionPoint, ...]
    limits: tuple[Taylor2Limit, ...]


def legs_taylor2_radius(d_state: int, dt: float) -> float:
    """max_n |1 + z_n + z_n^2/2|, z_n = -n Dt, n = 1 .. N: the exact radius of taylor2 for HiPPO-LegS.

    LegS is triangular with -1 .. -N on its diagonal, so its eigenvalues are known exactly; those that float64 finds in
    the coordinates of the layer differ, because LegS is far from normal.

    Example:
        >>> round(legs_taylor2_radius(64, 0.1), 2), round(legs_taylor2_radius(64, 0.02), 3)
        (15.08, 0.98)
    """
    z = -dt * torch.arange(1, d_state + 1, dtype=torch.float64)
    return float((1 + z + z * z / 2).abs().max())


def legs_norm(d_state: int) -> float:
    """||A||_2 of HiPPO-LegS, about 2 N^2 / pi."""
    return float(torch.linalg.matrix_norm(hippo_legs(d_state), ord=2))


def transition_matrices(dt: Tensor, dynamics: Dynamics, rule: str) -> tuple[Tensor, Tensor]:
    """T (gaps, d_state, d_state) of the gaps `dt` (dimensionless) and B (d_state); one head, complex128."""
    if rule == "diag":
        dynamics, rule = dynamics._replace(r=dynamics.r[..., :0]), "expm"
    gaps, a, b = dense_dynamics(dt, dynamics._replace(log_dt=torch.zeros_like(dynamics.log_dt)))
    call = {"expm": exponential_dense, "bilinear": bilinear_dense, "taylor2": taylor2_dense}[rule]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="taylor2: ")
        return call(a, gaps, b)[0][:, 0], b[0]


def spectral_radius(t: Tensor) -> Tensor:
    """max |eigenvalue| of every matrix in t (..., n, n)."""
    return torch.linalg.eigvals(t).abs().amax(dim=-1)


def _norm(t: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(t, ord=2)


def _states(t: Tensor, index: Tensor, b: Tensor) -> Tensor:
    """States (ticks, d_state) of x <- T x + b with T = t[index[k]]."""
    x, states = torch.zeros_like(b), []
    for k in index.tolist():
        x = t[k] @ x + b
        states.append(x)
    return torch.stack(states)


def _geometric(count: int, mean: int, generator: torch.Generator) -> Tensor:
    """Gaps in steps between spikes that come at every step with probability 1/mean."""
    u = torch.rand(count, dtype=torch.float64, generator=generator).clamp_min(1e-12)
    if mean == 1:
        return torch.ones(count, dtype=torch.float64)
    rate = torch.log1p(torch.tensor(-1 / mean, dtype=torch.float64))
    return 1 + torch.floor(torch.log(u) / rate)


def _points(
    dynamics: Dynamics, names: tuple[int, str], sizes: Tensor, norm_a: float, settings: TransitionSettings, seed: int
) -> list[TransitionPoint]:
    generator = torch.Generator().manual_seed(seed)
    gaps, index = torch.unique(_geometric(settings.num_spikes, settings.steps_per_gap, generator), return_inverse=True)
    dts = sizes / norm_a
    truth, points = transition_matrices(dts, dynamics, "expm")[0], []
    trains = [transition_matrices(float(dt) / settings.steps_per_gap * gaps, dynamics, "expm") for dt in dts]
    references = [_states(t, index, b) for t, b in trains]
    for rule in RULES:
        t, _ = transition_matrices(dts, dynamics, rule)
        radius, norm = spectral_radius(t), _norm(t)
        error = _norm(t - truth) / _norm(truth)
        for k, dt in enumerate(dts):
            matrices, b = transition_matrices(float(dt) / settings.steps_per_gap * gaps, dynamics, rule)
            states = _states(matrices, index, b)
            off = float(torch.linalg.norm(states - references[k]) / torch.linalg.norm(references[k]))
            points.append(
                TransitionPoint(
                    rank=names[0],
                    decay=names[1],
                    rule=rule,
                    size=float(sizes[k]),
                    dt=float(dt),
                    radius=float(radius[k]),
                    norm=float(norm[k]),
                    error=float(error[k]),
                    state_error=off if off < LARGEST else LARGEST,
                )
            )
    return points


def _first_above(
    measure: Callable[[Tensor], Tensor], dynamics: Dynamics, norm_a: float, low: float, high: float
) -> float | None:
    """The smallest |A| Dt at which `measure` of taylor2's T exceeds 1, to a per mille; None if it never does."""

    def value(sizes: Tensor) -> Tensor:
        return measure(transition_matrices(sizes / norm_a, dynamics, "taylor2")[0]) > STABLE

    grid = torch.logspace(torch.tensor(low).log10(), torch.tensor(high).log10(), 57, dtype=torch.float64)
    above = value(grid).nonzero()
    if not len(above):
        return None
    first = int(above[0])
    if first == 0:
        return float(grid[0])
    left, right = float(grid[first - 1]), float(grid[first])
    while right / left > 1.001:
        middle = (left * right) ** 0.5
        left, right = (left, middle) if bool(value(torch.tensor([middle]))) else (middle, right)
    return right


def _memory(rank: int, decay: str, d_state: int, seed: int) -> Dynamics:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = SAHippo(1, d_state=d_state, rank=rank, decay=decay)
    return Dynamics(*(None if x is None else x.detach() for x in layer.dynamics(torch.float64)))  # type: ignore[arg-type]


@torch.no_grad()
def study_transitions(
    settings: TransitionSettings, *, seed: int = 0, on_progress: Callable[[str], None] = lambda name: None
) -> TransitionStudy:
    """Spectral radius, norm and error of every rule over |A| Dt, for every rank, with and without spike-aware decay.

    Everything in float64 and in the layer's coordinates (conjugate pairs). With decay, A_S itself depends on Dt; |A| is
    always its norm at Dt = 0. Not done: other initialisations than LegS with small random columns, trained memories.
    """
    norm_a = legs_norm(settings.d_state)
    decades = torch.log10(torch.tensor(settings.high / settings.low)).item()
    count = round(decades * settings.points_per_decade) + 1
    sizes = settings.low * torch.logspace(0, decades, count, dtype=torch.float64)
    points, limits = [], []
    for rank in settings.ranks:
        for decay in DECAYS:
            on_progress(f"rank {rank}, decay {decay}")
            dynamics = _memory(rank, decay, settings.d_state, seed)
            points += _points(dynamics, (rank, decay), sizes, norm_a, settings, seed)
            found = [_first_above(f, dynamics, norm_a, settings.low, settings.high) for f in (spectral_radius, _norm)]
            limits.append(Taylor2Limit(rank=rank, decay=decay, radius_exceeds_1=found[0], norm_exceeds_1=found[1]))
    return TransitionStudy(
        settings=settings,
        seed=seed,
        norm_a=norm_a,
        exact_limit=2 * norm_a / settings.d_state,
        points=tuple(points),
        limits=tuple(limits),
    )

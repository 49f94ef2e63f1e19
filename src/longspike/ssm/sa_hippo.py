"""The spike-aware HiPPO memory: a state-space layer that ticks at events and reads the gaps between them."""

import math

import torch
from torch import Tensor, nn

from longspike._core.checks import (
    check_bounds,
    check_choice,
    check_positive_int,
    check_sequence,
    check_ticks,
    describe,
)
from longspike._core.dtypes import compute_dtype
from longspike._core.sequence import AbstractTickLayer
from longspike._core.states import check_part
from longspike.kernels._dispatch import SA_HIPPO_METHODS, choose
from longspike.kernels.sa_hippo import sa_hippo, sa_hippo_tables
from longspike.kernels.sa_hippo.tables import INPUTS, STRUCTURES, Dynamics
from longspike.ssm.dplr import legs_dplr
from longspike.ssm.transitions import TRANSITIONS, dense_transition, run_dense

DECAYS = ("separable", "none")
LARGEST_RANK = 64


class SAHippo(AbstractTickLayer):
    """HiPPO-LegS with a spike-aware decay, over ticks of any spacing.

        Dt = delta exp(log_dt),   f = exp(-a Dt),   A_S = Lambda f^2 - (f R)(f R)*
        x <- T(Dt) x + b u,       y = 2 Re sum_n C_n x_n + D u,       T = (I - Dt A_S/2)^-1 (I + Dt A_S/2)

    delta is the time since the sample's last tick, in steps. A mode moves by the effective time Dt exp(-2 a Dt), which
    grows until Dt = 1/(2a) and then falls to 0: across a long silence a mode with large a keeps what it holds, one with
    small a decays as HiPPO does. A_S + A_S* <= 0 for every gap, so the bilinear ||T|| is at most 1.

    The transition depends on the gap and the head; a head serves d_model / num_heads channels, each with its own C and D.
    a starts log-uniform between decay_min and decay_max. By default 1/(2a) runs from 0.1, the largest dt at a gap of one
    step (so no mode freezes within dense spiking), to 30, the largest dt over a silence of 300 steps (so the slowest mode
    decays as HiPPO across all of it). R starts as LegS' own column and small random ones. With input "impulse" C starts
    smaller by d_state, the norm of B, so a lone unit spike moves y by about one.

    Args:
        d_model: channels, a multiple of num_heads.
        d_state: full real size N, even; N/2 complex-conjugate pairs are stored.
        rank: columns of R, at most 64.
        transition: "bilinear"; or, as dense matrices for small sizes, "expm" (exact) and "taylor2" (second-order series;
            warns with the numbers where it is unstable).
        structure: "dplr", or "diag": R is left out, rank is 0 and the exponential exact ("taylor2" is refused).
        input: "impulse", b = B: u counts spikes at the tick; or "held", u is held over the gap, S4's convention.
        decay: "separable", or "none": a = 0, plain HiPPO.
        dt_min, dt_max: log_dt starts log-uniform between them (dimensionless steps).
        method: "recurrent" (compiled; Triton on CUDA), "chunked", "fft" (equal gaps), "reference" or "auto".

    State: (batch, num_heads, d_state/2, 2, d_model/num_heads), real and imaginary part.
    With decay "none", rank 1, input "held" and equal gaps the layer is S4 (Gu et al. 2022, arXiv 2111.00396).

    Example:
        >>> layer = SAHippo(6, d_state=4, rank=2, num_heads=3)
        >>> delta, offsets = torch.tensor([1.0, 7.0, 2.0]), torch.tensor([0, 2, 3])
        >>> y, state = layer(torch.ones(3, 6), delta, offsets)
        >>> tuple(y.shape), tuple(state.shape)
        ((3, 6), (2, 3, 2, 2, 2))
    """

    DYNAMICS = ("log_dt", "log_A_real", "A_imag", "R", "log_decay", "B")  # trained with a small step, no weight decay

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 64,
        rank: int = 8,
        num_heads: int = 1,
        transition: str = "bilinear",
        structure: str = "dplr",
        input: str = "impulse",  # noqa: A002
        decay: str = "separable",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        decay_min: float = 1 / 60,
        decay_max: float = 5.0,
        method: str = "auto",
    ) -> None:
        super().__init__()
        _check_sizes(d_model, d_state, rank, num_heads)
        check_choice("SAHippo", "transition", transition, TRANSITIONS)
        check_choice("SAHippo", "structure", structure, STRUCTURES)
        check_choice("SAHippo", "input", input, INPUTS)
        check_choice("SAHippo", "decay", decay, DECAYS)
        check_choice("SAHippo", "method", method, SA_HIPPO_METHODS)
        check_bounds("SAHippo", "dt_min", dt_min, low=0, high=dt_max, closed_low=False)
        check_bounds("SAHippo", "decay_min", decay_min, low=0, high=decay_max, closed_low=False)
        if structure == "diag" and transition == "taylor2":
            raise ValueError(
                "SAHippo: structure='diag' has an exact exponential; got transition='taylor2'. Use 'bilinear' or 'expm'."
            )
        self.d_model, self.d_state, self.n_pairs, self.num_heads = d_model, d_state, d_state // 2, num_heads
        self.rank = 0 if structure == "diag" else rank
        self.transition = "bilinear" if structure == "diag" else transition  # the route that runs from tables
        self.structure, self.input, self.method = structure, input, method
        self.log_dt = nn.Parameter(_log_uniform(dt_min, dt_max, num_heads))
        if decay == "separable":
            self.log_decay = nn.Parameter(_log_uniform(decay_min, decay_max, num_heads, self.n_pairs))
        else:
            self.register_parameter("log_decay", None)
        self._start_from_legs()

    def _start_from_legs(self) -> None:
        heads, legs = self.num_heads, legs_dplr(self.d_state)
        repeat = lambda x: x.to(torch.get_default_dtype()).expand(heads, *x.shape).clone()  # noqa: E731
        self.log_A_real = nn.Parameter(repeat(torch.log(-legs.lam.real)))
        self.A_imag = nn.Parameter(repeat(legs.lam.imag))
        r = torch.randn(heads, self.n_pairs, 2, self.rank) * (0.1 / math.sqrt(self.d_state))
        if self.rank:
            r[..., 0] = repeat(torch.view_as_real(legs.p))
        self.R = nn.Parameter(r)
        self.B = nn.Parameter(repeat(torch.view_as_real(legs.b)))
        scale = math.sqrt(0.5) / (self.d_state if self.input == "impulse" else 1)
        self.C = nn.Parameter(torch.randn(self.n_pairs, 2, self.d_model) * scale)
        self.D = nn.Parameter(torch.randn(self.d_model))

    def dynamics(self, dtype: torch.dtype) -> Dynamics:
        """The parameters that make a transition."""
        decay = None if self.log_decay is None else self.log_decay.to(dtype)
        log_dt, real, imag, r, b = (x.to(dtype) for x in (self.log_dt, self.log_A_real, self.A_imag, self.R, self.B))
        return Dynamics(log_dt, real, imag, decay, r, b)

    def tables(self, delta: Tensor, dtype: torch.dtype) -> Tensor:
        """The rows (gaps, num_heads, size) of the gaps `delta` (gaps,): see `longspike.kernels.sa_hippo.tables`."""
        return sa_hippo_tables(delta.to(dtype), self.dynamics(dtype), structure=self.structure, inputs=self.input)

    def init_state(self, batch: int) -> Tensor:
        """The zero state of `batch` samples."""
        shape = (batch, self.num_heads, self.n_pairs, 2, self.d_model // self.num_heads)
        return torch.zeros(shape, dtype=self.D.dtype, device=self.D.device)

    def forward(self, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """y and the state after every sample's last tick.

        Args:
            u: (ticks, d_model), the ticks of all samples one after the other.
            delta: (ticks,), time since the sample's last tick in steps, at least 0; whole numbers, or fractions.
            offsets: (batch + 1,) int64; sample i owns the ticks offsets[i] .. offsets[i+1]-1, possibly none.
        """
        if isinstance(u, Tensor) and u.dim() == 3:
            raise ValueError(
                f"SAHippo: `u` must have shape (ticks, {self.d_model}); got {describe(u)}. Dense samples go to sequence()."
            )
        check_ticks("SAHippo", "u", u, delta, offsets, self.d_model)
        gaps, index = torch.unique(delta, return_inverse=True)
        return self._run(u, gaps, index, offsets, state)

    def sequence(self, u: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """y (batch, seqlen, d_model) of dense samples whose every step is a tick: all gaps are 1."""
        check_sequence("SAHippo.sequence", "u", u, channels=self.d_model)
        batch, seqlen, _ = u.shape
        offsets = seqlen * torch.arange(batch + 1, device=u.device)
        index = torch.zeros(batch * seqlen, dtype=torch.int64, device=u.device)
        y, end = self._run(u.flatten(0, 1), u.new_ones(1), index, offsets, state)
        return y.view(u.shape), end

    def _run(
        self, u: Tensor, gaps: Tensor, index: Tensor, offsets: Tensor, state: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        batch, dtype = len(offsets) - 1, compute_dtype(u.dtype)
        state = self.init_state(batch) if state is None else state
        wanted = (batch, self.num_heads, self.n_pairs, 2, self.d_model // self.num_heads)
        c, d, state = self.C.to(dtype), self.D.to(dtype), check_part("SAHippo", "state", state, wanted).to(dtype)
        if self.transition == "bilinear":
            dynamics = self.dynamics(dtype)
            tables = sa_hippo_tables(gaps.to(dtype), dynamics, structure=self.structure, inputs=self.input)
            y, end = sa_hippo(u.to(dtype), index, offsets, tables, dynamics.r, c, d, state, method=self.method)
        else:
            choose("sa_hippo", self.method, u.device, dtype, gaps=len(gaps), transition=self.transition)
            t, b = dense_transition(gaps, self.dynamics(dtype), self.transition, self.input)
            y, end = run_dense(u.to(dtype), index, offsets, t, b, c, d, state)
        return y.to(u.dtype), end

    def extra_repr(self) -> str:
        return (
            f"d_model={self.d_model}, d_state={self.d_state}, rank={self.rank}, num_heads={self.num_heads}, "
            f"transition={self.transition}, structure={self.structure}, input={self.input}"
        )


def _log_uniform(low: float, high: float, *shape: int) -> Tensor:
    return math.log(low) + (math.log(high) - math.log(low)) * torch.rand(shape)


def _check_sizes(d_model: int, d_state: int, rank: int, num_heads: int) -> None:
    check_positive_int("SAHippo", "d_model", d_model)
    check_positive_int("SAHippo", "d_state", d_state, low=2)
    check_positive_int("SAHippo", "num_heads", num_heads)
    check_positive_int("SAHippo", "rank", rank, low=0)
    if d_state % 2:
        raise ValueError(f"SAHippo: `d_state` must be even (conjugate pairs); got {d_state}. Use {d_state + 1}.")
    if d_model % num_heads:
        raise ValueError(f"SAHippo: `num_heads` must divide d_model={d_model}; got {num_heads}.")
    if rank > LARGEST_RANK:
        raise ValueError(f"SAHippo: `rank` must be at most {LARGEST_RANK}; got {rank}. A few columns are enough.")

"""S4D: the diagonal state-space layer, one set of parameters seen as scan, convolution and step."""

import math

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_choice, check_positive_int, check_sequence, time_first
from longspike._core.dtypes import compute_dtype, in_dtype
from longspike._core.sequence import AbstractSequenceLayer
from longspike._core.states import check_part
from longspike.kernels._dispatch import S4D_METHODS
from longspike.kernels.s4d_scan import s4d_scan
from longspike.ssm.discretise import DISCRETISATIONS, bilinear, zero_order_hold
from longspike.ssm.initialisation import INITIALISATIONS, initial_poles


def _times(x: Tensor, y: Tensor) -> Tensor:
    """The product of complex numbers (pairs, 2, channels), real and imaginary part on the second axis."""
    (x_real, x_imag), (y_real, y_imag) = x.unbind(1), y.unbind(1)
    return torch.stack([x_real * y_real - x_imag * y_imag, x_real * y_imag + x_imag * y_real], dim=1)


class S4D(AbstractSequenceLayer[Tensor]):
    """A diagonal state-space model per channel, mixing time and leaving channels apart.

        x'(t) = A x(t) + B u(t),   y(t) = 2 Re(C x(t)) + D u(t),   A = -exp(log_A_real) + i*A_imag,   dt = exp(log_dt)

    Args:
        d_model: channels.
        d_state: full real size N, even; N/2 complex-conjugate pairs are stored.
        init: "lin", "inv" or "legs". dt_min, dt_max: log_dt starts log-uniform between them (dimensionless steps).
        discretisation: "zoh" or "bilinear".
        n_ssm: sets of poles (and of B), each shared by the channels k, k + n_ssm, k + 2*n_ssm, ...; it divides d_model.
            1 ties all channels, None gives each its own.
        trains_b: also train B, complex, one a mode and set of poles. It starts at 1, and does what C can do at another pace.
        method: "scan" (compiled recurrence), "fft", "reference" or "auto".

    State: (batch, d_state/2, 2, d_model), real and imaginary part.
    Reference: Gu et al. 2022, S4D, arXiv 2206.11893.

    Example:
        >>> y, state = S4D(3, d_state=4)(torch.zeros(2, 7, 3))
        >>> tuple(y.shape), tuple(state.shape)
        ((2, 7, 3), (2, 2, 2, 3))
    """

    DYNAMICS = ("log_dt", "log_A_real", "A_imag", "B")  # trained with a small step and no weight decay

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 64,
        init: str = "lin",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        discretisation: str = "zoh",
        n_ssm: int | None = None,
        trains_b: bool = False,
        method: str = "auto",
    ) -> None:
        super().__init__()
        check_positive_int("S4D", "d_model", d_model)
        n_ssm = d_model if n_ssm is None else n_ssm
        check_positive_int("S4D", "n_ssm", n_ssm, high=d_model)
        if d_model % n_ssm:
            raise ValueError(f"S4D: `n_ssm` must divide d_model={d_model}; got {n_ssm}. Use 1 to tie all channels.")
        check_positive_int("S4D", "d_state", d_state, low=2)
        if d_state % 2:
            raise ValueError(f"S4D: `d_state` must be even (conjugate pairs); got {d_state}. Use {d_state + 1}.")
        check_choice("S4D", "init", init, INITIALISATIONS)
        check_choice("S4D", "discretisation", discretisation, DISCRETISATIONS)
        check_choice("S4D", "method", method, S4D_METHODS)
        check_bounds("S4D", "dt_min", dt_min, low=0, high=dt_max, closed_low=False)
        self.d_model, self.d_state, self.n_pairs = d_model, d_state, d_state // 2
        self.n_ssm, self.discretisation, self.method = n_ssm, discretisation, method
        poles = initial_poles(d_state, init).to(torch.complex64)[:, None].expand(-1, n_ssm)
        span = math.log(dt_max) - math.log(dt_min)
        self.log_dt = nn.Parameter(torch.rand(d_model) * span + math.log(dt_min))
        self.log_A_real = nn.Parameter(torch.log(-poles.real).clone())
        self.A_imag = nn.Parameter(poles.imag.clone())
        unit = torch.tensor([1.0, 0.0])[:, None].expand(self.n_pairs, 2, n_ssm)
        self.B = nn.Parameter(unit.clone()) if trains_b else None
        self.C = nn.Parameter(torch.randn(self.n_pairs, 2, d_model) * math.sqrt(0.5))
        self.D = nn.Parameter(torch.randn(d_model))

    def _shared(self, x: Tensor) -> Tensor:
        """(..., n_ssm) -> (..., d_model), each set of poles for every n_ssm-th channel."""
        return x if self.n_ssm == self.d_model else x.repeat(*[1] * (x.dim() - 1), self.d_model // self.n_ssm)

    def discrete(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """(lambda, c, d) of the recurrence x[t] = lambda*x[t-1] + u[t], y = sum Re(c x) + d*u; c = 2*C*B*B_bar.

        B_bar is the factor that the discretisation gives to B = 1.
        """
        a_real, a_imag = self._shared(-torch.exp(self.log_A_real)), self._shared(self.A_imag)
        rule = zero_order_hold if self.discretisation == "zoh" else bilinear
        lam, b = rule(a_real, a_imag, torch.exp(self.log_dt))
        c = 2 * _times(self.C, b) if self.B is None else 2 * _times(_times(self.C, self._shared(self.B)), b)
        return in_dtype(lam, dtype), in_dtype(c, dtype), in_dtype(self.D, dtype)

    def init_state(self, batch: int) -> Tensor:
        """The zero state of `batch` samples."""
        return torch.zeros(batch, self.n_pairs, 2, self.d_model, dtype=self.D.dtype, device=self.D.device)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """y (batch, seqlen, d_model) and the state after the last step."""
        check_sequence("S4D", "x", x, channels=self.d_model)
        dtype = compute_dtype(x.dtype)
        y, end = s4d_scan(in_dtype(x, dtype), *self.discrete(dtype), self.checked(state, x), method=self.method)
        return in_dtype(y, x.dtype), end

    def checked(self, state: Tensor | None, x: Tensor) -> Tensor:
        """The state, zero by default, in the dtype that computes; raise unless it fits x."""
        state = self.init_state(x.shape[0]) if state is None else state
        hint = time_first(x, len(state)) if isinstance(state, Tensor) and state.dim() else ""
        wanted = (x.shape[0], self.n_pairs, 2, self.d_model)
        return in_dtype(check_part("S4D", "state", state, wanted, hint), compute_dtype(x.dtype))

    def extra_repr(self) -> str:
        return f"d_model={self.d_model}, d_state={self.d_state}, discretisation={self.discretisation}"

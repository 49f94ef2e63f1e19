"""The refractory LIF neuron as a function of tensors."""

import math
from numbers import Real
from typing import Literal, NamedTuple, overload

import torch
from torch import Tensor

from longspike._core.checks import check_bounds, check_choice, check_sequence, describe, time_first
from longspike._core.dtypes import compute_dtype, in_dtype
from longspike._core.mistakes import shown
from longspike._core.states import as_state, check_part
from longspike.kernels._dispatch import LIF_METHODS
from longspike.kernels.refractory_lif import Certificate, refractory_lif_op
from longspike.kernels.refractory_lif.operator import certificate_from
from longspike.neurons.surrogate import Surrogate, as_surrogate

RESETS = ("subtract", "zero", "none")
GRADIENTS = ("full", "detach_reset", "instant")
WHERE = "refractory_lif"


class LIFState(NamedTuple):
    """What a neuron remembers between two steps, each (batch, channels): membrane, refractory trace, last spike."""

    v: Tensor
    r: Tensor
    spike: Tensor


def beta_from_tau(tau_s: float, step_s: float) -> float:
    """The decay per step of a time constant: beta = exp(-step_s / tau_s), both in seconds.

    Example:
        >>> round(beta_from_tau(0.02, 0.001), 4)
        0.9512
    """
    for name, value in (("tau_s", tau_s), ("step_s", step_s)):
        if not isinstance(value, Real) or not (math.isfinite(value) and value > 0):
            raise ValueError(f"beta_from_tau: `{name}` must be a positive number of seconds; got {shown(value)}.")
    return math.exp(-step_s / tau_s)


def zero_state(batch: int, channels: int, *, dtype: torch.dtype, device: torch.device | None = None) -> LIFState:
    """A silent neuron."""
    return LIFState(*(torch.zeros(batch, channels, dtype=dtype, device=device) for _ in range(3)))


def _per_channel(name: str, value: Tensor | float, current: Tensor) -> Tensor:
    channels, dtype = current.shape[-1], compute_dtype(current.dtype)
    if not isinstance(value, Tensor):
        return torch.full((channels,), float(value), dtype=dtype, device=current.device)
    if value.is_complex() or value.dim() > 1 or value.numel() not in (1, channels):
        raise ValueError(
            f"{WHERE}: `{name}` must be a scalar or one value per channel ({channels}); got {describe(value)}."
        )
    return in_dtype(value, dtype).expand(channels)


def _check_parameters(
    beta: Tensor | float, threshold: Tensor | float, rho: Tensor | float, gamma: Tensor | float
) -> None:
    remedy = "Did you pass a time constant? Use beta_from_tau(tau_s, step_s)."
    check_bounds(WHERE, "beta", beta, low=0, high=1, closed_low=False, closed_high=False, remedy=remedy)
    check_bounds(WHERE, "threshold", threshold, low=0, closed_low=False, high=math.inf, closed_high=False)
    check_bounds(WHERE, "rho", rho, low=0, high=math.inf, closed_high=False, remedy="rho=0 is the plain LIF neuron.")
    check_bounds(WHERE, "gamma", gamma, low=0, high=1, closed_high=False)


def check_state(state: LIFState | None, current: Tensor) -> LIFState:
    """The state, silent by default, in the dtype that computes; raise unless it fits the current."""
    batch, _, channels = current.shape
    dtype = compute_dtype(current.dtype)
    if state is None:
        return zero_state(batch, channels, dtype=dtype, device=current.device)
    parts = as_state(WHERE, LIFState, state)
    for name, x in zip(LIFState._fields, parts, strict=True):
        if not isinstance(x, Tensor) or x.shape != (batch, channels) or x.is_complex():
            hint = time_first(current, len(x)) if isinstance(x, Tensor) and x.dim() else ""
            check_part(WHERE, f"state.{name}", x, (batch, channels), hint)
    return LIFState(*[in_dtype(x, dtype) for x in parts])


def lif_unchecked(
    current: Tensor,
    parameters: tuple[Tensor, Tensor, Tensor, Tensor],
    state: LIFState,
    *,
    reset: str,
    surrogate: Surrogate,
    gradient: str,
    method: str,
) -> tuple[Tensor, LIFState, Tensor]:
    """The operator on arguments known to be right: spikes, state, and the certificate's numbers."""
    wide = in_dtype(current, compute_dtype(current.dtype))
    spikes, v, r, s, _, numbers = refractory_lif_op(
        wide, *parameters, *state, reset, surrogate.name, surrogate.value, gradient, method
    )
    return in_dtype(spikes, current.dtype), LIFState(v, r, s), numbers


@overload
def refractory_lif(
    current: Tensor,
    *,
    beta: Tensor | float,
    threshold: Tensor | float = ...,
    rho: Tensor | float = ...,
    gamma: Tensor | float = ...,
    reset: str = ...,
    surrogate: str | Surrogate = ...,
    gradient: str = ...,
    state: LIFState | None = ...,
    method: str = ...,
    return_certificate: Literal[False] = ...,
) -> tuple[Tensor, LIFState]: ...


@overload
def refractory_lif(
    current: Tensor,
    *,
    beta: Tensor | float,
    threshold: Tensor | float = ...,
    rho: Tensor | float = ...,
    gamma: Tensor | float = ...,
    reset: str = ...,
    surrogate: str | Surrogate = ...,
    gradient: str = ...,
    state: LIFState | None = ...,
    method: str = ...,
    return_certificate: Literal[True],
) -> tuple[Tensor, LIFState, Certificate]: ...


def refractory_lif(
    current: Tensor,
    *,
    beta: Tensor | float,
    threshold: Tensor | float = 1.0,
    rho: Tensor | float = 0.0,
    gamma: Tensor | float = 0.5,
    reset: str = "subtract",
    surrogate: str | Surrogate = "triangle",
    gradient: str = "full",
    state: LIFState | None = None,
    method: str = "auto",
    return_certificate: bool = False,
) -> tuple[Tensor, LIFState] | tuple[Tensor, LIFState, Certificate]:
    """Refractory leaky integrate-and-fire neurons over a whole sequence, exactly.

        r[t] = gamma*r[t-1] + s[t-1]
        v[t] = beta*u[t-1] + current[t]      u = v - threshold*s (subtract) | v*(1 - s) (zero) | v (none)
        s[t] = 1 if v[t] - rho*r[t] > threshold else 0

    Args:
        current: (batch, seqlen, channels), dimensionless; float32 or float64, or half precision (float32 inside).
        beta: decay of the membrane per step, 0 < beta < 1; a scalar or one per channel, like the next three.
        threshold: > 0. rho: refractory magnitude >= 0, 0 is the plain LIF neuron. gamma: its decay, 0 <= gamma < 1.
        reset: "subtract", "zero" or "none".
        surrogate: the slope that stands in for the derivative of a spike, a name or a `Surrogate`.
        gradient: "full" is back-propagation through time; "detach_reset" treats the spike in the reset as a constant;
            "instant" treats the whole state before each step as a constant.
        state: the state before the first step, zero by default; differentiable, as is the one that is returned.
        method: "sequential" (fused loop), "pmbc" (parallel in time, certified), "speculative" (chunks, verified bit for
            bit), "reference" (plain loop) or "auto"; all give the same spikes. `longspike.explain` says which and why.
        return_certificate: also return what the method did.

    Returns: spikes in {0, 1} shaped like `current`, the state after the last step, and the certificate if asked for.

    Raises:
        ValueError, TypeError: an argument of the wrong shape, dtype or range; NaN in `current`.
        BackendUnavailableError: `method` names one that cannot run here.

    Reference: Zhong et al. 2024, SPikE-SSM, arXiv 2410.17268; its equations are not public, and these are a
        reconstruction (docs/maths/neurons.md).

    Example:
        >>> spikes, state = refractory_lif(torch.full((1, 4, 1), 0.6), beta=0.9)
        >>> spikes.flatten().tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    check_sequence(WHERE, "current", current)
    check_choice(WHERE, "reset", reset, RESETS)
    check_choice(WHERE, "gradient", gradient, GRADIENTS)
    check_choice(WHERE, "method", method, LIF_METHODS)
    _check_parameters(beta, threshold, rho, gamma)
    named = (("beta", beta), ("threshold", threshold), ("rho", rho), ("gamma", gamma))
    b, th, rh, g = (_per_channel(name, value, current) for name, value in named)
    spikes, end, numbers = lif_unchecked(
        current,
        (b, th, rh, g),
        check_state(state, current),
        reset=reset,
        surrogate=as_surrogate(surrogate),
        gradient=gradient,
        method=method,
    )
    return (spikes, end, certificate_from(numbers)) if return_certificate else (spikes, end)

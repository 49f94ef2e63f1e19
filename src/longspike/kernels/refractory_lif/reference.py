"""The refractory LIF neuron as a plain loop over time, forward and backward: the definition of correct.

r[t] = gamma*r[t-1] + s[t-1]
v[t] = beta*u[t-1] + current[t]      u = v - theta*s (subtract) | v*(1 - s) (zero) | v (none)
s[t] = 1 if v[t] - rho*r[t] > theta else 0
"""

import torch
from torch import Tensor

from longspike.kernels._spiking.surrogates import surrogate_slope

Parameters = tuple[Tensor, Tensor, Tensor, Tensor]  # beta, threshold, rho, gamma, each (channels)
State = tuple[Tensor, Tensor, Tensor]  # v, r, s, each (batch, channels)


def after_reset(v: Tensor, s: Tensor, threshold: Tensor, reset: str) -> Tensor:
    """The membrane that leaks into the next step."""
    if reset == "subtract":
        return v - threshold * s
    if reset == "zero":
        return torch.where(s > 0, torch.zeros_like(v), v)
    return v


def lif_step(current: Tensor, state: State, parameters: Parameters, reset: str) -> State:
    """One step: (v, r, s) before -> (v, r, s) after. Tensors (batch, channels), parameters (channels)."""
    v, r, s = state
    beta, threshold, rho, gamma = parameters
    r_next = gamma * r + s
    v_next = beta * after_reset(v, s, threshold, reset) + current
    return v_next, r_next, (v_next - rho * r_next > threshold).to(v.dtype)


def forward(current: Tensor, parameters: Parameters, state: State, reset: str) -> tuple[Tensor, State]:
    """Spikes (batch, seqlen, channels) and the state (v, r, s) after the last step."""
    spikes = torch.empty_like(current, memory_format=torch.contiguous_format)
    for t in range(current.shape[1]):
        state = lif_step(current[:, t], state, parameters, reset)
        spikes[:, t] = state[2]
    v, r, s = state
    return spikes, (v.clone(), r.clone(), s.clone())


def backward(
    current: Tensor,
    grad_spikes: Tensor,
    grad_state: State,
    parameters: Parameters,
    state: State,
    *,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
) -> tuple[Tensor, ...]:
    """The adjoint, one reverse pass:

        mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
        lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]        = dLoss/dcurrent[t]
        kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]                g' = slope at z = v - rho*r - theta

    Returns the gradients of current, beta, threshold, rho, gamma, and of the initial v, r, s.
    """
    beta, threshold, rho, gamma = parameters
    trajectory = [state]
    for t in range(current.shape[1]):
        trajectory.append(lif_step(current[:, t], trajectory[-1], parameters, reset))
    grad_current = torch.empty_like(current, memory_format=torch.contiguous_format)
    sums = [torch.zeros_like(beta) for _ in range(4)]
    to_lam, to_kap, to_mu = grad_state  # what the step after sends back to v, r, s
    for t in reversed(range(current.shape[1])):
        (v0, r0, s0), (v1, r1, _) = trajectory[t], trajectory[t + 1]
        slope_mu = surrogate_slope(v1 - rho * r1 - threshold, surrogate, scale) * (grad_spikes[:, t] + to_mu)
        lam = slope_mu + to_lam
        kap = to_kap - rho * slope_mu
        grad_current[:, t] = lam
        sums[0] += (lam * after_reset(v0, s0, threshold, reset)).sum(0)
        sums[1] -= (slope_mu + (beta * s0 * lam if reset == "subtract" else 0)).sum(0)
        sums[2] -= (slope_mu * r1).sum(0)
        sums[3] += (kap * r0).sum(0)
        drop = {"subtract": beta * threshold * lam, "zero": beta * v0 * lam, "none": torch.zeros_like(lam)}[reset]
        to_mu = kap if gradient == "detach_reset" else kap - drop
        to_lam = beta * (1 - s0) * lam if reset == "zero" else beta * lam
        to_kap = gamma * kap
        if gradient == "instant":
            to_mu, to_lam, to_kap = torch.zeros_like(lam), torch.zeros_like(lam), torch.zeros_like(lam)
    return grad_current, *sums, to_lam.clone(), to_kap.clone(), to_mu.clone()

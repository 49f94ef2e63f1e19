"""PMBC: the refractory LIF neuron solved in parallel over time, with a certificate and an exact repair.

With the reset unrolled, `F(x) = H(c - K x - theta)`, where c is the leaky scan of the current and K is strictly causal
with kernel k_m = theta*beta^m + rho*gamma^(m-1) >= 0. F reverses order, so the iterates x <- F(x) from 0 bracket the
spikes from both sides, and a position on which two consecutive iterates agree is certain. The positions that are not
certain after `MAX_ITERATIONS` are decided in time order, they alone.

Everything is computed in float64. A lane that anywhere comes closer to its threshold than the rounding of the plain loop
in the tensors' own dtype is solved again by that loop, so the spikes are the loop's, bit for bit.

Reference: Zhong et al. 2024 (SPikE-SSM) for the idea; the algorithm with its proofs is in docs/maths/neurons.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._dispatch import backend_of
from longspike.kernels.refractory_lif import compiled, reference
from longspike.kernels.refractory_lif.reference import Parameters, State

MAX_ITERATIONS = 64


class Certificate(NamedTuple):
    """What a parallel call did: iterations, positions certain after them, positions (or lanes) repaired in order."""

    method: str
    iterations: int
    resolved: int
    repaired: int
    positions: int


def leaky_scan(x: Tensor, decay: Tensor) -> Tensor:
    """y[t] = decay*y[t-1] + x[t] along axis 1 of (batch, seqlen, channels): one application of the linear part.

    On a GPU by doubling, log2(seqlen) passes; on a CPU by the compiled scan, which is one pass.
    """
    if x.dim() == 3 and backend_of("s4d_scan", x.device, x.dtype) == "cpp":
        return _compiled_scan(x, decay)
    y = x
    power, shift = decay, 1
    while shift < x.shape[1] and float(power.max()) > 1e-20:
        y = torch.cat([y[:, :shift], y[:, shift:] + power * y[:, :-shift]], dim=1)
        power, shift = power * power, 2 * shift
    return y


def _compiled_scan(x: Tensor, decay: Tensor) -> Tensor:
    """The state-space kernel with one real pole, read out as it is."""
    x = x.contiguous()
    batch, seqlen, channels = x.shape
    zero = torch.zeros(channels, dtype=x.dtype)
    pole = torch.stack([decay.to(x.dtype).expand(channels), zero])
    read = torch.stack([torch.ones_like(zero), zero])
    state = torch.zeros(batch, 2, channels, dtype=x.dtype)
    y = native.empty((batch, seqlen, channels), x.dtype)
    numbers = (batch, seqlen, channels, 1, native.extension().s4d_block, native.threads())
    native.call("s4d_forward", x.dtype, (x, pole, read, zero, y, state, None), numbers)
    return y


def _delayed(x: Tensor) -> Tensor:
    """x one step later, zero first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


def _drive(current: Tensor, parameters: Parameters, state: State, reset: str) -> tuple[Tensor, Tensor]:
    """The membrane c and the refractory trace that the current and the initial state make on their own."""
    beta, threshold, _, gamma = parameters
    v, r, s = state
    steps = torch.arange(current.shape[1], dtype=current.dtype, device=current.device)[:, None]
    carried = v - threshold * s if reset == "subtract" else v
    c = leaky_scan(current, beta) + beta ** (steps + 1) * carried[:, None]
    trace = gamma**steps * (gamma * r + s)[:, None]
    return c, trace


def forward(current: Tensor, parameters: Parameters, state: State, reset: str) -> tuple[Tensor, State, Certificate]:
    """Spikes, the final state (v, r, s) and the certificate."""
    dtype = current.dtype
    wide = current.double()
    beta, threshold, rho, gamma = (p.double() for p in parameters)
    wide_state = (state[0].double(), state[1].double(), state[2].double())
    if current.shape[1] == 0:
        v, r, s = state
        return native.empty_like(current), (v.clone(), r.clone(), s.clone()), Certificate("pmbc", 0, 0, 0, 0)
    c, trace = _drive(wide, (beta, threshold, rho, gamma), wide_state, reset)

    def potentials(x: Tensor) -> tuple[Tensor, Tensor]:
        before = _delayed(x)
        v = c - beta * threshold * leaky_scan(before, beta) if reset == "subtract" else c
        return v, trace + leaky_scan(before, gamma)

    spikes, iterations = torch.zeros_like(wide), 0
    certain = torch.zeros_like(wide, dtype=torch.bool)
    while iterations < MAX_ITERATIONS and not bool(certain.all()):
        v, r = potentials(spikes)
        following = (v - rho * r > threshold).to(wide.dtype)
        certain = following == spikes
        spikes, iterations = following, iterations + 1
    resolved = int(certain.sum())
    if not bool(certain.all()):
        spikes = _decide_in_order(potentials, spikes * certain, ~certain, (beta, threshold, rho, gamma), reset)
    v, r = potentials(spikes)
    close = ((v - rho * r - threshold).abs() <= _rounding(v, r, wide, (beta, threshold, rho, gamma), dtype)).any(dim=1)
    repaired = int((~certain).sum())
    result = native.empty_like(current).copy_(spikes)
    end = (v[:, -1].to(dtype, copy=True), r[:, -1].to(dtype, copy=True), spikes[:, -1].to(dtype, copy=True))
    if bool(close.any()):
        repaired += _solve_lanes(result, end, close, current, parameters, state, reset)
    return result, end, Certificate("pmbc", iterations, resolved, repaired, spikes.numel())


def _rounding(v: Tensor, r: Tensor, current: Tensor, parameters: Parameters, dtype: torch.dtype) -> Tensor:
    """How far the loop in `dtype` can be from exact arithmetic at the threshold test, per lane (batch, 1, channels).

    A step rounds the leak three times, so |error of v| <= 3*u*max|v|/(1 - beta); the trace twice; the test twice.
    """
    beta, threshold, rho, gamma = parameters
    unit = torch.finfo(dtype).eps / 2 + 64 * torch.finfo(torch.float64).eps
    largest_v = v.abs().amax(dim=1, keepdim=True) + threshold + current.abs().amax(dim=1, keepdim=True)
    largest_r = r.abs().amax(dim=1, keepdim=True)
    return unit * (largest_v * (3 / (1 - beta) + 1) + rho * largest_r * (2 / (1 - gamma) + 2))


def _decide_in_order(
    potentials: Callable[[Tensor], tuple[Tensor, Tensor]],
    known: Tensor,
    open_positions: Tensor,
    parameters: Parameters,
    reset: str,
) -> Tensor:
    """Decide only the open positions, in time order, all lanes side by side.

    With the known spikes' potential z given, a lane carries two decaying sums over the spikes already added:
    z - theta*e1 - rho*e2, where e1 decays with beta and e2 with gamma.
    """
    beta, threshold, rho, gamma = parameters
    batch, seqlen, channels = known.shape
    v, r = potentials(known)
    z = (v - rho * r - threshold).transpose(1, 2).reshape(-1, seqlen)
    lanes, times = open_positions.transpose(1, 2).reshape(-1, seqlen).nonzero(as_tuple=True)
    counts = torch.bincount(lanes, minlength=batch * channels)
    firsts = counts.cumsum(0) - counts
    spikes = known.transpose(1, 2).reshape(-1, seqlen).clone()
    channel = torch.arange(batch * channels, device=known.device) % channels
    e1, e2 = z.new_zeros(batch * channels), z.new_zeros(batch * channels)
    last = torch.zeros(batch * channels, dtype=torch.long, device=known.device)
    order = counts.argsort(descending=True)
    for k in range(int(counts.max())):
        lane = order[: int((counts > k).sum())]
        time = times[firsts[lane] + k]
        b, th, rh, g = (p[channel[lane]] for p in (beta, threshold, rho, gamma))
        gap = (time - last[lane]).to(z.dtype)
        leaked, refractory = e1[lane] * b**gap, e2[lane] * g ** (gap - 1)
        margin = z[lane, time] - rh * refractory
        fired = ((margin - th * leaked if reset == "subtract" else margin) > 0).to(z.dtype)
        spikes[lane, time] = fired
        e1[lane], e2[lane], last[lane] = leaked + fired, refractory * g + fired, time
    return spikes.view(batch, channels, seqlen).transpose(1, 2).contiguous()


def _solve_lanes(
    spikes: Tensor,
    end: State,
    close: Tensor,
    current: Tensor,
    parameters: Parameters,
    state: State,
    reset: str,
) -> int:
    """Solve the lanes `close` (batch, channels) again in sequence and the tensors' own dtype; writes in place.

    Returns the number of positions in those lanes.
    """
    sample, channel = close.nonzero(as_tuple=True)
    lanes = current[sample, :, channel].t()[None]
    v, r, s = (x[sample, channel][None] for x in state)
    beta, threshold, rho, gamma = (p[channel] for p in parameters)
    if backend_of("refractory_lif", current.device, current.dtype) == "cpp":
        solved, lane_end, _, _ = compiled.forward(lanes, (beta, threshold, rho, gamma), (v, r, s), reset, "sequential")
    else:
        solved, lane_end = reference.forward(lanes, (beta, threshold, rho, gamma), (v, r, s), reset)
    spikes[sample, :, channel] = solved[0].t()
    for whole, part in zip(end, lane_end, strict=True):
        whole[sample, channel] = part[0]
    return lanes.numel()

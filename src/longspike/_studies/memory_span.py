"""How far back a memory's state remembers: the best linear read-out of a past input, for a band-limited signal."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longspike._core.mistakes import Mistakes
from longspike.ssm.sa_hippo import SAHippo


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanSettings:
    """The signals and the memory.

    Attributes:
        d_state: N. dt: the step; the measure of HiPPO-LegS at constant steps fades over about 1/dt steps.
        cycles: highest frequency of the signals, in cycles per 1/dt steps. span: signals last span/dt steps.
        num_signals: half of them fit the read-outs, half test them. lags: read out, evenly spaced over 0 .. max_lag,
            max_lag in units of 1/dt. ridge: of the read-outs, relative to the largest variance of the state.
    """

    d_state: int = 64
    dt: float = 0.01
    cycles: float = 8.0
    span: float = 8.0
    num_signals: int = 1024
    lags: int = 41
    max_lag: float = 4.0
    ridge: float = 1e-10

    def __post_init__(self) -> None:
        mistakes = Mistakes("SpanSettings", self)
        mistakes.integers("d_state", "num_signals", "lags", low=2)
        mistakes.numbers("dt", "cycles", "span", "ridge")
        if not mistakes:
            mistakes.numbers("max_lag", high=self.span)
        mistakes.raise_any()


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorySpan:
    """Error of the best linear read-out of u(t - lag) from the state at t, as a share of the signal's deviation.

    Attributes:
        lags: in units of 1/dt, i.e. dimensionless time. errors: one for every lag, about 1 where nothing is left.
        mean_error: over lags up to 1. span: the first lag at which the error exceeds a half.
    """

    lags: tuple[float, ...]
    errors: tuple[float, ...]
    mean_error: float
    span: float


def band_limited(num_signals: int, seqlen: int, cutoff: float, generator: torch.Generator) -> Tensor:
    """(num_signals, seqlen) float32 Gaussian noise of unit variance without frequencies above `cutoff` (cycles a step)."""
    white = torch.randn(num_signals, 2 * seqlen, generator=generator)
    spectrum = torch.fft.rfft(white)
    spectrum[:, torch.fft.rfftfreq(2 * seqlen) > cutoff] = 0
    signal = torch.fft.irfft(spectrum, n=2 * seqlen)[:, :seqlen]
    return signal / signal.std()


def final_states(signals: Tensor, *, settings: SpanSettings, rank: int) -> Tensor:
    """(num_signals, d_state) float64: the state after the last step, input held, no decay, as the layer starts.

    Rank 0 is structure "diag": the normal part of LegS alone.
    """
    structure = "diag" if rank == 0 else "dplr"
    layer = SAHippo(
        signals.shape[0],
        d_state=settings.d_state,
        rank=rank,
        structure=structure,
        input="held",
        decay="none",
        dt_min=settings.dt,
        dt_max=settings.dt,
    )
    _, state = layer.sequence(signals.T[None].contiguous())
    return state[0, 0].flatten(0, 1).T.double()


def read_out_errors(states: Tensor, targets: Tensor, *, ridge: float) -> Tensor:
    """Test errors (num_targets,) of ridge regressions from states to targets: fitted on one half, tested on the other.

    error = rms(prediction - target) / rms(target)
    """
    half = states.shape[0] // 2
    scale = states[:half].std(dim=0).clamp_min(1e-30)
    x = states / scale
    gram = x[:half].T @ x[:half]
    gram += ridge * torch.linalg.eigvalsh(gram)[-1] * torch.eye(gram.shape[0], dtype=gram.dtype)
    weights = torch.linalg.solve(gram, x[:half].T @ targets[:half])
    off = x[half:] @ weights - targets[half:]
    return off.square().mean(dim=0).sqrt() / targets[half:].square().mean(dim=0).sqrt()


@torch.no_grad()
def memory_span(settings: SpanSettings, *, rank: int, seed: int) -> MemorySpan:
    """The span of a memory of that rank as initialised.

    A linear read-out fitted to each memory treats all ranks alike; HiPPO's own read-out holds for rank 1 only. It is
    fitted in float64 to states that the layer computed in float32, so what it finds is there in practice.
    """
    generator = torch.Generator().manual_seed(seed)
    seqlen = round(settings.span / settings.dt)
    signals = band_limited(settings.num_signals, seqlen, settings.cycles * settings.dt, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        states = final_states(signals, settings=settings, rank=rank)
    lags = torch.linspace(0, settings.max_lag, settings.lags, dtype=torch.float64)
    targets = signals[:, seqlen - 1 - (lags / settings.dt).round().long()].double()
    errors = read_out_errors(states, targets, ridge=settings.ridge)
    forgotten = (errors > 0.5).nonzero()
    return MemorySpan(
        lags=tuple(lags.tolist()),
        errors=tuple(errors.tolist()),
        mean_error=float(errors[lags <= 1].mean()),
        span=float(lags[forgotten[0]]) if len(forgotten) else float(settings.max_lag),
    )

"""Dendritic convolution over dense steps: frames, patches, columns, or single features."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.checks import check_bounds, check_choice, check_floats, check_positive_int, describe
from longspike._core.dtypes import compute_dtype, in_dtype
from longspike._core.sequence import AbstractSequenceLayer
from longspike._core.states import as_state, check_part
from longspike.kernels._dispatch import S4D_METHODS
from longspike.kernels.mixing import linear
from longspike.kernels.s4d_scan import s4d_scan
from longspike.layers.batch_norm import BatchNorm
from longspike.neurons.dendritic import branch_taus
from longspike.neurons.lif import LIFState
from longspike.neurons.memoryless import spike
from longspike.neurons.refractory import RefractoryLIF
from longspike.neurons.surrogate import Surrogate, as_surrogate

WEIGHTS = ("shared", "own", "partitioned")
POOLED = ("current", "membrane")
THRESHOLD = 1.0


class DendriticFramesState(NamedTuple):
    """What the neurons remember: traces (batch, height, width, num_branches, channels), and what the somata do, if any."""

    traces: Tensor
    soma: LIFState | None


def largest(x: Tensor, side: int) -> Tensor:
    """The largest of every side x side window of x (..., height, width, channels); windows at the far edges are cut."""
    if side == 1:
        return x
    found = functional.max_pool2d(x.flatten(0, -4).permute(0, 3, 1, 2), side, ceil_mode=True)
    return found.permute(0, 2, 3, 1).unflatten(0, x.shape[:-3])


def surrounded(x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """x (..., height, width, channels) with so many zeros around that a kernel has as many positions as x."""
    rows, columns = kernel
    return functional.pad(x, (0, 0, (columns - 1) // 2, columns // 2, (rows - 1) // 2, rows // 2))


def patches(x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """(..., height, width, channels) -> (..., height, width, kernel*kernel*channels): what each position sees, zeros around.

    Its features go by channel, then by row and column of the kernel.
    """
    rows, columns = kernel
    return surrounded(x, kernel).unfold(-3, rows, 1).unfold(-3, columns, 1).flatten(-3)


class DendriticConv2d(AbstractSequenceLayer[DendriticFramesState]):
    """Dendritic neurons behind a convolution over frames (height, width, channels), one frame a step.

        u_d[t] = (w_d * x[t])(position)          the branches' drive; with shared weights one for all of them
        i_d[t] = exp(-1/tau_d) i_d[t-1] + u_d[t],   m[t] = sum over d of g_d i_d[t]
        s[t]   = norm(m[t]) > 1, or the spikes of a leaky soma with a reset to zero that norm(m[t]) drives

    With shared weights the branches are one causal kernel a channel, kappa[k] = sum over d of g_d exp(-k/tau_d), over what
    the convolution gives: the trace of a branch is a real pole of a state space, and `s4d_scan` computes it, by recurrence
    or by convolution. At inference a position's numbers depend on its past alone, bit for bit: whole sequences, chunks and
    steps give the same spikes.

    Starts with g = 1 for the fastest branch and 0 for the others, which begin silent: so it begins as a plain convolution.

    Args:
        in_channels, channels: sizes. num_branches: of every neuron.
        kernel: side of the convolution, or (rows, columns); (1, 1) is a linear map, (3, 1) goes along columns of one pixel.
            Its surroundings are zero, and it gives as many positions as it sees.
        weights: "shared" by the branches; "own" ones for each; "partitioned", each branch sees in_channels/num_branches
            channels of its own (as DH-SNN).
        pool: side of the max pool. pooled: whether the "current" u is pooled, or the "membrane" m.
        tau_min, tau_max: time constants in steps, log-spaced and trained.
        tau_soma: of the leaky soma in steps, trained; None for a threshold without memory.
        has_norm: batch norm before the threshold, folded into one factor and one summand at inference.
        surrogate: slope of the backward pass. method: of the traces, as of `S4D`.

    Reference: Chakraborty and Mukhopadhyay 2025, arXiv 2504.01257; Zheng et al. 2024, Nature Communications 15:277. Real
        poles with couplings of their own for every channel are this library's reading.

    Example:
        >>> layer = DendriticConv2d(3, 4, num_branches=2, pool=2)
        >>> spikes, state = layer(torch.randn(2, 5, 8, 8, 3))
        >>> tuple(spikes.shape), tuple(state.traces.shape)
        ((2, 5, 4, 4, 4), (2, 4, 4, 2, 4))
    """

    DYNAMICS = ("log_tau",)

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        num_branches: int,
        kernel: int | tuple[int, int] = 3,
        weights: str = "shared",
        pool: int = 1,
        pooled: str = "current",
        tau_min: float = 0.2,
        tau_max: float = 16.0,
        tau_soma: float | None = None,
        has_norm: bool = True,
        surrogate: str | Surrogate = "triangle",
        method: str = "auto",
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        sizes = {"in_channels": in_channels, "channels": channels, "pool": pool}
        for name, value in (*sizes.items(), ("kernel", self.kernel[0]), ("kernel", self.kernel[-1])):
            check_positive_int(where, name, value)
        check_choice(where, "weights", weights, WEIGHTS)
        check_choice(where, "pooled", pooled, POOLED)
        check_choice(where, "method", method, S4D_METHODS)
        self.in_channels, self.channels, self.num_branches = in_channels, channels, num_branches
        self.weights, self.pool, self.pooled, self.method = weights, pool, pooled, method
        self.surrogate = as_surrogate(surrogate)
        self.log_tau = nn.Parameter(branch_taus(where, num_branches, tau_min, tau_max, 1.0).log())
        self.g = nn.Parameter(torch.zeros(num_branches, channels))
        with torch.no_grad():
            self.g[0] = 1
        if weights == "partitioned" and in_channels % num_branches:
            raise ValueError(
                f"{where}: `num_branches` must divide in_channels={in_channels} if they are partitioned; got {num_branches}."
            )
        kernels = 1 if weights == "shared" else num_branches
        seen = in_channels // num_branches if weights == "partitioned" else in_channels
        fan_in = seen * self.kernel[0] * self.kernel[1]
        self.weight = nn.Parameter(torch.randn(kernels, channels, fan_in) / math.sqrt(fan_in))
        self.norm = BatchNorm(channels) if has_norm else None
        self.soma = None if tau_soma is None else self._soma(where, tau_soma)

    def _soma(self, where: str, tau: float) -> RefractoryLIF:
        check_bounds(where, "tau_soma", tau, low=0, high=math.inf, closed_low=False, closed_high=False)
        options = {
            "beta": math.exp(-1 / tau),
            "rho": 0.0,
            "reset": "zero",
            "surrogate": self.surrogate,
            "trains_beta": True,
        }
        return RefractoryLIF(self.channels, threshold=THRESHOLD, **options)  # type: ignore[arg-type]

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of what comes out of frames of this size."""
        return -(-height // self.pool), -(-width // self.pool)

    def poles(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """exp(-1/tau) (num_branches) and g (num_branches, channels)."""
        return in_dtype(torch.exp(-torch.exp(-self.log_tau)), dtype), in_dtype(self.g, dtype)

    def drive(self, x: Tensor) -> Tensor:
        """The branches' drive (batch, seqlen, height, width, kernels*channels); one kernel where weights are shared.

        In training by a library's convolution, whose sums may depend on the batch; at inference place by place.
        """
        weight = in_dtype(self.weight, x.dtype)
        if self.training:
            groups = self.num_branches if self.weights == "partitioned" else 1
            kernels = weight.reshape(-1, self.in_channels // groups, *self.kernel)
            frames = surrounded(x, self.kernel).flatten(0, 1).permute(0, 3, 1, 2)
            found = functional.conv2d(frames, kernels, groups=groups)
            return found.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
        if self.weights != "partitioned":
            return linear(patches(x, self.kernel), weight.flatten(0, 1), None)
        parts = zip(x.chunk(self.num_branches, dim=-1), weight, strict=True)
        return torch.cat([linear(patches(part, self.kernel), w, None) for part, w in parts], dim=-1)

    def _sizes(self, batch: int, height: int, width: int) -> tuple[int, ...]:
        """Of the traces: where the drive is, pooled or not."""
        places = (height, width) if self.pooled == "membrane" else self.cells(height, width)
        return (batch, *places, self.num_branches, self.channels)

    def init_state(self, batch: int, *, height: int, width: int) -> DendriticFramesState:  # type: ignore[override]
        """The silent state of `batch` samples with frames of this size."""
        like = {"dtype": self.g.dtype, "device": self.g.device}
        traces = torch.zeros(self._sizes(batch, height, width), **like)  # type: ignore[call-overload]
        rows, columns = self.cells(height, width)
        return DendriticFramesState(traces, None if self.soma is None else self.soma.init_state(batch * rows * columns))

    def forward(
        self, x: Tensor, state: DendriticFramesState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, DendriticFramesState]:
        """Spikes (batch, seqlen, height, width, channels) of frames (batch, seqlen, height, width, in_channels), the state.

        Args: lengths: (batch), valid steps; the others have no part in the statistics of the norm.
        """
        self._check(x)
        dtype, x = x.dtype, in_dtype(x, compute_dtype(x.dtype))
        batch, _, height, width, _ = x.shape
        if state is None:
            state = self.init_state(batch, height=height, width=width)
        state = as_state("DendriticConv2d", DendriticFramesState, state)
        traces = check_part("DendriticConv2d", "state.traces", state.traces, self._sizes(batch, height, width))
        drive = self.drive(x)
        drive = largest(drive, self.pool) if self.pooled == "current" else drive
        membrane, end = self._traced(drive, in_dtype(traces, x.dtype))
        membrane = largest(membrane, self.pool) if self.pooled == "membrane" else membrane
        spikes, soma = self._fired(membrane, state.soma, lengths)
        return in_dtype(spikes, dtype), DendriticFramesState(end, soma)

    def step(self, x_t: Tensor, state: DendriticFramesState) -> tuple[Tensor, DendriticFramesState]:
        """Spikes (batch, height, width, channels) of one frame (batch, height, width, in_channels)."""
        spikes, end = self(x_t[:, None], state)
        return spikes[:, 0], end

    def _check(self, x: Tensor) -> None:
        check_floats("DendriticConv2d", "x", x)
        if x.dim() != 5 or x.shape[-1] != self.in_channels:
            raise ValueError(
                f"DendriticConv2d: `x` must be (batch, seqlen, height, width, {self.in_channels}), channels last; got "
                f"{describe(x)}."
            )

    def _traced(self, drive: Tensor, traces: Tensor) -> tuple[Tensor, Tensor]:
        """m (batch, seqlen, height, width, channels) of the drive (.., kernels*channels), and the traces after it.

        Shared weights: a channel has num_branches real poles. Otherwise every branch is a channel with one pole.
        """
        inputs, is_shared = drive.shape[-1], self.weights == "shared"
        alpha, g = self.poles(drive.dtype)
        lam, start = alpha[:, None].expand(-1, self.channels), traces.flatten(0, 2)
        if not is_shared:
            lam, g, start = lam.reshape(1, -1), g.reshape(1, -1), start.flatten(1)[:, None]
        skip = drive.new_zeros(inputs)
        y, end = s4d_scan(_by_place(drive), _real(lam), _real(g), skip, _real(start), method=self.method)
        y = y if is_shared else y.unflatten(-1, (self.num_branches, self.channels)).sum(-2)
        return _by_step(y, drive), end[..., 0, :].reshape(traces.shape)

    def _fired(self, membrane: Tensor, soma: LIFState | None, lengths: Tensor | None) -> tuple[Tensor, LIFState | None]:
        places = _by_place(membrane)
        if self.norm is not None:
            lengths = None if lengths is None else lengths.repeat_interleave(len(places) // len(membrane))
            places = self.norm(places, lengths)
        if self.soma is None:
            return _by_step(spike(places, self.surrogate, threshold=THRESHOLD), membrane), None
        spikes, end = self.soma(places, soma)
        return _by_step(spikes, membrane), end

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.channels}, num_branches={self.num_branches}, kernel={self.kernel}, "
            f"weights={self.weights}, pool={self.pool} of the {self.pooled}"
        )


def _by_place(x: Tensor) -> Tensor:
    """(batch, seqlen, height, width, channels) -> (batch*height*width, seqlen, channels)."""
    return x.permute(0, 2, 3, 1, 4).flatten(0, 2)


def _by_step(x: Tensor, like: Tensor) -> Tensor:
    """(batch*height*width, seqlen, channels) -> (batch, seqlen, height, width, channels), with the sizes of `like`."""
    batch, _, height, width, _ = like.shape
    return x.unflatten(0, (batch, height, width)).permute(0, 3, 1, 2, 4)


def _real(x: Tensor) -> Tensor:
    """Real numbers (.., n, channels) as pairs (.., n, 2, channels) of a real and an imaginary part."""
    return torch.stack([x, torch.zeros_like(x)], dim=-2)

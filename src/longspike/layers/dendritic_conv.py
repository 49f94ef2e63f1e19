"""Dendritic LIF convolution over sparse spikes: every touched position is a neuron with its own clock."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.checks import check_positive_int
from longspike._core.dtypes import compute_dtype
from longspike._core.states import as_state
from longspike.kernels.dendrite import DendritePlan, dendrite_plan, dendritic_conv
from longspike.layers.sparse import SparseSpikes, check_sparse
from longspike.neurons.dendritic import AbstractDendrites
from longspike.neurons.surrogate import Surrogate

WHERE = "DendriticLIFConv2d"
TYPICAL_GAP_US = 10_000  # between two updates of a position while something moves there
TYPICAL_FIELD = 16  # one in so many inputs of a receptive field is active


class DendriticConvState(NamedTuple):
    """What the touched positions remember; positions that were never touched are silent and absent.

    keys: (positions), int64, ascending: sample * cells + y*width + x on the output grid. last_step: (positions), int64.
    i: (positions, num_branches, channels). v: (positions, channels), after the reset.
    """

    keys: Tensor
    last_step: Tensor
    i: Tensor
    v: Tensor


class DendriticRows(NamedTuple):
    """Membranes of a layer, one row for each update of a position.

    membrane: (rows, channels), before the reset; a spike where it exceeds `threshold`. plan: which rows these are.
    state: of all touched positions after the last row, or None if it was not asked for.
    """

    membrane: Tensor
    plan: DendritePlan
    threshold: float
    state: DendriticConvState | None


def _positions(plan: DendritePlan) -> tuple[Tensor, Tensor, Tensor]:
    """keys, first step and last step of every chain."""
    first, last = plan.chain_offsets[:-1], plan.chain_offsets[1:] - 1
    width, height = plan.grid_size
    key = (plan.row_sample[first].long() * height + plan.row_y[first]) * width + plan.row_x[first]
    return key, plan.row_step[first], plan.row_step[last]


def _gaps(plan: DendritePlan, first_gap: Tensor) -> Tensor:
    """Steps since the chain's row before; since the state's last step for its first row."""
    gap = plan.row_step.clone()
    gap[1:] -= plan.row_step[:-1]
    gap[plan.chain_offsets[:-1]] = first_gap
    return gap


def _resume(
    state: DendriticConvState, keys: Tensor, first_step: Tensor
) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
    """i and v of every chain, the gap of its first row, and which positions of the state go on."""
    at = torch.searchsorted(state.keys, keys).clamp(max=max(state.keys.numel() - 1, 0))
    goes_on = state.keys[at] == keys if state.keys.numel() else torch.zeros_like(keys, dtype=torch.bool)
    old = at[goes_on]
    gap = torch.zeros_like(first_step)
    gap[goes_on] = first_step[goes_on] - state.last_step[old]
    if bool((gap[goes_on] <= 0).any()):
        worst = int((gap[goes_on] <= 0).nonzero()[0])
        raise ValueError(
            f"{WHERE}: `inputs` must begin after the state's last step; a position is touched in step "
            f"{int(first_step[goes_on][worst])}, and its state is of step {int(state.last_step[old][worst])}. "
            "Pass all inputs of a step in one call."
        )
    rows = goes_on.nonzero()[:, 0]
    i = state.i.new_zeros(keys.numel(), *state.i.shape[1:]).index_copy(0, rows, state.i[old])
    v = state.v.new_zeros(keys.numel(), state.v.shape[1]).index_copy(0, rows, state.v[old])
    is_kept = torch.ones_like(state.keys, dtype=torch.bool)
    is_kept[old] = False
    return (i, v), gap, is_kept.nonzero()[:, 0]


def _merge(state: DendriticConvState | None, kept: Tensor | None, new: DendriticConvState) -> DendriticConvState:
    """The new state, and of the old one the positions that nothing touched."""
    if state is None or kept is None or not kept.numel():
        return new
    order = torch.argsort(torch.cat([state.keys[kept], new.keys]))
    return DendriticConvState(*(torch.cat([a[kept], b])[order] for a, b in zip(state, new, strict=True)))


class DendriticLIFConv2d(AbstractDendrites):
    """Dendritic LIF neurons behind a kernel x kernel convolution over sparse spikes.

        alpha_d = exp(-gap*step_us/tau_d)     i_d = alpha_d*i_d + sum over active inputs in the field of value*w_d
        beta = exp(-gap*step_us/tau_soma)     m = beta*v + sum_d g_d*i_d;   s = m > threshold;   v = m*(1 - s)

    A position is updated only in a step in which an active input falls into its receptive field; gap is the number of
    steps since its own last update. So work and memory grow with what happens, never with the sensor, and a position
    does not depend on what happens elsewhere. Inputs are summed in their order: the same bits for any cut of a stream
    into calls, as long as a step is in one call.

    Starts with g = 1/num_branches and normal weights, so scaled that after 16 updates 10 ms apart, with a sixteenth of
    the field active (one input at least), the membranes would deviate by 0.6 thresholds and 5 % of them exceed it.

    Args:
        in_channels, channels: sizes; events have 2 input channels (`from_events`).
        num_branches: branches of a neuron.
        kernel, stride, padding: of the convolution; padding is kernel // 2 by default.
        step_us: length of a step in microseconds; the same as the inputs'.
        tau_min_us, tau_max_us: time constants of the branches in microseconds, log-spaced and trained.
        tau_soma_us: time constant of the soma in microseconds, trained. threshold: > 0, a constant.
        surrogate: slope of the backward pass in the reset. method: "compiled", "reference" or "auto".

    Reference: Zheng et al. 2024, Nature Communications 15:277; Chakraborty and Mukhopadhyay 2025, arXiv 2504.01257. The
        clock of each position is this library's own reading.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        num_branches: int,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        step_us: int,
        tau_min_us: float,
        tau_max_us: float,
        tau_soma_us: float,
        threshold: float = 1.0,
        surrogate: str | Surrogate = "triangle",
        method: str = "auto",
    ) -> None:
        super().__init__(
            channels,
            num_branches=num_branches,
            tau_min=tau_min_us,
            tau_max=tau_max_us,
            tau_soma=tau_soma_us,
            threshold=threshold,
            surrogate=surrogate,
            method=method,
        )
        sizes = (("in_channels", in_channels), ("kernel", kernel), ("stride", stride), ("step_us", step_us))
        for name, value in sizes:
            check_positive_int(WHERE, name, value)
        self.padding = kernel // 2 if padding is None else padding
        check_positive_int(WHERE, "padding", self.padding, low=0)
        self.in_channels, self.kernel, self.stride, self.step_us = in_channels, kernel, stride, step_us
        active = max(1, in_channels * kernel**2 / TYPICAL_FIELD)
        scale = self.typical_scale(gap=TYPICAL_GAP_US / step_us) / math.sqrt(active)
        self.weight = nn.Parameter(scale * torch.randn(num_branches, channels, in_channels, kernel, kernel))

    def dynamics(self) -> tuple[Tensor, Tensor, Tensor]:
        """rate (num_branches) and rate_soma (): step_us / tau, decays per step as exp(-rate); g (num_branches)."""
        return self.step_us * torch.exp(-self.log_tau), self.step_us * torch.exp(-self.log_tau_soma), self.g

    def taps(self) -> Tensor:
        """The weights as the kernels read them, (taps, in_channels, num_branches, channels) with tap = ky*kernel + kx."""
        taps = self.weight.permute(3, 4, 2, 0, 1)
        return taps.reshape(self.kernel**2, self.in_channels, self.num_branches, self.channels)

    def plan(self, inputs: SparseSpikes) -> DendritePlan:
        """The rows that `inputs` make."""
        is_active = (inputs.values.detach() != 0).any(1)
        return dendrite_plan(
            inputs.step,
            inputs.x,
            inputs.y,
            is_active,
            inputs.offsets,
            grid_size=inputs.grid_size,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
        )

    def forward(
        self, inputs: SparseSpikes, state: DendriticConvState | None = None, *, keeps_state: bool = True
    ) -> DendriticRows:
        """Membranes of all rows, and the state after them; differentiable, the state too.

        `keeps_state=False` leaves the state out, which takes num_branches times the memory of a row for every touched
        position: right for training on whole recordings.
        """
        check_sparse(WHERE, inputs, self.in_channels)
        plan, dtype = self.plan(inputs), compute_dtype(inputs.values.dtype)
        keys, first_step, last_step = _positions(plan)
        kept, before, first_gap = None, None, torch.zeros_like(first_step)
        if state is not None:
            state = as_state(WHERE, DendriticConvState, state)
            i, v = self.checked(state.i, state.v, state.keys.numel(), dtype)
            state = state._replace(i=i, v=v)
            before, first_gap, kept = _resume(state, keys, first_step)
        membrane, end = dendritic_conv(
            inputs.values.to(dtype),
            self.taps().to(dtype),
            tuple(p.to(dtype) for p in self.dynamics()),  # type: ignore[arg-type]
            before,
            plan,
            _gaps(plan, first_gap),
            threshold=self.threshold,
            surrogate=self.surrogate.name,
            scale=self.surrogate.value,
            keeps_state=keeps_state,
            method=self.method,
        )
        new = None if end is None else _merge(state, kept, DendriticConvState(keys, last_step, *end))
        return DendriticRows(membrane, plan, self.threshold, new)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.channels}, num_branches={self.num_branches}, kernel={self.kernel}, "
            f"stride={self.stride}, padding={self.padding}, step_us={self.step_us}, threshold={self.threshold}"
        )

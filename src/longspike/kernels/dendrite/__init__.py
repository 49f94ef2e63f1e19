"""Dendritic neurons on sparse inputs: the plan of rows, the chains of membranes, the pooling of rows.

One definition (`reference`), compiled kernels (`operator`), and the entries of both, with the same signatures.
"""

import torch
from torch import Tensor

from longspike.kernels._dispatch import choose
from longspike.kernels.dendrite import reference
from longspike.kernels.dendrite.arguments import Chains, checked, dense, expect_groups, fitting
from longspike.kernels.dendrite.operator import dendritic_conv_op, dendritic_lif_op, segment_max_op
from longspike.kernels.dendrite.plan import DendritePlan as DendritePlan
from longspike.kernels.dendrite.plan import PoolPlan as PoolPlan
from longspike.kernels.dendrite.plan import dendrite_plan as dendrite_plan
from longspike.kernels.dendrite.plan import pool_plan as pool_plan

Parameters = tuple[Tensor, Tensor, Tensor]  # rate (branches), rate_soma (), g (branches)
State = tuple[Tensor, Tensor]  # i (chains, branches, channels), v (chains, channels)


def dendritic_conv(
    values: Tensor,
    weight: Tensor,
    parameters: Parameters,
    state: State | None,
    plan: DendritePlan,
    gap: Tensor,
    *,
    threshold: float,
    surrogate: str,
    scale: float,
    keeps_state: bool = True,
    method: str = "auto",
) -> tuple[Tensor, State | None]:
    """Membranes of dendritic neurons, row by row of a plan.

        alpha_d = exp(-gap*rate_d)       i_d = alpha_d*i_d + sum over the row's pairs of value*w_d
        beta    = exp(-gap*rate_soma)    m = beta*v + sum_d g_d*i_d;   s = m > threshold;   v = m*(1 - s)

    Pairs are added in the order of their inputs, c_in ascending, zeros skipped; branches ascending. Gradients sum over
    chains in an order that depends on the number of threads alone.

    Args:
        values: (inputs, c_in). weight: (taps, c_in, branches, channels).
        parameters: rate (branches) and rate_soma (), per step; g (branches).
        state: i and v of every chain before its first row, or None for silence.
        gap: (rows) int64, steps since the chain's row before; for its first row, since the state.
        surrogate, scale: the slope in the reset's gradient.
        keeps_state: also return i and v of every chain after its last row; they take branches rows' memory a chain.

    Returns: the membranes before the reset (rows, channels), and the state or None.
    """
    choice = choose("dendritic_conv", method, values.device, values.dtype)
    rate, rate_soma, g = parameters
    branches, channels = weight.shape[2:]
    pairs = (plan.pair_offsets, plan.pair_input, plan.pair_tap)
    chains = 0 if state is None and choice.backend != "torch" else plan.chain_offsets.numel() - 1
    if state is None:
        state = values.new_zeros(chains, branches, channels), values.new_zeros(chains, channels)
    rates = torch.cat([rate, rate_soma.reshape(1)])
    if choice.backend != "torch":
        options = (threshold, surrogate, scale, keeps_state)
        membrane, i, v = dendritic_conv_op(values, weight, rates, g, *state, gap, plan.chain_offsets, *pairs, *options)
    else:
        call = Chains(values, weight, rates, g, *state, gap, plan.chain_offsets, pairs, threshold)
        (checked if values.is_cpu else fitting)("dendritic_conv", call)
        membrane, i, v = reference.dendritic_conv(
            values, weight, parameters, state, gap, plan.chain_offsets, pairs, (threshold, surrogate, scale)
        )
    return membrane, (i, v) if keeps_state else None


def dendritic_lif(
    drive: Tensor,
    parameters: Parameters,
    state: State,
    *,
    threshold: float,
    surrogate: str,
    scale: float,
    method: str = "auto",
) -> tuple[Tensor, State]:
    """Membranes (batch, seqlen, channels) of a dense drive (batch, seqlen, branches, channels), one step apart.

    The equations of `dendritic_conv` with gap 1; the state, of every sample, goes in and comes out.
    """
    choice = choose("dendritic_lif", method, drive.device, drive.dtype)
    rates = torch.cat([parameters[0], parameters[1].reshape(1)])
    if choice.backend != "torch":
        membrane, i, v = dendritic_lif_op(drive, rates, parameters[2], *state, threshold, surrogate, scale)
    else:
        fitting("dendritic_lif", dense(drive, rates, parameters[2], *state, threshold))
        membrane, i, v = reference.dendritic_lif(drive, parameters, state, (threshold, surrogate, scale))
    return membrane, (i, v)


def segment_max(x: Tensor, plan: PoolPlan, *, method: str = "auto") -> Tensor:
    """The largest row of x (rows, channels) in each group of a plan, channel by channel; the first of equals."""
    choice = choose("segment_max", method, x.device, x.dtype)
    if choice.backend != "torch":
        return segment_max_op(x, plan.group_offsets, plan.group_rows)[0]
    if x.is_cpu:
        expect_groups(x, plan.group_rows)
    return reference.segment_max(x, plan.group_offsets, plan.group_rows)[0]

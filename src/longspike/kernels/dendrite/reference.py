"""The dendritic neuron in plain PyTorch, differentiated by autograd: the definition of correct.

alpha_d = exp(-gap*rate_d)   i_d[t] = alpha_d*i_d[t-1] + drive_d[t]
beta = exp(-gap*rate_soma)   m[t] = beta*v[t-1] + sum_d g_d*i_d[t];   s[t] = m[t] > threshold;   v[t] = m[t]*(1 - s[t])
"""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels._spiking.surrogates import surrogate_slope

State = tuple[Tensor, Tensor]  # i (chains, branches, channels), v (chains, channels)


class _Reset(torch.autograd.Function):
    """m where it is not above the threshold, else 0; the spike's derivative is the surrogate's slope, in both modes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(m: Tensor, threshold: float, surrogate: str, scale: float) -> Tensor:
        return torch.where(m > threshold, torch.zeros_like(m), m)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        m, *ctx.options = inputs
        ctx.save_for_backward(m)
        ctx.save_for_forward(m)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        return _Reset.jvp(ctx, grad), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:  # type: ignore[override]
        (m,) = ctx.saved_tensors
        threshold, surrogate, scale = ctx.options
        kept = torch.where(m > threshold, torch.zeros_like(m), torch.ones_like(m))
        return tangent * (kept - surrogate_slope(m - threshold, surrogate, scale) * m)


def row_step(
    drive: Tensor,
    gap: Tensor,
    state: State,
    parameters: tuple[Tensor, Tensor, Tensor],
    options: tuple[float, str, float],
) -> tuple[Tensor, State]:
    """One row of several chains at once: drive (chains, branches, channels), gap (chains). Membrane and new state."""
    (i, v), (rate, rate_soma, g) = state, parameters
    i = torch.exp(-gap[:, None] * rate)[..., None] * i + drive
    membrane = torch.exp(-gap * rate_soma)[:, None] * v + (g[:, None] * i).sum(1)
    return membrane, (i, _Reset.apply(membrane, *options))  # type: ignore[no-untyped-call]


def row_drive(values: Tensor, weight: Tensor, plan: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """drive[row, d, c] = sum over the row's pairs and c_in of value[input, c_in] * weight[tap, c_in, d, c].

    Args: values (inputs, c_in); weight (taps, c_in, branches, channels); plan: pair_offsets, pair_input, pair_tap.
    """
    pair_offsets, pair_input, pair_tap = plan
    rows = torch.repeat_interleave(torch.arange(pair_offsets.numel() - 1, device=values.device), pair_offsets.diff())
    drive = values.new_zeros(pair_offsets.numel() - 1, *weight.shape[2:])
    for tap in range(weight.shape[0]):
        is_here = pair_tap == tap
        here = torch.einsum("pk,kdc->pdc", values[pair_input[is_here]], weight[tap])
        drive = drive.index_add(0, rows[is_here], here)
    return drive


def dendritic_conv(
    values: Tensor,
    weight: Tensor,
    parameters: tuple[Tensor, Tensor, Tensor],
    state: State,
    gap: Tensor,
    chain_offsets: Tensor,
    pairs: tuple[Tensor, Tensor, Tensor],
    options: tuple[float, str, float],
) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (rows, channels) and the state of every chain after its last row; all chains advance together."""
    drive = row_drive(values, weight, pairs)
    lengths, gap = chain_offsets.diff(), gap.to(values.dtype)
    membranes, rows, (i, v) = [], [], state
    for t in range(int(lengths.max()) if lengths.numel() else 0):
        alive = (lengths > t).nonzero()[:, 0]
        row = chain_offsets[alive] + t
        membrane, (new_i, new_v) = row_step(drive[row], gap[row], (i[alive], v[alive]), parameters, options)
        i, v = i.index_copy(0, alive, new_i), v.index_copy(0, alive, new_v)
        membranes.append(membrane)
        rows.append(row)
    if not membranes:
        return drive.new_zeros(0, weight.shape[-1]), i, v
    return torch.cat(membranes)[torch.argsort(torch.cat(rows))], i, v


def dendritic_lif(
    drive: Tensor, parameters: tuple[Tensor, Tensor, Tensor], state: State, options: tuple[float, str, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (batch, seqlen, channels) of a dense drive (batch, seqlen, branches, channels), and the last state."""
    gap, membranes = drive.new_ones(drive.shape[0]), []
    for t in range(drive.shape[1]):
        membrane, state = row_step(drive[:, t], gap, state, parameters, options)
        membranes.append(membrane)
    shape = (drive.shape[0], drive.shape[1], drive.shape[3])
    return torch.stack(membranes, 1) if membranes else drive.new_zeros(shape), *state


def segment_max(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest row of each group, per channel, and its position in the group; the first of equals."""
    largest = x[group_rows[group_offsets[:-1]]]
    position = torch.zeros(largest.shape, dtype=torch.int32, device=x.device)
    sizes = group_offsets.diff()
    for k in range(1, int(sizes.max()) if sizes.numel() else 0):
        alive = (sizes > k).nonzero()[:, 0]
        other = x[group_rows[group_offsets[alive] + k]]
        is_larger = other > largest[alive]
        largest = largest.index_copy(0, alive, torch.where(is_larger, other, largest[alive]))
        position = position.index_copy(0, alive, torch.where(is_larger, k, position[alive]))
    return largest, position

"""The block of a spiking state-space model: its operators in turn, or one pass that keeps what lies between in cache."""

import torch
from torch import Tensor

from longspike._core.checks import check_choice
from longspike.kernels._derivatives import may_go_backward
from longspike.kernels._dispatch import choose
from longspike.kernels.spiking_block import reference
from longspike.kernels.spiking_block.operator import NORMS, Inputs, spiking_block_op
from longspike.kernels.spiking_block.reference import State

__all__ = ["Inputs", "State", "spiking_block"]


def spiking_block(
    x: Tensor,
    inputs: Inputs,
    state: State,
    *,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    norm: str = "layer",
    method: str = "auto",
) -> tuple[Tensor, Tensor, State]:
    """y (batch, seqlen, channels), spikes of valid steps (batch, channels), and the states after the last step.

        z = norm(x)    current = scan(z) [+ scan'(z), backwards]    s = neuron(current)    (a, b) = W (spike_scale s) + bias
        y = x + output_scale (a sigmoid(b))

    Both routes give the same bits. The fused one keeps 1/8 byte an element for the spikes and the states before every
    span of 256 steps (scan) and every block of 64 (neuron) for the backward pass, and computes the rest again.

    The norm is that of every row, `norm="layer"`, or with "affine" z = x * norm_weight + norm_bias: a norm whose statistics
    do not depend on the row, and lie in these two.

    With `inputs.back_lam`, `back_c` and `back_d` a second scan reads z from the last valid step to the first, with silence
    behind it, and its current is added to that of the first: the operators in turn take it from `z.flip(1)`, the fused route
    as it goes. It takes no state and leaves none; its states before every 256 steps are kept as well.
    """
    check_choice("spiking_block", "norm", norm, NORMS)
    choice = choose("spiking_block", method, x.device, x.dtype)
    if choice.method == "reference":
        return reference.forward(x, inputs, state, reset, surrogate, scale, gradient, norm)
    if any(mask is not None and mask.requires_grad for mask in (inputs.spike_scale, inputs.output_scale)):
        raise ValueError(
            "spiking_block: `spike_scale` and `output_scale` have no gradient in the fused route; got one that requires it. "
            "Use method='reference'."
        )
    tensors = (x, *inputs, *state)
    saves = not torch.compiler.is_exporting() and may_go_backward(*tensors)  # an exported program has no gradients
    y, counts, *ends = spiking_block_op(*tensors, reset, surrogate, scale, gradient, norm, saves)[:6]
    return y, counts, (ends[0], ends[1], ends[2], ends[3])

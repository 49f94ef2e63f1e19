"""The dendritic neuron through the compiled kernels: chains of rows, dense sequences, and the largest row of a group."""

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._arguments import expect
from longspike.kernels._spiking.surrogates import SURROGATES
from longspike.kernels.dendrite.arguments import Chains, checked, expect_groups, fitting_gradients


def _tensors(call: Chains, membrane: Tensor, i: Tensor | None, v: Tensor | None) -> tuple[Tensor | None, ...]:
    """In the order of DendriteCall (csrc/dendrite/calls.hpp)."""
    pairs = (None, None, None) if call.pairs is None else call.pairs
    return *call[:6], membrane, i, v, call.gap, call.chain_offsets, *pairs


def forward(call: Chains, keeps_state: bool, by_event: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (rows, channels), and i and v of every chain after its last row (or of no chain).

    `by_event` calls the functions of a stream one after the other instead of the fused row: slower, the same bits.
    """
    call = checked(call.stem, call)
    branches, channels, rows, chains = call.sizes()[3:]
    dtype, kept = call.weight.dtype, chains if keeps_state else 0
    membrane = native.empty((rows, channels), dtype)
    i, v = native.empty((kept, branches, channels), dtype), native.empty((kept, channels), dtype)
    numbers = (*call.sizes(), call.threshold, native.threads(), by_event)
    if not native.call(f"{call.stem}_forward", dtype, _tensors(call, membrane, i, v), numbers):
        raise ValueError(
            f"{call.stem}: the inputs, weights and time constants must not hold NaN; a membrane became NaN. "
            "Look for a division by zero or a diverged weight before this layer."
        )
    return membrane, i, v


def backward(
    call: Chains,
    membrane: Tensor,
    grad_membrane: Tensor,
    grad_end: tuple[Tensor | None, Tensor | None],
    *,
    surrogate: str,
    scale: float,
    wants_values: bool,
) -> tuple[Tensor, ...]:
    """Gradients of values, weight, rate, g, i0, v0; the trajectory of i is computed again from the membranes' chains."""
    where = f"{call.stem}_backward"
    call = checked(where, call)
    membrane, *held = fitting_gradients(where, call, membrane, grad_membrane, grad_end)
    inputs, c_in, _, branches, channels, _, chains = call.sizes()
    dtype = call.weight.dtype
    grad_values = torch.zeros((inputs if wants_values else 0, c_in), dtype=dtype)
    grad_weight = native.empty(tuple(call.weight.shape), dtype)
    grad_rate, grad_g = torch.empty(branches + 1, dtype=dtype), torch.empty(branches, dtype=dtype)
    state = chains if call.i0 is not None else 0
    grad_i, grad_v = native.empty((state, branches, channels), dtype), native.empty((state, channels), dtype)
    results = (grad_values, grad_weight, grad_rate, grad_g, grad_i, grad_v)
    numbers = (*call.sizes(), call.threshold, native.threads(), False, scale, SURROGATES[surrogate][0])
    native.call(where, dtype, (*_tensors(call, membrane, None, None), *held, *results), numbers)
    return results


def segment_max(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest row of each group, per channel, and its position within the group."""
    x, group_offsets, group_rows = x.contiguous(), group_offsets.contiguous(), group_rows.contiguous()
    expect_groups(x, group_rows)
    groups, channels = group_offsets.numel() - 1, x.shape[1]
    y, position = native.empty((groups, channels), x.dtype), torch.empty((groups, channels), dtype=torch.int32)
    tensors = (x, y, position, group_offsets, group_rows)
    native.call("segment_max", x.dtype, tensors, (groups, channels, native.threads()))
    return y, position


def segment_max_backward(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    """The gradient of x: that of y at the largest row, zero elsewhere."""
    groups, channels = grad.shape
    expect("segment_max_backward", grad, torch.int32, position=(position, (groups, channels)))
    grad_x = native.empty((group_rows.numel(), channels), grad.dtype)
    kept = [x.contiguous() for x in (grad, position, group_offsets, group_rows)]
    tensors = (kept[0], grad_x, *kept[1:])
    native.call("segment_max_backward", grad.dtype, tensors, (groups, channels, native.threads()))
    return grad_x

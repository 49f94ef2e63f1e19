"""The dendritic neuron and its pooling as PyTorch operators over the compiled kernels, and on CUDA over the Triton ones."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from longspike.kernels._operators import on_cuda, operator, register_gradient
from longspike.kernels.dendrite import compiled
from longspike.kernels.dendrite.arguments import Chains, dense


def _state(i: Tensor, v: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """A state of no chains stands for silence."""
    return (i, v) if i.shape[0] else (None, None)


def _conv_call(
    values: Tensor,
    weight: Tensor,
    rate: Tensor,
    g: Tensor,
    i: Tensor,
    v: Tensor,
    gap: Tensor,
    chain_offsets: Tensor,
    pair_offsets: Tensor,
    pair_input: Tensor,
    pair_tap: Tensor,
    threshold: float,
) -> Chains:
    pairs = (pair_offsets, pair_input, pair_tap)
    return Chains(values, weight, rate, g, *_state(i, v), gap, chain_offsets, pairs, threshold)


@operator("dendritic_conv")
def dendritic_conv_op(
    values: Tensor,
    weight: Tensor,
    rate: Tensor,
    g: Tensor,
    i: Tensor,
    v: Tensor,
    gap: Tensor,
    chain_offsets: Tensor,
    pair_offsets: Tensor,
    pair_input: Tensor,
    pair_tap: Tensor,
    threshold: float,
    surrogate: str,
    scale: float,
    keeps_state: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (rows, channels) before the reset, and (if `keeps_state`) i and v of every chain after its last row.

    values (inputs, c_in), weight (taps, c_in, branches, channels), rate (branches + 1) with the soma's last, g (branches);
    i and v of every chain before its first row, or of none: silence.
    """
    structure = (gap, chain_offsets, pair_offsets, pair_input, pair_tap)
    return compiled.forward(_conv_call(values, weight, rate, g, i, v, *structure, threshold), keeps_state)


@on_cuda(dendritic_conv_op)
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    from longspike.kernels.dendrite import triton_chains

    return triton_chains.forward(_conv_call(*arguments[:12]), arguments[-1])


@torch.library.register_fake(dendritic_conv_op)
def _(values: Tensor, weight: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    gap, chain_offsets, keeps_state = arguments[4], arguments[5], arguments[-1]
    branches, channels = weight.shape[2:]
    kept = chain_offsets.shape[0] - 1 if keeps_state else 0
    membrane = weight.new_empty((gap.shape[0], channels))
    return membrane, weight.new_empty((kept, branches, channels)), weight.new_empty((kept, channels))


@operator("dendritic_conv_backward")
def dendritic_conv_backward_op(
    values: Tensor,
    weight: Tensor,
    rate: Tensor,
    g: Tensor,
    i: Tensor,
    v: Tensor,
    gap: Tensor,
    chain_offsets: Tensor,
    pair_offsets: Tensor,
    pair_input: Tensor,
    pair_tap: Tensor,
    threshold: float,
    membrane: Tensor,
    grad_membrane: Tensor,
    grad_i: Tensor,
    grad_v: Tensor,
    surrogate: str,
    scale: float,
    wants_values: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of values (of none unless wanted), weight, rate, g, i and v."""
    structure = (gap, chain_offsets, pair_offsets, pair_input, pair_tap)
    call = _conv_call(values, weight, rate, g, i, v, *structure, threshold)
    options: dict[str, Any] = {"surrogate": surrogate, "scale": scale, "wants_values": wants_values}
    return compiled.backward(  # type: ignore[return-value]
        call, membrane, grad_membrane, _state(grad_i, grad_v), **options
    )


@on_cuda(dendritic_conv_backward_op)
def _(*arguments: Any) -> tuple[Tensor, ...]:
    from longspike.kernels.dendrite import triton_adjoint

    membrane, grad_membrane, grad_i, grad_v, surrogate, scale, wants_values = arguments[12:]
    options = {"surrogate": surrogate, "scale": scale, "wants_values": wants_values}
    end = _state(grad_i, grad_v)
    return triton_adjoint.backward(_conv_call(*arguments[:12]), membrane, grad_membrane, end, **options)


@torch.library.register_fake(dendritic_conv_backward_op)
def _(values: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    grad_values = values.new_empty((values.shape[0] if arguments[-1] else 0, values.shape[1]))
    return grad_values, *(values.new_empty(x.shape) for x in arguments[:5])


def _conv_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:11], output[0])
    ctx.threshold, *ctx.modes = inputs[11:14]
    ctx.set_materialize_grads(False)


def _conv_backward(ctx, grad_membrane, grad_i, grad_v):  # type: ignore[no-untyped-def]
    *inputs, membrane = ctx.saved_tensors
    weight, chains = inputs[1], inputs[7].shape[0] - 1
    grad_membrane = torch.zeros_like(membrane) if grad_membrane is None else grad_membrane
    if grad_i is None or grad_v is None:
        both = (grad_i, grad_v)
        kept = 0 if both == (None, None) else chains
        shapes = ((kept, *weight.shape[2:]), (kept, weight.shape[3]))
        grad_i, grad_v = (weight.new_zeros(shape) if grad is None else grad for grad, shape in zip(both, shapes))
    wants_values = ctx.needs_input_grad[0]
    gradients = (membrane, grad_membrane, grad_i, grad_v)
    grads = dendritic_conv_backward_op(*inputs, ctx.threshold, *gradients, *ctx.modes, wants_values)
    return grads[0] if wants_values else None, *grads[1:], *[None] * 9


register_gradient(dendritic_conv_op, _conv_backward, setup_context=_conv_context)


@operator("dendritic_lif")
def dendritic_lif_op(
    drive: Tensor, rate: Tensor, g: Tensor, i: Tensor, v: Tensor, threshold: float, surrogate: str, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (batch, seqlen, channels) of a drive (batch, seqlen, branches, channels), a row a step; the last state."""
    membrane, *end = compiled.forward(dense(drive, rate, g, i, v, threshold), keeps_state=True)
    return membrane.view(*drive.shape[:2], drive.shape[3]), end[0], end[1]


@on_cuda(dendritic_lif_op)
def _(drive: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    from longspike.kernels.dendrite import triton_chains

    membrane, i, v = triton_chains.forward(dense(drive, *arguments[:5]), keeps_state=True)
    return membrane.view(*drive.shape[:2], drive.shape[3]), i, v


@torch.library.register_fake(dendritic_lif_op)
def _(drive: Tensor, rate: Tensor, g: Tensor, i: Tensor, v: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    membrane = drive.new_empty((*drive.shape[:2], drive.shape[3]))
    return membrane, drive.new_empty(i.shape), drive.new_empty(v.shape)


@operator("dendritic_lif_backward")
def dendritic_lif_backward_op(
    drive: Tensor,
    rate: Tensor,
    g: Tensor,
    i: Tensor,
    v: Tensor,
    threshold: float,
    membrane: Tensor,
    grad_membrane: Tensor,
    grad_i: Tensor,
    grad_v: Tensor,
    surrogate: str,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the drive, rate, g, i and v."""
    call, gradients = dense(drive, rate, g, i, v, threshold), (membrane, grad_membrane, grad_i, grad_v)
    return _dense_backward(compiled.backward, drive, call, gradients, surrogate, scale)


@on_cuda(dendritic_lif_backward_op)
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from longspike.kernels.dendrite import triton_adjoint

    call, gradients = dense(*arguments[:6]), arguments[6:10]
    return _dense_backward(triton_adjoint.backward, arguments[0], call, gradients, *arguments[10:])


def _dense_backward(
    backward: Callable[..., tuple[Tensor, ...]],
    drive: Tensor,
    call: Chains,
    gradients: tuple[Tensor, ...],
    surrogate: str,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    membrane, grad_membrane = (x.reshape(-1, drive.shape[3]) for x in gradients[:2])
    options = {"surrogate": surrogate, "scale": scale, "wants_values": False}
    _, grad_drive, *grads = backward(call, membrane, grad_membrane, gradients[2:], **options)
    return grad_drive.view(drive.shape), *grads  # type: ignore[return-value]


@torch.library.register_fake(dendritic_lif_backward_op)
def _(*arguments: Any) -> tuple[Tensor, ...]:
    return tuple(arguments[0].new_empty(x.shape) for x in arguments[:5])


def _lif_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:5], output[0])
    ctx.threshold, *ctx.modes = inputs[5:]


def _lif_backward(ctx, grad_membrane, grad_i, grad_v):  # type: ignore[no-untyped-def]
    *inputs, membrane = ctx.saved_tensors
    gradients = (membrane, grad_membrane, grad_i, grad_v)
    grads = dendritic_lif_backward_op(*inputs, ctx.threshold, *gradients, *ctx.modes)
    return *grads, None, None, None


register_gradient(dendritic_lif_op, _lif_backward, setup_context=_lif_context)


@operator("segment_max")
def segment_max_op(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest row of each group, per channel (groups, channels), and its position in the group; first of equals."""
    return compiled.segment_max(x, group_offsets, group_rows)


@on_cuda(segment_max_op)
def _(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    from longspike.kernels.dendrite import triton_pool

    return triton_pool.forward(x, group_offsets, group_rows)


@torch.library.register_fake(segment_max_op)
def _(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    shape = (group_offsets.shape[0] - 1, x.shape[1])
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int32)


@operator("segment_max_backward")
def segment_max_backward_op(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    """The gradient of x."""
    return compiled.segment_max_backward(grad, position, group_offsets, group_rows)


@on_cuda(segment_max_backward_op)
def _(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    from longspike.kernels.dendrite import triton_pool

    return triton_pool.backward(grad, position, group_offsets, group_rows)


@torch.library.register_fake(segment_max_backward_op)
def _(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    return grad.new_empty((group_rows.shape[0], grad.shape[1]))


def _max_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(output[1], *inputs[1:])
    ctx.mark_non_differentiable(output[1])


def _max_backward(ctx, grad, _):  # type: ignore[no-untyped-def]
    return segment_max_backward_op(grad, *ctx.saved_tensors), None, None


register_gradient(segment_max_op, _max_backward, setup_context=_max_context)

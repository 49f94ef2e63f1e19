"""The scan and the neuron in one pass on a GPU, as a PyTorch operator with its gradient."""

from typing import Any

import torch
from torch import Tensor

from longspike.kernels._operators import operator, register_gradient
from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU, num_spans
from longspike.kernels.refractory_lif.operator import refractory_lif_backward_op
from longspike.kernels.s4d_scan.operator import s4d_scan_backward_op, s4d_scan_op


@operator("s4d_lif")
def s4d_lif_op(
    u: Tensor,
    lam: Tensor,
    c: Tensor,
    d: Tensor,
    ssm_state: Tensor,
    beta: Tensor,
    threshold: Tensor,
    rho: Tensor,
    gamma: Tensor,
    v: Tensor,
    r: Tensor,
    s: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    saves: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Spikes, the scan's state, v, r, s after the last step, and (if `saves`) the neuron's saved states."""
    from longspike.kernels.s4d_lif import triton_forward

    parameters, state = (beta, threshold, rho, gamma), (v, r, s)
    spikes, ssm_end, end, checkpoints = triton_forward.forward(
        u, (lam, c, d), ssm_state, parameters, state, reset, saves
    )
    return spikes, ssm_end, *end, checkpoints


@torch.library.register_fake(s4d_lif_op)
def _(u: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    ssm_state, state, saves = arguments[3], arguments[8:11], arguments[-1]
    batch, seqlen, channels = u.shape
    return (  # type: ignore[return-value]
        *(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, ssm_state, *state)),
        u.new_empty((batch, num_spans(seqlen, LIF_SPAN_ON_GPU) if saves else 0, 3, channels)),
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:12], output[5])
    ctx.options = inputs[12:16]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[5])


def _backward(ctx, grad_spikes, grad_ssm, grad_v, grad_r, grad_s, _):  # type: ignore[no-untyped-def]
    """The current is made once more, then the two adjoints follow each other."""
    u, lam, c, d, ssm_state, *parameters_and_state, checkpoints = ctx.saved_tensors
    current = s4d_scan_op(u, lam, c, d, ssm_state, False)[0]
    grad_spikes = torch.zeros_like(u) if grad_spikes is None else grad_spikes
    held = zip((grad_v, grad_r, grad_s), parameters_and_state[4:], strict=True)
    grad_current, *grads = refractory_lif_backward_op(
        current,
        grad_spikes,
        *[torch.zeros_like(x) if grad is None else grad for grad, x in held],
        *parameters_and_state,
        checkpoints,
        *ctx.options,
        any(ctx.needs_input_grad[5:9]),
        grad_r is not None,
    )
    grad_ssm = torch.zeros_like(ssm_state) if grad_ssm is None else grad_ssm
    grads_of_scan = s4d_scan_backward_op(u, grad_current, grad_ssm, lam, c, d, ssm_state[:, None])
    return *grads_of_scan, *grads, None, None, None, None, None


register_gradient(s4d_lif_op, _backward, setup_context=_setup_context)

"""The refractory LIF neuron as PyTorch operators: shapes for tracing, gradients, one entry for every method."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longspike.kernels import _triton, native
from longspike.kernels._dispatch import choose_lif
from longspike.kernels._operators import operator, register_gradient
from longspike.kernels.refractory_lif import compiled, pmbc, reference, saved

METHOD_NUMBERS = ("reference", "sequential", "speculative", "pmbc")


def raise_if_nan(v: Tensor) -> None:
    """A NaN in the current stays in the membrane, so the final state shows it at no cost."""
    if not math.isfinite(float(v.sum())) and bool(v.isnan().any()):
        channel = int(v.isnan().any(dim=0).nonzero()[0])
        raise ValueError(
            f"refractory_lif: `current` must not hold NaN; the membrane of channel {channel} became NaN. "
            "Look for a division by zero or a diverged weight before this layer."
        )


@operator("refractory_lif")
def refractory_lif_op(
    current: Tensor,
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
    method: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Spikes, final v, r, s, saved states, and the certificate as five integers (see `certificate_from`)."""
    batch, seqlen, channels = current.shape
    choice = choose_lif(
        method, batch=batch, seqlen=seqlen, channels=channels, device=current.device, dtype=current.dtype, reset=reset
    )
    parameters, state = (beta, threshold, rho, gamma), (v, r, s)
    numbers = [METHOD_NUMBERS.index(choice.method), 0, current.numel(), 0, current.numel()]
    if choice.backend == "cpp":
        spikes, end, checkpoints, numbers[3] = compiled.forward(current, parameters, state, reset, choice.method)
    elif choice.backend == "triton":
        return _forward_on_gpu(current, parameters, state, reset, numbers)
    else:
        checkpoints = current.new_empty((batch, 0, 3, channels))
        if choice.method == "pmbc":
            spikes, end, certificate = pmbc.forward(current, parameters, state, reset)
            numbers[1:4] = certificate.iterations, certificate.resolved, certificate.repaired
        else:
            spikes, end = reference.forward(current, parameters, state, reset)
    if current.is_cpu:
        raise_if_nan(end[0])
    return spikes, *end, checkpoints, torch.from_numpy(np.array(numbers))


def _forward_on_gpu(
    current: Tensor, parameters: reference.Parameters, state: reference.State, reset: str, numbers: list[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The operator in Triton. Nothing waits for the device: the number of repaired lanes stays there until it is read."""
    from longspike.kernels.refractory_lif import triton_forward, triton_speculative

    is_speculative = METHOD_NUMBERS[numbers[0]] == "speculative"
    run = triton_speculative.forward if is_speculative else triton_forward.forward
    spikes, end, checkpoints, repaired = run(current, parameters, state, reset)
    certificate = torch.from_numpy(np.array(numbers)).to(current.device)
    certificate[3] += repaired
    return spikes, *end, checkpoints, certificate


def _backward_on_gpu(
    current: Tensor,
    grad_spikes: Tensor,
    grad_state: reference.State,
    parameters: reference.Parameters,
    state: reference.State,
    checkpoints: Tensor,
    *,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    wants_parameters: bool,
) -> tuple[Tensor, ...]:
    """The adjoint in Triton; a route that saved no states has them made here."""
    from longspike.kernels.refractory_lif import triton_backward, triton_forward

    if checkpoints.shape[1] == 0:
        checkpoints = triton_forward.forward(current, parameters, state, reset)[2]
    return triton_backward.backward(
        current,
        grad_spikes,
        grad_state,
        parameters,
        checkpoints,
        reset=reset,
        surrogate=surrogate,
        scale=scale,
        gradient=gradient,
        wants_parameters=wants_parameters,
    )


def certificate_from(numbers: Tensor) -> pmbc.Certificate:
    """The certificate that an operator call returned."""
    method, *rest = numbers.tolist()
    return pmbc.Certificate(METHOD_NUMBERS[method], *rest)


def _num_saved(current: Tensor, method: str) -> int:
    """Saved states of a sequence, by the route that `method` takes."""
    if method in ("reference", "pmbc"):
        return 0
    if _triton.supports(current):
        return saved.num_saved(current.shape[1])
    return compiled.num_blocks(current.shape[1]) if method != "auto" or native.supports(current) else 0


@torch.library.register_fake(refractory_lif_op)
def _(
    current: Tensor,
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
    method: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, _, channels = current.shape
    blocks = _num_saved(current, method)
    is_on_gpu = method not in ("reference", "pmbc") and _triton.supports(current)
    return (  # type: ignore[return-value]
        native.empty_like(current),
        *(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (v, r, s)),
        current.new_empty((batch, blocks, 3, channels)),
        torch.empty(5, dtype=torch.int64, device=current.device if is_on_gpu else "cpu"),
    )


@operator("refractory_lif_backward")
def refractory_lif_backward_op(
    current: Tensor,
    grads: Sequence[Tensor],
    parameters: Sequence[Tensor],
    state: Sequence[Tensor],
    checkpoints: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    wants_parameters: bool,
    has_grad_r: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of current, beta, threshold, rho, gamma, and of the initial v, r, s; `grads` of spikes, v, r, s."""
    grad_spikes, *grad_end = grads
    grad_state, held = (grad_end[0], grad_end[1], grad_end[2]), (state[0], state[1], state[2])
    dynamics = (parameters[0], parameters[1], parameters[2], parameters[3])
    if _triton.supports(current):
        return _backward_on_gpu(  # type: ignore[return-value]
            current,
            grad_spikes,
            grad_state,
            dynamics,
            held,
            checkpoints,
            reset=reset,
            surrogate=surrogate,
            scale=scale,
            gradient=gradient,
            wants_parameters=wants_parameters,
        )
    if not native.supports(current):
        return reference.backward(  # type: ignore[return-value]
            current,
            grad_spikes,
            grad_state,
            dynamics,
            held,
            reset=reset,
            surrogate=surrogate,
            scale=scale,
            gradient=gradient,
        )
    if checkpoints.shape[1] == 0 and current.shape[1] > 0:
        checkpoints = compiled.forward(current, dynamics, held, reset, "sequential")[2]
    return compiled.backward(  # type: ignore[return-value]
        current,
        grad_spikes,
        grad_state,
        dynamics,
        checkpoints,
        reset=reset,
        surrogate=surrogate,
        scale=scale,
        gradient=gradient,
        wants_parameters=wants_parameters,
        has_grad_r=has_grad_r,
    )


@torch.library.register_fake(refractory_lif_backward_op)
def _(
    current: Tensor,
    grads: Sequence[Tensor],
    parameters: Sequence[Tensor],
    state: Sequence[Tensor],
    checkpoints: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    wants_parameters: bool,
    has_grad_r: bool,
) -> tuple[Tensor, ...]:
    small = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (*parameters, *state))
    return native.empty_like(current), *small


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    current, *parameters_and_state = inputs[:8]
    ctx.save_for_backward(current, *parameters_and_state, output[4])
    ctx.options = inputs[8:12]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[4], output[5])


def _backward(ctx, grad_spikes, grad_v, grad_r, grad_s, *unused):  # type: ignore[no-untyped-def]
    current, *parameters_and_state, checkpoints = ctx.saved_tensors
    parameters, state = parameters_and_state[:4], parameters_and_state[4:]
    grad_spikes = torch.zeros_like(current) if grad_spikes is None else grad_spikes
    grad_state = [torch.zeros_like(x) if grad is None else grad for grad, x in zip((grad_v, grad_r, grad_s), state)]
    grad_current, *grads = refractory_lif_backward_op(
        current,
        [grad_spikes, *grad_state],
        parameters,
        state,
        checkpoints,
        *ctx.options,
        any(ctx.needs_input_grad[1:5]),
        grad_r is not None,
    )
    return grad_current, *grads, None, None, None, None, None


register_gradient(refractory_lif_op, _backward, setup_context=_setup_context)

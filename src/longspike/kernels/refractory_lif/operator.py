"""The refractory LIF neuron as PyTorch operators: shapes for tracing, gradients, one entry for every method."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels._dispatch import Choice, backend_of, choose
from longspike.kernels._operators import operator, register_gradient
from longspike.kernels._spiking.modes import raise_if_nan
from longspike.kernels._spiking.spans import LIF_SPAN, LIF_SPAN_ON_GPU, num_spans
from longspike.kernels.refractory_lif import compiled, pmbc, reference
from longspike.kernels.refractory_lif.arguments import expect_shapes

METHOD_NUMBERS = ("reference", "sequential", "speculative", "pmbc")
Found = tuple[Tensor, reference.State, Tensor, list[int | Tensor]]  # spikes, state, saved states, certificate


def _forward(
    choice: Choice, current: Tensor, parameters: reference.Parameters, state: reference.State, reset: str
) -> Found:
    """The operator by the chosen route; the certificate's five numbers as `certificate_from` takes them."""
    numbers: list[int | Tensor] = [METHOD_NUMBERS.index(choice.method), 0, current.numel(), 0, current.numel()]
    if choice.backend == "cpp":
        spikes, end, saved, numbers[3] = compiled.forward(current, parameters, state, reset, choice.method)
        return spikes, end, saved, numbers
    if choice.backend == "triton":
        from longspike.kernels.refractory_lif import triton_forward, triton_speculative

        run = triton_speculative.forward if choice.method == "speculative" else triton_forward.forward
        spikes, end, saved, numbers[3] = run(current, parameters, state, reset)
        return spikes, end, saved, numbers
    saved = current.new_empty((current.shape[0], 0, 3, current.shape[2]))
    if choice.method == "pmbc":
        spikes, end, certificate = pmbc.forward(current, parameters, state, reset)
        numbers[1:4] = certificate.iterations, certificate.resolved, certificate.repaired
        return spikes, end, saved, numbers
    spikes, end = reference.forward(current, parameters, state, reset)
    return native.in_layout_of(current, spikes), end, saved, numbers


def _on_gpu(numbers: list[int | Tensor], device: torch.device) -> Tensor:
    """The certificate of a call in Triton. Nothing waits for the device: repaired lanes stay there until they are read."""
    found = torch.from_numpy(np.array([*numbers[:3], 0, numbers[4]])).to(device)
    found[3] += numbers[3]
    return found


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
    choice = choose("refractory_lif", method, current.device, current.dtype, *current.shape, reset)
    expect_shapes(current, (beta, threshold, rho, gamma), (v, r, s))
    spikes, end, saved, numbers = _forward(choice, current, (beta, threshold, rho, gamma), (v, r, s), reset)
    if choice.backend == "triton":
        return spikes, *end, saved, _on_gpu(numbers, current.device)
    if current.is_cpu:
        raise_if_nan(end[0])
    return spikes, *end, saved, torch.from_numpy(np.array(numbers))


def certificate_from(numbers: Tensor) -> pmbc.Certificate:
    """The certificate that an operator call returned."""
    method, *rest = numbers.tolist()
    return pmbc.Certificate(METHOD_NUMBERS[method], *rest)


@torch.library.register_fake(refractory_lif_op)
def _(current: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    state, method = arguments[4:7], arguments[11]
    batch, seqlen, channels = current.shape
    backend = (
        "torch" if method in ("reference", "pmbc") else backend_of("refractory_lif", current.device, current.dtype)
    )
    spans = {"cpp": num_spans(seqlen, LIF_SPAN), "triton": num_spans(seqlen, LIF_SPAN_ON_GPU), "torch": 0}[backend]
    return (  # type: ignore[return-value]
        native.empty_like(current),
        *(torch.empty_like(x, memory_format=torch.contiguous_format) for x in state),
        current.new_empty((batch, spans, 3, channels)),
        torch.empty(5, dtype=torch.int64, device=current.device if backend == "triton" else "cpu"),
    )


@operator("refractory_lif_backward")
def refractory_lif_backward_op(
    current: Tensor,
    grad_spikes: Tensor,
    grad_v: Tensor,
    grad_r: Tensor,
    grad_s: Tensor,
    beta: Tensor,
    threshold: Tensor,
    rho: Tensor,
    gamma: Tensor,
    v: Tensor,
    r: Tensor,
    s: Tensor,
    checkpoints: Tensor,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    wants_parameters: bool,
    has_grad_r: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of current, beta, threshold, rho, gamma, and of the initial v, r, s.

    `checkpoints` are the states that the forward route saved; where it saved none, they are made here.
    """
    dynamics, held, grad_state = (beta, threshold, rho, gamma), (v, r, s), (grad_v, grad_r, grad_s)
    modes: dict[str, Any] = {"reset": reset, "surrogate": surrogate, "scale": scale, "gradient": gradient}
    backend = backend_of("refractory_lif", current.device, current.dtype)
    if backend == "torch":
        grad_current, *rest = reference.backward(current, grad_spikes, grad_state, dynamics, held, **modes)
        return native.in_layout_of(current, grad_current), *rest  # type: ignore[return-value]
    if checkpoints.shape[1] == 0 and current.shape[1] > 0:
        sequential = Choice("refractory_lif", "sequential", backend, "it saves the states")
        checkpoints = _forward(sequential, current, dynamics, held, reset)[2]
    call = (current, grad_spikes, grad_state, dynamics, checkpoints)
    if backend == "triton":
        from longspike.kernels.refractory_lif import triton_backward

        return triton_backward.backward(*call, **modes, wants_parameters=wants_parameters)  # type: ignore[return-value]
    return compiled.backward(  # type: ignore[return-value]
        *call, **modes, wants_parameters=wants_parameters, has_grad_r=has_grad_r
    )


@torch.library.register_fake(refractory_lif_backward_op)
def _(current: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    small = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in arguments[4:11])
    return native.empty_like(current), *small


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    current, *parameters_and_state = inputs[:8]
    ctx.save_for_backward(current, *parameters_and_state, output[4])
    ctx.options = inputs[8:12]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[4], output[5])


def _backward(ctx, grad_spikes, grad_v, grad_r, grad_s, *unused):  # type: ignore[no-untyped-def]
    current, *parameters_and_state, checkpoints = ctx.saved_tensors
    grad_spikes = torch.zeros_like(current) if grad_spikes is None else grad_spikes
    held = zip((grad_v, grad_r, grad_s), parameters_and_state[4:], strict=True)
    grad_current, *grads = refractory_lif_backward_op(
        current,
        grad_spikes,
        *[torch.zeros_like(x) if grad is None else grad for grad, x in held],
        *parameters_and_state,
        checkpoints,
        *ctx.options,
        any(ctx.needs_input_grad[1:5]),
        grad_r is not None,
    )
    return grad_current, *grads, None, None, None, None, None


register_gradient(refractory_lif_op, _backward, setup_context=_setup_context)

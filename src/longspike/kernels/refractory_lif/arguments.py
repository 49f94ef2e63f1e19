"""What the tensors of a call of the refractory LIF neuron must be."""

from torch import Tensor

from longspike.kernels._arguments import expect
from longspike.kernels._spiking.spans import num_spans
from longspike.kernels.refractory_lif.reference import Parameters, State


def expect_shapes(
    current: Tensor,
    parameters: Parameters,
    state: State,
    grad_spikes: Tensor | None = None,
    checkpoints: Tensor | None = None,
    span: int = 1,
) -> None:
    """Raise unless they fit together; for the backward pass (`state` is the state's gradient) the spikes' gradient too, and
    the states saved before every `span` steps.
    """
    batch, seqlen, channels = current.shape
    (beta, threshold, rho, gamma), (v, r, s), one, each = parameters, state, (channels,), (batch, channels)
    neuron = {"beta": (beta, one), "threshold": (threshold, one), "rho": (rho, one), "gamma": (gamma, one)}
    expect("refractory_lif", current, **neuron, v=(v, each), r=(r, each), spike=(s, each))
    if grad_spikes is not None and checkpoints is not None:
        saved = (batch, num_spans(seqlen, span), 3, channels)
        named = {"grad_spikes": (grad_spikes, tuple(current.shape)), "checkpoints": (checkpoints, saved)}
        expect("refractory_lif_backward", current, **named)

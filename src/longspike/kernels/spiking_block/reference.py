"""The block of a spiking state-space model as its operators in turn."""

import torch
from torch import Tensor

from longspike._core.lengths import length_mask
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import glu, linear
from longspike.kernels.s4d_lif import s4d_lif
from longspike.kernels.spiking_block.operator import Inputs

State = tuple[Tensor, Tensor, Tensor, Tensor]


def forward(
    x: Tensor, inputs: Inputs, state: State, reset: str, surrogate: str, scale: float, gradient: str
) -> tuple[Tensor, Tensor, State]:
    """z = norm(x);  s = neuron(scan(z));  y = x + output_scale glu(W (spike_scale s) + bias);  counts of s, and states."""
    z = (
        x
        if inputs.norm_weight is None or inputs.norm_bias is None
        else layer_norm(x, inputs.norm_weight, inputs.norm_bias)
    )
    coefficients, dynamics = (inputs.lam, inputs.c, inputs.d), (inputs.beta, inputs.threshold, inputs.rho, inputs.gamma)
    options = {"reset": reset, "surrogate": surrogate, "gradient": gradient}
    spikes, ssm_end, (v, r, s) = s4d_lif(z, coefficients, state[0], dynamics, state[1:], scale=scale, **options)
    sent = spikes if inputs.spike_scale is None else spikes * inputs.spike_scale[:, None]
    mixed = glu(linear(sent, inputs.weight, inputs.bias))
    y = x + (mixed if inputs.output_scale is None else mixed * inputs.output_scale[:, None])
    if inputs.lengths is not None:
        spikes = torch.where(length_mask(inputs.lengths, x.shape[1])[..., None], spikes, 0)
    return y, spikes.sum(dim=1), (ssm_end, v, r, s)

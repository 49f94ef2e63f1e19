"""The block of a spiking state-space model as its operators in turn."""

import torch
from torch import Tensor

from longspike._core.lengths import length_mask, without_padding
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import glu, linear
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.kernels.s4d_lif import s4d_lif
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.spiking_block.operator import Inputs

State = tuple[Tensor, Tensor, Tensor, Tensor]


def _spikes(
    z: Tensor, inputs: Inputs, state: State, reset: str, surrogate: str, scale: float, gradient: str
) -> tuple[Tensor, State]:
    coefficients, dynamics = (inputs.lam, inputs.c, inputs.d), (inputs.beta, inputs.threshold, inputs.rho, inputs.gamma)
    if inputs.back_lam is None or inputs.back_c is None or inputs.back_d is None:
        options = {"reset": reset, "surrogate": surrogate, "gradient": gradient}
        spikes, ssm_end, (v, r, s) = s4d_lif(z, coefficients, state[0], dynamics, state[1:], scale=scale, **options)
        return spikes, (ssm_end, v, r, s)
    current, ssm_end = s4d_scan(z, *coefficients, state[0])
    turned, silent = without_padding(z, inputs.lengths).flip(1), torch.zeros_like(state[0])
    current = current + s4d_scan(turned, inputs.back_lam, inputs.back_c, inputs.back_d, silent)[0].flip(1)
    modes = (reset, surrogate, scale, gradient, "auto")
    spikes, v, r, s, *_ = refractory_lif_op(current, *dynamics, *state[1:], *modes)
    return spikes, (ssm_end, v, r, s)


def _normed(x: Tensor, inputs: Inputs, norm: str) -> Tensor:
    if inputs.norm_weight is None or inputs.norm_bias is None:
        return x
    if norm == "affine":
        return x * inputs.norm_weight + inputs.norm_bias
    return layer_norm(x, inputs.norm_weight, inputs.norm_bias)


def forward(
    x: Tensor, inputs: Inputs, state: State, reset: str, surrogate: str, scale: float, gradient: str, norm: str
) -> tuple[Tensor, Tensor, State]:
    """z = norm(x);  s = neuron(scan(z));  y = x + output_scale glu(W (spike_scale s) + bias);  counts of s, and states.

    With the coefficients of a second scan: s = neuron(scan(z) + what that one makes of z read backwards).
    """
    spikes, end = _spikes(_normed(x, inputs, norm), inputs, state, reset, surrogate, scale, gradient)
    sent = spikes if inputs.spike_scale is None else spikes * inputs.spike_scale[:, None]
    mixed = glu(linear(sent, inputs.weight, inputs.bias))
    y = x + (mixed if inputs.output_scale is None else mixed * inputs.output_scale[:, None])
    if inputs.lengths is not None:
        spikes = torch.where(length_mask(inputs.lengths, x.shape[1])[..., None], spikes, 0)
    return y, spikes.sum(dim=1), end

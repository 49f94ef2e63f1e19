"""What training minimises besides the loss of its task: a price on firing."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from longspike._core.checks import check_bounds
from longspike._core.lengths import length_mask
from longspike.models.observation import LayerActivity


def firing_rate(spikes: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Spikes per neuron and valid step, a scalar; differentiable. A spike of strength k counts |k|.

        rate = sum over b, t < lengths[b], h of spikes[b, t, h] / (sum over b of lengths[b] * channels)

    Args:
        spikes: (batch, seqlen, channels). lengths: (batch), valid steps; None if all are.

    Example:
        >>> spikes = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
        >>> firing_rate(spikes).item(), firing_rate(spikes, torch.tensor([2, 1])).item()
        (0.5, 0.3333333432674408)
    """
    if lengths is None:
        return spikes.abs().mean()
    per_step = spikes.abs().sum(dim=2) * length_mask(lengths, spikes.shape[1])
    return per_step.sum() / (lengths.sum() * spikes.shape[2]).clamp(min=1)


def penalised_rates(activity: Sequence[LayerActivity], scope: str) -> tuple[Tensor, ...]:
    """The rates that `rate_penalty` looks at: of every "layer", or one of the "network", all spikes over all updates."""
    if scope == "layer" or not activity:
        return tuple(layer.rate for layer in activity)
    spikes = torch.stack([layer.num_spikes for layer in activity]).sum()
    return (spikes / max(sum(layer.num_updates for layer in activity), 1),)


def rate_penalty(rates: Sequence[Tensor], *, target: float, weight: float = 1.0) -> Tensor:
    """The price of firing above the target.

        penalty = weight * sum over rates of max(rate / target - 1, 0)^2

    Relative to the target, so that one weight serves targets of 1 % and of 20 %.

    Args:
        rates: scalars, one a layer from `firing_rate`, or one for the whole network. target: in (0, 1). weight: at least 0.
    """
    check_bounds("rate_penalty", "target", target, low=0, high=1, closed_low=False, closed_high=False)
    check_bounds("rate_penalty", "weight", weight, low=0)
    excess = functional.relu(torch.stack(list(rates)) / target - 1)
    return weight * excess.square().sum()

"""Says which route an operator call would take, and why."""

import torch
from torch import Tensor

from longspike._core.checks import check_choice
from longspike.kernels._dispatch import Choice, choose, methods
from longspike.kernels._routes import ROUTES

SEQUENCES = ("refractory_lif", "s4d_scan", "s4d_lif", "spiking_block", "sa_hippo", "linear", "glu")


def explain(
    operator: str,
    x: Tensor | tuple[int, ...],
    *,
    method: str = "auto",
    reset: str = "subtract",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Choice:
    """Which method and backend a call would take, and why.

    Args:
        operator: of sequences: "refractory_lif", "s4d_scan", "s4d_lif", "spiking_block", "sa_hippo" (with equal gaps and
            one head), "linear", "glu"; of dendrites: "dendrite_plan", "pool_plan", "dendritic_conv", "dendritic_lif",
            "segment_max"; of a tick: "embed_cells", "layer_norm", "event_pool", "sa_hippo_tables"; "spikes" or
            "count_spikes".
        x: the input, or its shape with `dtype` and `device`: (batch, seqlen, channels) of a sequence, any of the others.
        method, reset: as the call would have them.

    Example:
        >>> explain("refractory_lif", (8, 128, 64), method="reference").method
        'reference'
    """
    check_choice("explain", "operator", operator, tuple(ROUTES))
    check_choice("explain", "method", method, methods(operator))
    if isinstance(x, Tensor):
        shape, dtype, device = tuple(x.shape), x.dtype, x.device
    else:
        shape = tuple(x)
    if operator not in SEQUENCES:
        choice = choose(operator, method, torch.device(device), dtype)
    elif len(shape) != 3:
        raise ValueError(f"explain: `x` must have shape (batch, seqlen, channels); got {shape}.")
    else:
        choice = choose(operator, method, torch.device(device), dtype, *shape, reset=reset)
    return choice._replace(why=choice.reason)

"""Says which route an operator call would take, and why."""

import torch
from torch import Tensor

from longspike._core.checks import check_choice
from longspike.kernels._dispatch import (
    BLOCK_METHODS,
    DENDRITE_METHODS,
    LIF_METHODS,
    MIXING_METHODS,
    S4D_LIF_METHODS,
    S4D_METHODS,
    SA_HIPPO_METHODS,
    Choice,
    choose_block,
    choose_dendrite,
    choose_lif,
    choose_mixing,
    choose_s4d,
    choose_s4d_lif,
    choose_sa_hippo,
)

DENDRITE_OPERATORS = ("dendritic_conv", "dendritic_lif", "segment_max")
OPERATORS = ("refractory_lif", "s4d_scan", "s4d_lif", "spiking_block", "sa_hippo", "linear", "glu", *DENDRITE_OPERATORS)


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
        operator: "refractory_lif", "s4d_scan", "s4d_lif", "spiking_block", "sa_hippo" (with equal gaps and one head),
            "linear", "glu", "dendritic_conv", "dendritic_lif" or "segment_max".
        x: the input, or its shape (batch, seqlen, channels) with `dtype` and `device`; of a dendritic
            operator, the sparse values, the drive or the membranes, whatever their shape.
        method, reset: as the call would have them.

    Example:
        >>> explain("refractory_lif", (8, 128, 64), method="reference").method
        'reference'
    """
    check_choice("explain", "operator", operator, OPERATORS)
    if isinstance(x, Tensor):
        shape, dtype, device = tuple(x.shape), x.dtype, x.device
    else:
        shape = tuple(x)
    if operator in DENDRITE_OPERATORS:
        check_choice("explain", "method", method, DENDRITE_METHODS)
        return choose_dendrite(operator, method, device=torch.device(device), dtype=dtype)
    if len(shape) != 3:
        raise ValueError(f"explain: `x` must have shape (batch, seqlen, channels); got {shape}.")
    methods = {
        "refractory_lif": LIF_METHODS,
        "s4d_scan": S4D_METHODS,
        "spiking_block": BLOCK_METHODS,
        "s4d_lif": S4D_LIF_METHODS,
        "sa_hippo": SA_HIPPO_METHODS,
    }
    check_choice("explain", "method", method, methods.get(operator, MIXING_METHODS))
    place = torch.device(device)
    if operator == "spiking_block":
        return choose_block(method, device=place, dtype=dtype)
    if operator == "refractory_lif":
        batch, seqlen, channels = shape
        return choose_lif(method, batch=batch, seqlen=seqlen, channels=channels, device=place, dtype=dtype, reset=reset)
    if operator == "s4d_scan":
        return choose_s4d(method, seqlen=shape[1], device=place, dtype=dtype)
    if operator == "s4d_lif":
        return choose_s4d_lif(method, device=place, dtype=dtype)
    if operator == "sa_hippo":
        return choose_sa_hippo(method, longest=shape[1], gaps=1, items=shape[0], device=place, dtype=dtype)
    return choose_mixing(operator, method, device=place, dtype=dtype)

"""Says which route an operator call would take, and why."""

import torch
from torch import Tensor

from longspike._core.checks import check_choice
from longspike.kernels._dispatch import (
    LIF_METHODS,
    MIXING_METHODS,
    S4D_METHODS,
    SA_HIPPO_METHODS,
    Choice,
    choose_lif,
    choose_mixing,
    choose_s4d,
    choose_sa_hippo,
)

OPERATORS = ("refractory_lif", "s4d_scan", "sa_hippo", "linear", "glu")


def explain(
    operator: str,
    x: Tensor | tuple[int, int, int],
    *,
    method: str = "auto",
    reset: str = "subtract",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Choice:
    """Which method and backend a call would take, and why.

    Args:
        operator: "refractory_lif", "s4d_scan", "sa_hippo" (with equal gaps), "linear" or "glu".
        x: the input, or its shape (batch, seqlen, channels) with `dtype` and `device`.
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
    if len(shape) != 3:
        raise ValueError(f"explain: `x` must have shape (batch, seqlen, channels); got {shape}.")
    methods = {"refractory_lif": LIF_METHODS, "s4d_scan": S4D_METHODS, "sa_hippo": SA_HIPPO_METHODS}
    check_choice("explain", "method", method, methods.get(operator, MIXING_METHODS))
    place = torch.device(device)
    if operator == "refractory_lif":
        batch, seqlen, channels = shape
        return choose_lif(method, batch=batch, seqlen=seqlen, channels=channels, device=place, dtype=dtype, reset=reset)
    if operator == "s4d_scan":
        return choose_s4d(method, seqlen=shape[1], device=place, dtype=dtype)
    if operator == "sa_hippo":
        return choose_sa_hippo(method, longest=shape[1], gaps=1, device=place, dtype=dtype)
    return choose_mixing(operator, method, device=place, dtype=dtype)

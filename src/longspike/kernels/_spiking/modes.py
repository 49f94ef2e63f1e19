"""Resets and gradients by the numbers of the compiled kernels, and the check for NaN."""

import math

from torch import Tensor

from longspike._core.transforms import is_readable

RESETS = {"subtract": 0, "zero": 1, "none": 2}
GRADIENTS = {"full": 0, "detach_reset": 1, "instant": 2}


def refuse_nan(where: str, name: str, x: Tensor) -> None:
    """Raise if `x` holds NaN, which exceeds no threshold and would pass for silence. Reads tensors on the CPU alone."""
    if x.is_cpu and is_readable(x) and not math.isfinite(float(x.detach().sum())) and bool(x.isnan().any()):
        raise ValueError(
            f"{where}: `{name}` must not hold NaN, which would pass for silence; got {int(x.isnan().sum())} of {x.numel()}. "
            "Look for a division by zero or a diverged weight before this layer."
        )


def raise_if_nan(v: Tensor) -> None:
    """A NaN in the current stays in the membrane, so the final state shows it at no cost."""
    if not math.isfinite(float(v.sum())) and bool(v.isnan().any()):
        channel = int(v.isnan().any(dim=0).nonzero()[0])
        raise ValueError(
            f"refractory_lif: `current` must not hold NaN; the membrane of channel {channel} became NaN. "
            "Look for a division by zero or a diverged weight before this layer."
        )

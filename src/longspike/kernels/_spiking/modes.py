"""Resets and gradients by the numbers of the compiled kernels, and the check for NaN."""

import math

from torch import Tensor

RESETS = {"subtract": 0, "zero": 1, "none": 2}
GRADIENTS = {"full": 0, "detach_reset": 1, "instant": 2}


def raise_if_nan(v: Tensor) -> None:
    """A NaN in the current stays in the membrane, so the final state shows it at no cost."""
    if not math.isfinite(float(v.sum())) and bool(v.isnan().any()):
        channel = int(v.isnan().any(dim=0).nonzero()[0])
        raise ValueError(
            f"refractory_lif: `current` must not hold NaN; the membrane of channel {channel} became NaN. "
            "Look for a division by zero or a diverged weight before this layer."
        )

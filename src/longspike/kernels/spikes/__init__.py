"""Spikes without time: x > threshold with a surrogate's slope as derivative, and how many there are.

One pass forward and one backward, where PyTorch's elementwise operators take five and six.
"""

from torch import Tensor

from longspike.kernels._dispatch import choose
from longspike.kernels.spikes import reference
from longspike.kernels.spikes.operator import count_spikes_op, spikes_op


def spikes(x: Tensor, *, threshold: float, surrogate: str, scale: float, method: str = "auto") -> Tensor:
    """1 where x > threshold, else 0, shaped like x; the gradient is the surrogate's slope at x - threshold."""
    choice = choose("spikes", method, x.device, x.dtype)
    call = spikes_op if choice.backend == "cpp" else reference.spikes
    return call(x, threshold, surrogate, scale)


def count_spikes(x: Tensor, *, threshold: float, surrogate: str, scale: float, method: str = "auto") -> Tensor:
    """The sum of `spikes`, () of x's dtype, with its gradient, without the spikes."""
    choice = choose("count_spikes", method, x.device, x.dtype)
    call = count_spikes_op if choice.backend == "cpp" else reference.count_spikes
    return call(x, threshold, surrogate, scale)

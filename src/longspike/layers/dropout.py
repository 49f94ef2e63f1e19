"""Dropout whose mask does not change over time."""

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_sequence


class TiedDropout(nn.Module):
    """Zeroes whole channels of a sample for the whole sequence with probability p, and scales the rest by 1/(1 - p).

    Acts in training only. (batch, seqlen, channels) -> the same.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_bounds("TiedDropout", "p", p, low=0, high=1, closed_high=False)
        self.p = p

    def draw(self, x: Tensor) -> Tensor | None:
        """The factor of every channel of every sample (batch, channels), for x (batch, seqlen, channels); None: all one."""
        if not self.training or self.p == 0:
            return None
        mask = torch.rand(x.shape[0], x.shape[2], dtype=x.dtype, device=x.device) >= self.p
        return mask.to(x.dtype) / (1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """x with channels dropped."""
        check_sequence("TiedDropout", "x", x)
        factor = self.draw(x)
        return x if factor is None else x * factor[:, None]

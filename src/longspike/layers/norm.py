"""Layer normalisation that treats every row alike."""

from torch import Tensor, nn

from longspike._core.checks import check_floats, check_positive_int
from longspike.kernels.layer_norm import layer_norm


class RowNorm(nn.LayerNorm):
    """(x - mean) / sqrt(variance + 1e-5) * weight + bias over the last axis.

    A row's result depends on that row alone, bit for bit, so a sequence gives the same numbers whole, in chunks and step
    by step. Starts like torch.nn.LayerNorm: weight one, bias zero.
    """

    def __init__(self, channels: int) -> None:
        check_positive_int("RowNorm", "channels", channels)
        super().__init__(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) -> the same."""
        check_floats("RowNorm", "x", x)
        return layer_norm(x, self.weight.to(x.dtype), self.bias.to(x.dtype))

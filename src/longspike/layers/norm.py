"""The norms of a block: layer normalisation that treats every row alike, or batch normalisation; chosen by name."""

from torch import Tensor, nn

from longspike._core.checks import check_floats, check_positive_int
from longspike.kernels.layer_norm import layer_norm
from longspike.layers.batch_norm import BatchNorm


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


_NORMS: dict[str, type[RowNorm | BatchNorm]] = {"layer": RowNorm, "batch": BatchNorm}
NORM_KINDS = tuple(_NORMS)


def build_norm(channels: int, kind: str) -> nn.Module:
    """The norm of a kind: "layer", over the channels of a step; "batch", over the steps of a channel."""
    return _NORMS[kind](channels)


def normalised(norm: nn.Module, x: Tensor, lengths: Tensor | None) -> Tensor:
    """What `norm` makes of x (batch, seqlen, channels); only statistics over steps ask which of them are valid."""
    normed: Tensor = norm(x, lengths) if isinstance(norm, BatchNorm) else norm(x)
    return normed

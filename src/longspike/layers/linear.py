"""A linear layer that skips silent inputs and treats every row alike, and an embedding that gives spikes."""

import math

import torch
from torch import Tensor, nn

from longspike._core.checks import check_floats, check_positive_int
from longspike._core.dtypes import in_dtype
from longspike.kernels.mixing import linear
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate


class SpikeLinear(nn.Module):
    """y = W x + b over the last axis, for inputs that are mostly zero.

    A silent input costs nothing, and a row's result depends on that row alone, bit for bit, so a sequence gives the same
    numbers whole, in chunks and step by step. Starts like torch.nn.Linear: uniform in +-1/sqrt(in_features).
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        check_positive_int("SpikeLinear", "in_features", in_features)
        check_positive_int("SpikeLinear", "out_features", out_features)
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        check_floats("SpikeLinear", "x", x)
        return linear(x, in_dtype(self.weight, x.dtype), in_dtype(self.bias, x.dtype))

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"


class SpikingEmbedding(nn.Embedding):
    """A token as spikes: y = 1 where weight[token] > 1, with a triangle as the derivative; integer tokens -> (..., d).

    Starts with weights of N(0, 1), so that a token fires 16 % of its neurons.

    Args: num_tokens: the size of the vocabulary. d_model: neurons of a token.
    """

    def __init__(self, num_tokens: int, d_model: int) -> None:
        super().__init__(num_tokens, d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """(...) -> (..., d_model)."""
        return spike(super().forward(tokens), Surrogate(), threshold=1.0)


def build_embedding(num_tokens: int, d_model: int, *, is_spiking: bool) -> nn.Embedding:
    """Vectors of tokens, or their spikes."""
    return SpikingEmbedding(num_tokens, d_model) if is_spiking else nn.Embedding(num_tokens, d_model)

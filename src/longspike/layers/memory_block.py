"""The block of FLAMES' memory: SA-HiPPO -> spikes -> linear mixing -> residual -> layer norm, on ragged ticks."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.sequence import AbstractTickLayer
from longspike.layers.linear import SpikeLinear
from longspike.layers.norm import RowNorm
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate, as_surrogate

THRESHOLD = 1.0


class MemoryBlockOutput(NamedTuple):
    """What goes on (ticks, d_model), the spikes (ticks, d_model), and the memory's state."""

    u: Tensor
    spikes: Tensor
    state: Tensor


class MemoryBlock(nn.Module):
    """One layer of the memory stack.

        y = memory(u);   s = y > 1;   u <- LayerNorm(u + W s + b)

    Args:
        memory: a layer with forward(u, delta, offsets, state) -> (y, state), such as `longspike.nn.SAHippo`.
        d_model: channels. dropout: probability, of spikes, tied in time. surrogate: of the backward pass.
    """

    def __init__(
        self, memory: AbstractTickLayer, d_model: int, *, dropout: float = 0.0, surrogate: str | Surrogate = "triangle"
    ) -> None:
        super().__init__()
        self.memory = memory
        self.mix = SpikeLinear(d_model, d_model)
        self.norm = RowNorm(d_model)
        self.dropout, self.surrogate = dropout, as_surrogate(surrogate)

    def init_state(self, batch: int) -> Tensor:
        """The memory's state before the first tick."""
        return self.memory.init_state(batch)

    def _dropped(self, spikes: Tensor, offsets: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return spikes
        mask = torch.rand(len(offsets) - 1, spikes.shape[1], dtype=spikes.dtype, device=spikes.device) >= self.dropout
        return spikes * torch.repeat_interleave(mask.to(spikes.dtype) / (1 - self.dropout), offsets.diff(), dim=0)

    def forward(self, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor | None = None) -> MemoryBlockOutput:
        """u (ticks, d_model) with gaps delta (ticks) in steps; offsets (batch + 1) delimit the samples."""
        y, end = self.memory(u, delta, offsets, state)
        spikes = spike(y, self.surrogate, threshold=THRESHOLD)
        mixed = self.mix(self._dropped(spikes, offsets))
        return MemoryBlockOutput(self.norm(u + mixed), spikes, end)

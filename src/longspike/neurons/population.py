"""Several neurons that see one channel, each with an offset of its own: a wider binary code."""

import torch
from torch import Tensor, nn

from longspike._core.checks import check_positive_int, check_sequence
from longspike._core.dtypes import in_dtype
from longspike._core.sequence import AbstractSequenceLayer, State


class Population(AbstractSequenceLayer[State]):
    """Neurons per_channel * channels: neuron j*channels + h sees current[t, h] + bias[j*channels + h].

    The biases are trained. They start at (per_channel - 1)/2 - j, so that a channel's neurons begin to fire one after
    another as its current rises: what `Graded` spikes say by their strength, but with weights of their own behind each.

    Args:
        channels: of the current. per_channel: neurons of each. neuron: per_channel*channels of any kind.
    """

    def __init__(self, channels: int, per_channel: int, neuron: AbstractSequenceLayer[State]) -> None:
        super().__init__()
        check_positive_int("Population", "channels", channels)
        check_positive_int("Population", "per_channel", per_channel)
        self.channels, self.per_channel, self.neuron = channels, per_channel, neuron
        start = (per_channel - 1) / 2 - torch.arange(per_channel, dtype=torch.get_default_dtype())
        self.bias = nn.Parameter(start.repeat_interleave(channels))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Spikes (batch, seqlen, per_channel*channels) of x (batch, seqlen, channels), and the neurons' state."""
        check_sequence("Population", "x", x, channels=self.channels)
        spikes, end = self.neuron(x.repeat(1, 1, self.per_channel) + in_dtype(self.bias, x.dtype), state)
        return spikes, end

    def init_state(self, batch: int) -> State:
        """That of the neurons."""
        return self.neuron.init_state(batch)

"""The SPikE-SSM network: encoder, blocks, pooling, read-out."""

from dataclasses import replace
from typing import Any, Self

import torch
from torch import nn

from longspike.layers.linear import SpikeLinear, build_embedding
from longspike.layers.norm import build_norm
from longspike.layers.pooling import MeanPool
from longspike.models.config import SpikeSSMConfig
from longspike.models.presets import preset
from longspike.models.spiking_stack import AbstractSpikingStack, build_blocks


def _begin_with_the_last_value(decoder: nn.Linear, d_input: int) -> None:
    """Let a read-out of [h, x] be the naive forecast: output k is x[k mod d_input], whatever h is."""
    with torch.no_grad():
        decoder.weight.zero_()
        decoder.bias.zero_()
        outputs = torch.arange(decoder.out_features)
        decoder.weight[outputs, decoder.in_features - d_input + outputs % d_input] = 1.0


class SpikeSSM(AbstractSpikingStack):
    """A stack of spiking state-space blocks between an encoder and a read-out.

    Whole sequences, chunks with the state passed on, and single steps give the same spikes, bit for bit, on the compiled
    backend; logits agree to rounding (the pooled mean is summed in another order).

    Reference: Zhong et al. 2024, SPikE-SSM, arXiv 2410.17268 (a reconstruction, see docs/maths/models.md).

    Example:
        >>> import torch
        >>> model = SpikeSSM(SpikeSSMConfig(d_model=8, num_layers=1, d_state=4))
        >>> logits, state = model(torch.zeros(2, 5, 1))
        >>> tuple(logits.shape)
        (2, 10)
    """

    def __init__(self, config: SpikeSSMConfig) -> None:
        super().__init__()
        self.config = config
        if config.encoder == "embedding":
            spiking = config.has_spiking_embedding
            self.encoder = build_embedding(config.d_input, config.d_model, is_spiking=spiking)
        else:
            self.encoder = SpikeLinear(config.d_input, config.d_model)
        self.blocks = build_blocks(config)
        self.final_norm = build_norm(config.d_model, config.norm_kind) if config.has_final_norm else None
        self.pool = MeanPool(config.d_model) if config.pool == "mean" else None
        self.decoder = nn.Linear(config.d_read_out, config.num_outputs)
        if config.has_input_skip:
            _begin_with_the_last_value(self.decoder, config.d_input)

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> Self:
        """The network of a preset (`longspike.models.presets()`), with fields of its config changed."""
        return cls(replace(preset(name), **changes))

    @property
    def stack(self) -> SpikeSSMConfig:
        """Its configuration."""
        return self.config

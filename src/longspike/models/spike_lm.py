"""A language model of spiking state-space blocks: an embedding, the blocks, a norm, a read-out of the next token."""

from torch import nn

from longspike.layers.norm import RowNorm
from longspike.models.config import SpikeSSMConfig
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.spiking_stack import AbstractSpikingStack, build_blocks


class SpikeLM(AbstractSpikingStack):
    """The next token at every step, out of a state that does not grow with the text.

        token -> embedding -> spiking blocks -> LayerNorm -> linear -> logits of the next token

    A text whole, in segments with the state passed on, and token by token gives the same spikes, bit for bit, on the
    compiled backend.

    Reference: Zhong et al. 2024, SPikE-SSM, arXiv 2410.17268, whose blocks these are.

    Example:
        >>> import torch
        >>> model = SpikeLM(SpikeLMConfig(num_tokens=5, d_model=8, num_layers=1, d_state=4))
        >>> logits, state = model(torch.tensor([[1, 4, 0]]))
        >>> tuple(logits.shape), state.pool is None
        ((1, 3, 5), True)
    """

    pool: None

    def __init__(self, config: SpikeLMConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.Embedding(config.num_tokens, config.d_model)
        self.blocks = build_blocks(config.stack)
        self.final_norm = RowNorm(config.d_model)
        self.pool = None
        self.decoder = nn.Linear(config.d_model, config.num_tokens)

    @property
    def stack(self) -> SpikeSSMConfig:
        """The network as a SpikeSSM."""
        return self.config.stack  # type: ignore[no-any-return]

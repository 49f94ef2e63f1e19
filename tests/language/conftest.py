"""A small corpus that can be learnt by heart, and a small language model for it."""

import numpy as np
import pytest
import torch

from longspike.data import TokenRow
from longspike.models import SpikeLM, SpikeLMConfig
from longspike.nn import NeuronConfig

NUM_TOKENS = 7
CONFIG = SpikeLMConfig(num_tokens=NUM_TOKENS, d_model=6, num_layers=2, d_state=4, neuron=NeuronConfig(threshold=0.3))


def corpus(num_tokens: int = 200, *, seqlen: int = 11, seed: int = 0) -> TokenRow:
    """Random tokens in a row."""
    tokens = np.random.default_rng(seed).integers(0, NUM_TOKENS, num_tokens).astype(np.uint8)
    return TokenRow(tokens=tokens, d_input=NUM_TOKENS, seqlen=seqlen)


@pytest.fixture
def model() -> SpikeLM:
    """Two blocks of six neurons that fire, in evaluation mode."""
    torch.manual_seed(0)
    return SpikeLM(CONFIG).eval()

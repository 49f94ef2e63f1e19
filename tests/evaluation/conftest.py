"""A small network and ragged batches for it."""

import pytest
import torch

from longspike.data import Batch
from longspike.layers.neuron import NeuronConfig
from longspike.models import SpikeSSM, SpikeSSMConfig

CONFIG = SpikeSSMConfig(
    d_input=2, num_outputs=3, d_model=5, num_layers=2, d_state=4, neuron=NeuronConfig(threshold=0.3)
)


def make_batches(num_batches: int = 2, *, num_classes: int = 3) -> list[Batch]:
    """Batches of 4 random samples with 1 to 7 valid steps of 7, zero in the padding."""
    batches = []
    for k in range(num_batches):
        lengths = torch.tensor([7, 3, 1, 5])
        x = torch.randn(4, 7, 2) * (torch.arange(7) < lengths[:, None])[..., None]
        batches.append(Batch(x, lengths, (torch.arange(4) + k) % num_classes))
    return batches


@pytest.fixture
def model() -> SpikeSSM:
    """Two blocks of five refractory neurons that fire, in evaluation mode."""
    return SpikeSSM(CONFIG).eval()


@pytest.fixture
def batches() -> list[Batch]:
    """Two ragged batches of four."""
    return make_batches()

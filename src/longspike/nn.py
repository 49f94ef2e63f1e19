"""Layers; each has forward(x, state=None) -> (y, state), step(x_t, state) -> (y_t, state) and init_state(batch)."""

from longspike.layers.block import BlockState, SpikingBlock
from longspike.layers.dropout import TiedDropout
from longspike.layers.linear import SpikeLinear
from longspike.layers.neuron import NeuronConfig
from longspike.layers.pooling import MeanPool
from longspike.neurons.hard_reset import HardResetLIF
from longspike.neurons.lif import LIFState
from longspike.neurons.memoryless import GELU, Bernoulli, Heaviside
from longspike.neurons.refractory import RefractoryLIF
from longspike.neurons.sdn import SDN
from longspike.neurons.surrogate import Surrogate
from longspike.ssm.s4d import S4D
from longspike.ssm.sa_hippo import SAHippo

__all__ = [
    "GELU",
    "S4D",
    "SDN",
    "Bernoulli",
    "BlockState",
    "HardResetLIF",
    "Heaviside",
    "LIFState",
    "MeanPool",
    "NeuronConfig",
    "RefractoryLIF",
    "SAHippo",
    "SpikeLinear",
    "SpikingBlock",
    "Surrogate",
    "TiedDropout",
]

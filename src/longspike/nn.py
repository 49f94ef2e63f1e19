"""Layers; those of sequences have forward(x, state=None) -> (y, state), step(x_t, state) and init_state(batch).

Layers of sparse spikes take and give `SparseSpikes`, and their state is of the touched positions alone.
"""

from longspike.layers.block import BlockState, SpikingBlock
from longspike.layers.dendritic_conv import DendriticConvState, DendriticLIFConv2d, DendriticRows
from longspike.layers.dendritic_frames import DendriticConv2d, DendriticFramesState
from longspike.layers.dropout import TiedDropout
from longspike.layers.event_pool import EventPool
from longspike.layers.linear import SpikeLinear, SpikingEmbedding
from longspike.layers.memory_block import MemoryBlock
from longspike.layers.neuron import NeuronConfig
from longspike.layers.pooling import MeanPool, WindowPool
from longspike.layers.sparse import SparseSpikes, from_events
from longspike.layers.spatial_pool import SpatialPool
from longspike.layers.token_scores import TokenScores
from longspike.neurons.dendritic import DendriticLIF, DendriticState
from longspike.neurons.hard_reset import HardResetLIF
from longspike.neurons.lif import LIFState
from longspike.neurons.memoryless import GELU, Bernoulli, Graded, Heaviside
from longspike.neurons.population import Population
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
    "DendriticConv2d",
    "DendriticConvState",
    "DendriticFramesState",
    "DendriticLIF",
    "DendriticLIFConv2d",
    "DendriticRows",
    "DendriticState",
    "EventPool",
    "Graded",
    "HardResetLIF",
    "Heaviside",
    "LIFState",
    "MeanPool",
    "MemoryBlock",
    "NeuronConfig",
    "Population",
    "RefractoryLIF",
    "SAHippo",
    "SparseSpikes",
    "SpatialPool",
    "SpikeLinear",
    "SpikingBlock",
    "SpikingEmbedding",
    "Surrogate",
    "TiedDropout",
    "TokenScores",
    "WindowPool",
    "from_events",
]

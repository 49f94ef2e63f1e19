"""What an exported program must find when it is loaded: the names of the states that go in and come out of it."""

import torch
from torch.utils import _pytree as pytree

from longspike.kernels.tick import EventPoolState
from longspike.layers.block import BlockState
from longspike.layers.dendritic_conv import DendriticConvState
from longspike.layers.dendritic_frames import DendriticFramesState
from longspike.layers.pooling import PoolState
from longspike.models.flames import FlamesState
from longspike.models.flames_sequence import FlamesSequenceState
from longspike.models.spiking_stack import SpikeSSMState
from longspike.neurons.dendritic import DendriticState
from longspike.neurons.lif import LIFState

STATES = (
    BlockState,
    DendriticConvState,
    DendriticState,
    DendriticFramesState,
    EventPoolState,
    FlamesSequenceState,
    FlamesState,
    LIFState,
    PoolState,
    SpikeSSMState,
)
"""Every named tuple that a network's state is made of."""


def register_states() -> None:
    """Give the states the names by which a saved program knows them, `longspike.<class>`; its example holds some too."""
    torch.serialization.add_safe_globals(list(STATES))
    for state in STATES:
        pytree._register_namedtuple(state, serialized_type_name=f"longspike.{state.__name__}")

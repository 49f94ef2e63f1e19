"""States as trees: map, flatten, fill."""

from typing import Any

import pytest
import torch

from longspike._core.states import fill_state, flatten_state, map_state
from longspike.functional import LIFState
from longspike.layers.block import BlockState
from longspike.layers.neuron import NEURONS
from longspike.layers.pooling import PoolState
from longspike.models import Flames, FlamesSequence, FlamesSequenceConfig, SpikeSSM, SpikeSSMConfig, SpikeSSMState
from longspike.nn import NeuronConfig


def network_state() -> SpikeSSMState:
    blocks = tuple(BlockState(torch.randn(2, 3, 2, 5), LIFState(*torch.randn(3, 2, 5))) for _ in range(2))
    return SpikeSSMState(blocks, PoolState(torch.randn(2, 5), torch.tensor([4, 7])))


def test_names_are_those_of_saved_streams() -> None:
    assert list(flatten_state(network_state())) == [
        *(f"blocks.{k}.{part}" for k in range(2) for part in ("ssm", "neuron.v", "neuron.r", "neuron.spike")),
        "pool.total",
        "pool.steps",
    ]
    assert flatten_state(torch.zeros(1)).keys() == {""}
    assert flatten_state(((), None)) == {}


def states() -> dict[str, Any]:
    networks = {
        kind: SpikeSSM(SpikeSSMConfig(d_model=3, d_state=4, neuron=NeuronConfig(kind=kind))) for kind in NEURONS
    }
    networks["no pool"] = SpikeSSM(SpikeSSMConfig(d_model=3, d_state=4, pool="none"))
    networks["flames"] = Flames.from_preset("tiny", sensor_size=(9, 8), num_classes=3)
    networks["flames sequence"] = FlamesSequence(FlamesSequenceConfig(d_input=3))
    return {name: network.init_state(2) for name, network in networks.items()}


@pytest.mark.parametrize("name", [*NEURONS, "no pool", "flames", "flames sequence"])
def test_fill_undoes_flatten_for_every_network(name: str) -> None:
    state = map_state(lambda x: x + 2, states()[name])
    tensors = flatten_state(state)
    back = fill_state(map_state(torch.zeros_like, state), tensors)
    assert type(back) is type(state)
    assert flatten_state(back).keys() == tensors.keys()
    assert all(x is y for x, y in zip(flatten_state(back).values(), tensors.values(), strict=True))
    assert all(bool((x != 0).any()) for x in tensors.values() if x.numel())


def test_map_keeps_the_structure_and_touches_every_tensor() -> None:
    state = network_state()
    chosen = map_state(lambda x: x[1:], state)
    assert isinstance(chosen.blocks[1].neuron, LIFState)
    assert chosen.pool is not None
    assert torch.equal(chosen.blocks[1].neuron.v, state.blocks[1].neuron.v[1:])
    assert chosen.pool.steps.tolist() == [7]
    assert map_state(torch.clone, (None, (), (torch.ones(1),)))[:2] == (None, ())


def test_what_is_no_state() -> None:
    with pytest.raises(TypeError, match="a state holds tensors, tuples, named tuples and None; got list"):
        flatten_state([torch.zeros(1)])
    state = network_state()
    tensors = {name: x for name, x in flatten_state(state).items() if name != "pool.steps"}
    with pytest.raises(KeyError, match=r"pool\.steps"):
        fill_state(state, tensors)

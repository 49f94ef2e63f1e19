"""What is differentiated in every way that PyTorch knows: each operator and layer as a function of one tensor."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from block_cases import OPTIONS, block_case
from dendrites import Geometry, conv_case, random_items
from longspike.functional import LIFState, refractory_lif
from longspike.kernels.dendrite import dendritic_conv, dendritic_lif, pool_plan, segment_max
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import glu, linear
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.spikes import count_spikes, spikes
from longspike.kernels.spiking_block import spiking_block
from longspike.kernels.tick import EventPoolState, embed_cells, event_pool
from longspike.layers.norm import RowNorm
from longspike.models import FlamesSequence, FlamesSequenceConfig, MemoryConfig, SpikeSSM, SpikeSSMConfig
from longspike.neurons.leaky_memory import LeakyMemory
from longspike.nn import (
    GELU,
    S4D,
    SDN,
    DendriticLIF,
    DendriticLIFConv2d,
    EventPool,
    Graded,
    HardResetLIF,
    Heaviside,
    MeanPool,
    MemoryBlock,
    RefractoryLIF,
    SAHippo,
    SpatialPool,
    SpikeLinear,
    SpikingBlock,
    TiedDropout,
)
from operators import lif_case, s4d_case

WIDE = torch.float64


class Case(NamedTuple):
    """A function of one tensor, and where it is looked at."""

    function: Callable[[Tensor], Tensor]
    x: Tensor


def draw(*shape: int) -> Tensor:
    """Irregular numbers, the same for the same shape; no generator, which vmap would ask about."""
    return 1.5 * torch.sin(1 + 12.9898 * torch.arange(math.prod(shape), dtype=WIDE) ** 1.3).view(shape)


def loss(y: Tensor) -> Tensor:
    """A sum in which every entry has its own weight."""
    return (y * draw(*y.shape)).sum()


def operators() -> dict[str, Case]:
    """Every entry with a gradient in `longspike.kernels` and `longspike.functional`."""
    neuron, scan, block = (
        lif_case(2, 7, 3, dtype=WIDE),
        s4d_case(2, 7, 3, 2, dtype=WIDE),
        block_case(2, 7, 3, 2, dtype=WIDE),
    )
    conv = conv_case(2, 3, 2, [9, 0, 6], Geometry((4, 3), 3, 1, 1))
    values, weight, rate, rate_soma, g, i, v = (x.detach() for x in conv.leaves(WIDE))
    step = {"threshold": 0.2, "surrogate": "sigmoid", "scale": 2.0}
    offsets, pool_state = torch.tensor([0, 2, 5]), EventPoolState(*(torch.zeros(2, n, dtype=WIDE) for n in (3, 3, 3)))
    lif_options = {**neuron.named(), "state": LIFState(*neuron.state), "surrogate": "sigmoid"}
    pooled = pool_plan(conv.plan, 2)
    rows = conv.plan.row_step.numel()
    return {
        "refractory_lif": Case(lambda x: refractory_lif(x, **lif_options)[0], neuron.current),
        "s4d_scan": Case(lambda x: s4d_scan(x, *scan[1:])[0], scan.u),
        "spiking_block": Case(lambda x: spiking_block(x, block.inputs, block.state, **OPTIONS)[0], block.x),
        "linear": Case(lambda x: linear(x, draw(4, 3), draw(4)), draw(2, 5, 3)),
        "glu": Case(glu, draw(2, 5, 4)),
        "layer_norm": Case(lambda x: layer_norm(x, draw(3), draw(3)), draw(2, 5, 3)),
        "spikes": Case(lambda x: spikes(x, **step), draw(2, 5, 3)),
        "count_spikes": Case(lambda x: count_spikes(x, **step), draw(2, 5, 3)),
        "dendritic_lif": Case(
            lambda x: dendritic_lif(x, (rate, rate_soma, g), (draw(2, 2, 3), draw(2, 3)), **step)[0], draw(2, 5, 2, 3)
        ),
        "dendritic_conv": Case(
            lambda x: dendritic_conv(x, weight, (rate, rate_soma, g), (i, v), conv.plan, conv.gap, **step)[0], values
        ),
        "segment_max": Case(lambda x: segment_max(x, pooled), draw(rows, 3)),
        "embed_cells": Case(
            lambda x: embed_cells(x, torch.tensor([2, 0, 1, 2, 1]), offsets, draw(3, 2, 4)), draw(5, 2)
        ),
        "event_pool": Case(
            lambda x: event_pool(x, torch.ones(5, dtype=WIDE), offsets, pool_state, size=2)[0], draw(5, 3)
        ),
    }


def layers() -> dict[str, Case]:
    """Every layer of `longspike.nn` whose output has a gradient, and two networks."""
    torch.manual_seed(1)
    sequence, row, delta, offsets = draw(2, 7, 3), draw(5, 4), torch.tensor([1, 3, 1, 1, 2]), torch.tensor([0, 2, 5])
    items = random_items([9, 6], Geometry((4, 3), 3, 1, 1), 2)
    clock = {"step_us": 1000, "tau_min_us": 2e3, "tau_max_us": 1e5, "tau_soma_us": 1e4}
    conv, pool = DendriticLIFConv2d(2, 3, num_branches=2, **clock).to(WIDE), SpatialPool(2)
    memory = {"d_state": 4, "rank": 2}
    small = MemoryConfig(d_model=4, num_layers=1, num_heads=1, input="held", **memory)
    modules = {
        "S4D": (S4D(3, d_state=4), sequence),
        "RefractoryLIF": (RefractoryLIF(3, threshold=0.3), sequence),
        "HardResetLIF": (HardResetLIF(3), sequence),
        "SDN": (SDN(3), sequence),
        "Heaviside": (Heaviside(3), sequence),
        "Graded": (Graded(3, levels=2, is_signed=True), sequence),
        "GELU": (GELU(3), sequence),
        "SpikingBlock": (SpikingBlock(3, d_state=4), sequence),
        "MeanPool": (MeanPool(3), sequence),
        "TiedDropout": (TiedDropout(0.5).eval(), sequence),
        "SpikeLinear": (SpikeLinear(3, 4), sequence),
        "RowNorm": (RowNorm(3), sequence),
        "DendriticLIF": (DendriticLIF(3, 4, num_branches=2, tau_min=2, tau_max=100, tau_soma=10), sequence),
        "SpikeSSM": (SpikeSSM(SpikeSSMConfig(d_input=3, num_outputs=2, d_model=4, num_layers=2, d_state=4)), sequence),
        "FlamesSequence": (
            FlamesSequence(FlamesSequenceConfig(d_input=3, num_outputs=2, num_branches=2, memory=small)),
            sequence,
        ),
        "SAHippo": (SAHippo(4, **memory), row),
        "LeakyMemory": (LeakyMemory(4), row),
        "MemoryBlock": (MemoryBlock(SAHippo(4, **memory), 4), row),
        "EventPool": (EventPool(4, window=2), row),
    }
    found = {
        name: Case(_first_output(module.to(WIDE), (delta, offsets) if x is row else ()), x)
        for name, (module, x) in modules.items()
    }
    found["DendriticLIFConv2d"] = Case(lambda x: conv(items._replace(values=x)).membrane, items.values)
    rows = conv(items)
    found["SpatialPool"] = Case(lambda x: pool(rows._replace(membrane=x)).values, rows.membrane.detach())
    return found


def _first_output(module: nn.Module, more: tuple[Tensor, ...]) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        found = module(x, *more)
        return found if isinstance(found, Tensor) else found[0]

    return function

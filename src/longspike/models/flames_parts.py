"""From a FLAMES configuration to its parts."""

from torch import nn

from longspike._core.sequence import AbstractTickLayer
from longspike.layers.dendritic_conv import DendriticLIFConv2d
from longspike.layers.memory_block import MemoryBlock
from longspike.layers.spatial_pool import SpatialPool
from longspike.models.flames_config import FlamesConfig, MemoryConfig
from longspike.neurons.leaky_memory import LeakyMemory
from longspike.neurons.surrogate import surrogate_of
from longspike.ssm.sa_hippo import SAHippo

POLARITIES = 2
NO_MEMORY = 1e-2
"""Time constant, in steps, of the branch of a point neuron: nothing is left after one step."""


def build_fronts(config: FlamesConfig) -> tuple[list[DendriticLIFConv2d], list[SpatialPool]]:
    """The dendritic convolutions and the pools behind them."""
    surrogate = surrogate_of(config)
    is_point = config.front == "lif"
    convolutions, pools = [], []
    for k in range(config.num_fronts):
        convolutions.append(
            DendriticLIFConv2d(
                POLARITIES if k == 0 else config.channels,
                config.channels,
                num_branches=config.num_branches,
                kernel=config.kernel,
                stride=config.stride if k == 0 else 1,
                step_us=config.step_us,
                tau_min_us=NO_MEMORY * config.step_us if is_point else config.tau_min_us,
                tau_max_us=NO_MEMORY * config.step_us if is_point else config.tau_max_us,
                tau_soma_us=config.tau_soma_us,
                surrogate=surrogate,
            )
        )
        pools.append(SpatialPool(config.pool, surrogate=surrogate))
    return convolutions, pools


def front_grids(config: FlamesConfig) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Of every front, (width, height) of its positions and of its pooled cells.

    positions = (size + 2*(kernel // 2) - kernel) // stride + 1,   cells = ceil(positions / pool)
    """
    grids = []
    size = tuple(-(-side // config.downsample) for side in config.sensor_size)
    for k in range(config.num_fronts):
        stride = config.stride if k == 0 else 1
        positions = tuple((side + 2 * (config.kernel // 2) - config.kernel) // stride + 1 for side in size)
        size = tuple(-(-side // config.pool) for side in positions)
        grids.append(((positions[0], positions[1]), (size[0], size[1])))
    return grids


def build_memory(config: MemoryConfig) -> AbstractTickLayer:
    """The memory of one block."""
    if config.kind == "lif":
        return LeakyMemory(config.d_model, surrogate=surrogate_of(config))
    return SAHippo(
        config.d_model,
        d_state=config.d_state,
        rank=config.rank,
        num_heads=config.num_heads,
        transition=config.transition,
        structure=config.structure,
        input=config.input,
        decay="none" if config.kind == "hippo" else "separable",
        dt_min=config.dt_min,
        dt_max=config.dt_max,
    )


def build_blocks(config: MemoryConfig) -> nn.ModuleList:
    """The stack of memory blocks."""
    surrogate = surrogate_of(config)
    return nn.ModuleList(
        MemoryBlock(build_memory(config), config.d_model, dropout=config.dropout, surrogate=surrogate)
        for _ in range(config.num_layers)
    )

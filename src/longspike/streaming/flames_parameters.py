"""The parameters of a FLAMES network as the compiled stream takes them: copies, in its layouts."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels.layer_norm import EPS
from longspike.layers.memory_block import THRESHOLD, MemoryBlock
from longspike.layers.watched import are_watched
from longspike.models.flames import Flames
from longspike.models.flames_parts import POLARITIES, front_grids
from longspike.ssm.sa_hippo import SAHippo


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().to("cpu", torch.float32).contiguous().flatten().numpy()


def flames_parameters(model: Flames) -> Any:
    """What `make_flames_stream` of the compiled extension takes.

    Raises: ValueError for a model that the stream cannot run: another dtype, or a memory without compiled ticks.
    """
    config = model.config
    if model.dtype != torch.float32:
        raise ValueError(f"EventStream: `model` must be float32; got {model.dtype}. Convert it with model.float().")
    is_dense = config.memory.transition != "bilinear" and config.memory.structure != "diag"  # a diagonal one is exact
    if config.memory.kind == "lif" or is_dense:
        kind = f"memory.kind={config.memory.kind!r} and memory.transition={config.memory.transition!r}"
        raise ValueError(
            f"EventStream: the compiled stream runs SA-HiPPO with transition='bilinear'; got {kind}. Use "
            "Flames.outputs with its state, which runs every memory."
        )
    watched = [f"`{name}`" for name, part in model.named_modules() if name and are_watched((part,))]
    if watched:
        raise ValueError(
            f"EventStream: hooks (or a pruning) of {', '.join(watched[:3])} would not run in the compiled stream. Remove "
            "them (handle.remove(), prune.remove), or use Flames.outputs with its state."
        )
    parameters = native.extension().FlamesParameters()
    sensor = (*config.sensor_size, config.step_us, config.downsample, config.window, config.num_outputs)
    parameters.set_sizes(*sensor, config.weighting == "time")
    _add_fronts(parameters, model)
    for block in model.blocks:
        _add_block(parameters, block)  # type: ignore[arg-type]
    decoder = model.decoder
    parameters.set_read_out(_flat(model.embedding), _flat(decoder.weight.T), _flat(decoder.bias))
    return parameters


def _add_fronts(parameters: Any, model: Flames) -> None:
    config = model.config
    size = tuple(-(-side // config.downsample) for side in config.sensor_size)
    in_channels = POLARITIES
    for front, pool, (positions, cells) in zip(model.fronts, model.pools, front_grids(config), strict=True):
        rate, rate_soma, coupling = front.dynamics()  # type: ignore[operator]
        shape = (front.channels, front.num_branches, front.kernel, front.stride, front.padding, pool.size)
        taps = _flat(front.taps())  # type: ignore[operator]
        sizes = [*size, in_channels, *positions, *shape]
        parameters.add_front(sizes, float(rate_soma.detach()), front.threshold, taps, _flat(rate), _flat(coupling))
        size, in_channels = cells, config.channels


def _add_block(parameters: Any, block: MemoryBlock) -> None:
    memory = block.memory
    if not isinstance(memory, SAHippo):
        raise TypeError(f"EventStream: expected SAHippo in every block; got {type(memory).__name__}.")
    decay = torch.zeros(0) if memory.log_decay is None else memory.log_decay
    head = (memory.log_dt, memory.log_A_real, memory.A_imag, decay, memory.R, memory.B, memory.C, memory.D)
    rest = (block.mix.weight.T, block.mix.bias, block.norm.weight, block.norm.bias)
    sizes = [memory.d_model, memory.num_heads, memory.n_pairs, memory.rank]
    is_diagonal, is_held = memory.structure == "diag", memory.input == "held"
    parameters.add_block(sizes, is_diagonal, is_held, THRESHOLD, EPS, [_flat(x) for x in (*head, *rest)])

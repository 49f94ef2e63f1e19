"""The large tensors of a network by name and shape, from its configuration alone: what a file of weights must hold."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from longspike.layers.adaptive import cluster_bounds, cluster_widths
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig, MemoryConfig
from longspike.models.flames_frames import frame_cells
from longspike.models.flames_parts import POLARITIES, front_grids
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.pair_config import SpikeSSMPairConfig

AnyConfig = SpikeSSMConfig | SpikeLMConfig | SpikeSSMPairConfig | FlamesConfig | FlamesSequenceConfig
"""What describes a network."""

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _spike_ssm(config: SpikeSSMConfig) -> Shapes:
    width = config.d_model
    is_embedding = config.encoder == "embedding"
    yield "encoder.weight", (config.d_input, width) if is_embedding else (width, config.d_input)
    yield "decoder.weight", (config.num_outputs, config.d_read_out)
    for k in range(config.num_layers):
        neurons = width * (config.neuron.per_channel if config.block == "spiking" else 1)
        yield f"blocks.{k}.mix.weight", (2 * width, neurons)
        if config.block == "lstm":
            yield f"blocks.{k}.lstm.weight_ih_l0", (4 * width, width)
            yield f"blocks.{k}.lstm.weight_hh_l0", (4 * width, width)
            continue
        if config.block == "attention":
            yield f"blocks.{k}.project.weight", (3 * width, width)
            continue
        for ssm in ("ssm", "backward_ssm")[: 1 + config.is_bidirectional]:
            yield f"blocks.{k}.{ssm}.A_imag", (config.d_state // 2, config.n_ssm or width)
            yield f"blocks.{k}.{ssm}.C", (config.d_state // 2, 2, width)


def _spike_ssm_pair(config: SpikeSSMPairConfig) -> Shapes:
    width = config.tower.d_model
    yield from ((f"tower.{name}", shape) for name, shape in _spike_ssm(config.tower) if name != "decoder.weight")
    yield "head.0.weight", (width, 4 * width)
    yield "head.2.weight", (config.num_outputs, width)


def _memory(config: MemoryConfig) -> Shapes:
    pairs, rank = config.d_state // 2, 0 if config.structure == "diag" else config.rank
    for k in range(config.num_layers):
        yield f"blocks.{k}.mix.weight", (config.d_model, config.d_model)
        if config.kind != "lif":
            yield f"blocks.{k}.memory.C", (pairs, 2, config.d_model)
            yield f"blocks.{k}.memory.R", (config.num_heads, pairs, 2, rank)


def _flames(config: FlamesConfig) -> Shapes:
    width, height = front_grids(config)[-1][1]
    yield "embedding", (width * height, config.channels, config.memory.d_model)
    yield "decoder.weight", (config.num_outputs, config.memory.d_model)
    for k in range(config.num_fronts):
        channels = POLARITIES if k == 0 else config.channels
        yield f"fronts.{k}.weight", (config.num_branches, config.channels, channels, config.kernel, config.kernel)
    yield from _memory(config.memory)


def _flames_sequence(config: FlamesSequenceConfig) -> Shapes:
    width = config.memory.d_model
    if config.frame:
        inputs, kernels = config.frame[2], 1 if config.weights == "shared" else config.num_branches
        for k, channels in enumerate(config.convolutions):
            seen = inputs // kernels if config.weights == "partitioned" else inputs
            yield f"front.convolutions.{k}.weight", (kernels, channels, seen * math.prod(config.kernel))
            inputs = channels
        yield "front.embed.weight", (width, math.prod(frame_cells(config)) * inputs)
    else:
        yield "dendrites.weight", (config.num_branches, width, config.d_input)
    yield "decoder.weight", (config.num_outputs, config.windows * width)
    yield from _memory(config.memory)


def _spike_lm(config: SpikeLMConfig) -> Shapes:
    if not config.cutoffs:
        yield from (each for each in _spike_ssm(config.stack) if not (config.is_tied and each[0] == "decoder.weight"))
        return
    yield from (each for each in _spike_ssm(config.stack) if each[0].startswith("blocks."))
    bounds = cluster_bounds("SpikeLM", config.num_tokens, config.cutoffs)
    for k, width in enumerate(cluster_widths("SpikeLM", config.d_model, config.div, len(bounds) - 1)):
        yield f"encoder.words.{k}", (bounds[k + 1] - bounds[k], width)
        yield f"encoder.projections.{k}", (config.d_model, width)


_SHAPES: dict[type, Callable[[Any], Shapes]] = {
    SpikeSSMConfig: _spike_ssm,
    SpikeLMConfig: _spike_lm,
    SpikeSSMPairConfig: _spike_ssm_pair,
    FlamesConfig: _flames,
    FlamesSequenceConfig: _flames_sequence,
}


def main_shapes(config: AnyConfig) -> Shapes:
    """Name and shape of the tensors that fill a network: all others together hold no more values than a few times these.

    Example:
        >>> list(main_shapes(SpikeSSMConfig(d_model=6, num_layers=1, d_state=4)))[:2]
        [('encoder.weight', (6, 1)), ('decoder.weight', (10, 6))]
    """
    return _SHAPES[type(config)](config)

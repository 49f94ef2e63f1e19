"""FLAMES Tiny, Small and Normal: channels and branches as published, the front fitted to the sensor."""

import math
from collections.abc import Mapping
from typing import TypeVar

from longspike._core.mistakes import did_you_mean
from longspike.errors import ConfigError
from longspike.events.record import check_sensor_size
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig, MemoryConfig

_SIZES = {"tiny": (32, 16), "small": (64, 32), "normal": (128, 64)}  # channels, branches: Chakraborty et al. 2025
LARGEST_SIDE, LARGEST_GRID = 160, 9
HEAD_CHANNELS = 16  # channels that share a transition: one vector register


_FRAME_SIZES = {  # convolutions, d_model, branches, d_state
    "tiny": ((32, 32), 32, 16, 64),
    "medium": ((32, 64), 128, 16, 16),
    "small": ((64, 64), 64, 32, 64),
    "normal": ((128, 128), 128, 64, 64),
}
WINDOWS = 8
Size = TypeVar("Size")


def flames_presets() -> tuple[str, ...]:
    """The names that `Flames.from_preset` knows."""
    return tuple(_SIZES)


def _size(name: str, sizes: Mapping[str, Size]) -> Size:
    if name not in sizes:
        hint = did_you_mean(name, sizes)
        raise ConfigError(f"there is no FLAMES preset {name!r}.{hint} The presets are: {', '.join(sizes)}.")
    return sizes[name]


def flames_preset(name: str, *, sensor_size: tuple[int, int], num_classes: int) -> FlamesConfig:
    """The configuration of a name for a sensor.

    The published settings leave the front's geometry open. Here a large sensor's coordinates are divided by the
    smallest integer that leaves at most 160 pixels a side, a 3x3 convolution of stride 2 follows, and the pool leaves a
    grid of at most 9 cells a side: an event touches 2.25 positions on average, whatever the resolution.

    Raises: ConfigError with the nearest name, or for a sensor that is none.
    """
    channels, branches = _size(name, _SIZES)
    try:
        sensor_size = check_sensor_size(f"FLAMES preset {name!r}", sensor_size)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    downsample = -(-max(sensor_size) // LARGEST_SIDE)
    side = -(-max(sensor_size) // downsample)
    positions = (side - 1) // 2 + 1
    return FlamesConfig(
        sensor_size=sensor_size,
        num_outputs=num_classes,
        channels=channels,
        num_branches=branches,
        downsample=downsample,
        pool=-(-positions // LARGEST_GRID),
        memory=MemoryConfig(d_model=channels, num_heads=channels // HEAD_CHANNELS),
    )


def flames_sequence_preset(name: str, *, d_input: int, num_classes: int) -> FlamesSequenceConfig:
    """The configuration of a name for dense sequences of some tens of steps.

    Raises: ConfigError with the nearest name.
    """
    channels, branches = _size(name, _SIZES)
    return FlamesSequenceConfig(
        d_input=d_input,
        num_outputs=num_classes,
        num_branches=branches,
        tau_max=2.0,
        tau_soma=1.0,
        memory=MemoryConfig(
            d_model=channels, num_heads=channels // HEAD_CHANNELS, input="held", dt_min=1e-2, dt_max=0.5
        ),
    )


def flames_frames_preset(
    name: str, *, frame: tuple[int, int, int], num_steps: int, num_classes: int
) -> FlamesSequenceConfig:
    """The configuration of a name for sequences of frames: two dendritic convolutions, and eight windows side by side.

    "tiny", "small" and "normal" have the published channels and branches; "medium" is wide where it pays.

    Args: frame: height, width and channels of a step. num_steps: of a sequence, so that its windows are eight parts of it.
    Raises: ConfigError with the nearest name.
    """
    convolutions, d_model, branches, d_state = _size(name, _FRAME_SIZES)
    memory = MemoryConfig(
        d_model=d_model,
        d_state=d_state,
        num_heads=max(1, d_model // HEAD_CHANNELS),
        input="held",
        dt_min=1e-2,
        dt_max=0.5,
    )
    return FlamesSequenceConfig(
        d_input=math.prod(frame),
        num_outputs=num_classes,
        num_branches=branches,
        tau_min=0.2,
        tau_max=16.0,
        frame=frame,
        convolutions=convolutions,
        windows=WINDOWS,
        window=-(-num_steps // WINDOWS),
        memory=memory,
    )

"""What describes a FLAMES network completely, for events and for dense sequences."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from longspike.errors import ConfigError
from longspike.events.record import LARGEST_SIDE, LATEST_TIME_US
from longspike.neurons.surrogate import Surrogate

MEMORIES = ("sa_hippo", "hippo", "lif")
FRONTS = ("dendritic", "lif")
TRANSITIONS = ("bilinear", "taylor2", "expm")
STRUCTURES = ("dplr", "diag")
INPUTS = ("impulse", "held")
WEIGHTINGS = ("tick", "time")
LARGEST_RANK, LARGEST_KERNEL = 64, 255


def _positive_ints(config: Any, names: tuple[str, ...]) -> list[str]:
    mistakes = []
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            mistakes.append(f"`{name}` must be a positive integer; got {value!r}")
    return mistakes


def _is_range(*numbers: object) -> bool:
    """Whether these are finite positive numbers that do not decrease."""
    if not all(isinstance(x, int | float) and 0 < x < math.inf for x in numbers):
        return False
    return all(a <= b for a, b in pairwise(numbers))  # type: ignore[operator]


def _choices(config: Any, choices: dict[str, tuple[str, ...]]) -> list[str]:
    return [
        f"`{name}` must be one of {', '.join(allowed)}; got {getattr(config, name)!r}"
        for name, allowed in choices.items()
        if getattr(config, name) not in allowed
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryConfig:
    """The stack of memory blocks: SA-HiPPO -> spikes -> linear mixing -> residual -> layer norm.

    Attributes:
        kind: "sa_hippo", or to compare with "hippo" (no spike-aware decay) and "lif" (a leaky neuron per channel).
        d_model, num_layers: width and depth. d_state, rank, num_heads: of each SA-HiPPO layer.
        transition, structure, input: see `longspike.nn.SAHippo`.
        dt_min, dt_max: time scales at the start, per step (dimensionless).
        dropout: probability, of spikes, tied in time. surrogate, surrogate_scale: of the backward pass.
    """

    kind: str = "sa_hippo"
    d_model: int = 32
    num_layers: int = 2
    d_state: int = 64
    rank: int = 8
    num_heads: int = 2
    transition: str = "bilinear"
    structure: str = "dplr"
    input: str = "impulse"
    dt_min: float = 1e-3
    dt_max: float = 1e-1
    dropout: float = 0.0
    surrogate: str = "triangle"
    surrogate_scale: float | None = None

    def __post_init__(self) -> None:
        mistakes = _positive_ints(self, ("d_model", "num_layers", "d_state", "num_heads"))
        mistakes += _choices(
            self, {"kind": MEMORIES, "transition": TRANSITIONS, "structure": STRUCTURES, "input": INPUTS}
        )
        if not mistakes and self.d_model % self.num_heads:
            mistakes.append(f"`num_heads` must divide d_model={self.d_model}; got {self.num_heads}")
        mistakes += self._mistakes_of_the_state()
        if self.structure == "diag" and self.transition == "taylor2":
            mistakes.append("structure='diag' has an exact exponential; `transition`='taylor2' is for 'dplr'")
        if not (isinstance(self.dropout, int | float) and 0 <= self.dropout < 1):
            mistakes.append(f"`dropout` must lie in [0, 1); got {self.dropout}")
        if not _is_range(self.dt_min, self.dt_max):
            mistakes.append(f"0 < `dt_min` <= `dt_max` must hold; got {self.dt_min} and {self.dt_max}")
        if mistakes:
            raise ConfigError("MemoryConfig: " + "; ".join(mistakes) + ".")
        Surrogate(self.surrogate, self.surrogate_scale)

    def _mistakes_of_the_state(self) -> list[str]:
        if self.kind == "lif" or not isinstance(self.d_state, int) or self.d_state < 1:
            return []
        mistakes = [f"`d_state` must be even (conjugate pairs); got {self.d_state}"] if self.d_state % 2 else []
        most = min(self.d_state, LARGEST_RANK)
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or not 0 <= self.rank <= most:
            mistakes.append(
                f"`rank` must be an integer from 0 to min(d_state, {LARGEST_RANK}) = {most}; got {self.rank}"
            )
        return mistakes


def _memory_mistakes(memory: object) -> list[str]:
    return [] if isinstance(memory, MemoryConfig) else [f"`memory` must be a MemoryConfig; got {memory!r}"]


def sensor_mistakes(sensor_size: object) -> list[str]:
    """What is wrong with a sensor's (width, height), if anything is."""
    is_pair = isinstance(sensor_size, tuple) and len(sensor_size) == 2
    is_side = lambda x: isinstance(x, int) and not isinstance(x, bool) and 1 <= x <= LARGEST_SIDE  # noqa: E731
    if is_pair and all(is_side(side) for side in sensor_size):  # type: ignore[attr-defined]
        return []
    return [f"`sensor_size` must be (width, height), at most {LARGEST_SIDE} pixels each; got {sensor_size!r}"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamesConfig:
    """FLAMES over events.

    Attributes:
        sensor_size: (width, height) in pixels. num_outputs: classes.
        step_us: events with the same t // step_us are one step; 1 is event by event.
        front: "dendritic", or "lif" to compare with (one branch without memory).
        channels, num_branches: C and D of every dendritic convolution. num_fronts: convolution and pooling, repeated.
        downsample: coordinates are divided by this first. kernel, stride: of the convolutions (stride of the first
            one; the others have 1). pool: side of the pooling window.
        tau_min_us, tau_max_us, tau_soma_us: time constants at the start.
        window: ticks that the read-out averages at a time. weighting: a tick counts "tick" once or by its "time" gap.
        memory: the memory stack.
    """

    sensor_size: tuple[int, int] = (34, 34)
    num_outputs: int = 10
    step_us: int = 1000
    front: str = "dendritic"
    channels: int = 32
    num_branches: int = 16
    num_fronts: int = 1
    downsample: int = 1
    kernel: int = 3
    stride: int = 2
    pool: int = 2
    tau_min_us: float = 1_000.0
    tau_max_us: float = 100_000.0
    tau_soma_us: float = 10_000.0
    surrogate: str = "triangle"
    surrogate_scale: float | None = None
    window: int = 1
    weighting: str = "tick"
    memory: MemoryConfig = MemoryConfig()

    def __post_init__(self) -> None:
        size = self.sensor_size
        object.__setattr__(self, "sensor_size", tuple(size) if isinstance(size, list | tuple) else size)
        names = ("num_outputs", "step_us", "channels", "num_branches", "num_fronts", "downsample")
        mistakes = _positive_ints(self, (*names, "kernel", "stride", "pool", "window"))
        mistakes += _choices(self, {"front": FRONTS, "weighting": WEIGHTINGS})
        mistakes += sensor_mistakes(self.sensor_size)
        if not mistakes and self.step_us > LATEST_TIME_US:
            mistakes.append(f"`step_us` must be at most 2^62; got {self.step_us}")
        if not mistakes and self.kernel > LARGEST_KERNEL:
            mistakes.append(f"`kernel` must be at most {LARGEST_KERNEL}; got {self.kernel}")
        if not _is_range(self.tau_min_us, self.tau_max_us) or not _is_range(self.tau_soma_us):
            taus = f"{self.tau_min_us}, {self.tau_max_us}, {self.tau_soma_us}"
            mistakes.append(f"0 < `tau_min_us` <= `tau_max_us` and 0 < `tau_soma_us` must hold; got {taus}")
        if self.front == "lif" and self.num_branches != 1:
            mistakes.append(f"`front`='lif' has one branch; set num_branches to 1 (got {self.num_branches})")
        mistakes += _memory_mistakes(self.memory)
        if mistakes:
            raise ConfigError("FlamesConfig: " + "; ".join(mistakes) + ".")
        Surrogate(self.surrogate, self.surrogate_scale)


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamesSequenceConfig:
    """FLAMES over dense sequences: a dendritic layer, the memory stack, pooling over time, a linear read-out.

    Attributes:
        d_input: features a step. num_outputs: classes. num_branches: D. Width and depth are the memory's.
        tau_min, tau_max, tau_soma: time constants in steps at the start.
        memory: the memory stack; every step is a tick.
    """

    d_input: int = 1
    num_outputs: int = 10
    num_branches: int = 16
    tau_min: float = 1.0
    tau_max: float = 16.0
    tau_soma: float = 2.0
    surrogate: str = "triangle"
    surrogate_scale: float | None = None
    memory: MemoryConfig = MemoryConfig(input="held")

    def __post_init__(self) -> None:
        mistakes = _positive_ints(self, ("d_input", "num_outputs", "num_branches"))
        if not _is_range(self.tau_min, self.tau_max) or not _is_range(self.tau_soma):
            taus = f"{self.tau_min}, {self.tau_max}, {self.tau_soma}"
            mistakes.append(f"0 < `tau_min` <= `tau_max` and 0 < `tau_soma` must hold; got {taus}")
        mistakes += _memory_mistakes(self.memory)
        if isinstance(self.memory, MemoryConfig) and self.memory.kind == "lif":
            mistakes.append("`memory.kind`='lif' exists for events only; choose 'sa_hippo' or 'hippo'")
        if mistakes:
            raise ConfigError("FlamesSequenceConfig: " + "; ".join(mistakes) + ".")
        Surrogate(self.surrogate, self.surrogate_scale)

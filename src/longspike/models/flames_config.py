"""What describes a FLAMES network completely, for events and for dense sequences."""

import math
from dataclasses import dataclass

from longspike._core.mistakes import Mistakes, is_integer, shown
from longspike.events.record import LARGEST_SIDE, LATEST_TIME_US, check_sensor_size
from longspike.layers.dendritic_frames import POOLED, WEIGHTS
from longspike.models.config import LARGEST_DEPTH, LARGEST_ENDS, LARGEST_STATE, LARGEST_WIDTH
from longspike.neurons.surrogate import surrogate_of

MEMORIES = ("sa_hippo", "hippo", "lif")
FRONTS = ("dendritic", "lif")
TRANSITIONS = ("bilinear", "taylor2", "expm")
STRUCTURES = ("dplr", "diag")
INPUTS = ("impulse", "held")
WEIGHTINGS = ("tick", "time")
LARGEST_RANK, LARGEST_KERNEL, LARGEST_WINDOW = 64, 255, 1 << 31


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
        mistakes = Mistakes("MemoryConfig", self)
        mistakes.integers("d_model", "num_heads", high=LARGEST_WIDTH)
        mistakes.integers("num_layers", high=LARGEST_DEPTH)
        mistakes.integers("d_state", high=LARGEST_STATE)
        mistakes.choices({"kind": MEMORIES, "transition": TRANSITIONS, "structure": STRUCTURES, "input": INPUTS})
        if not mistakes and self.d_model % self.num_heads:
            mistakes.add(f"`num_heads` must divide d_model={self.d_model}; got {self.num_heads}")
        if self.kind != "lif" and is_integer(self.d_state, low=1):
            self._check_state(mistakes)
        if self.structure == "diag" and self.transition == "taylor2":
            mistakes.add("structure='diag' has an exact exponential; `transition`='taylor2' is for 'dplr'")
        mistakes.numbers("dropout", high=1, closed_low=True)
        mistakes.rising("dt_min", "dt_max")
        mistakes.part(lambda: surrogate_of(self))
        mistakes.raise_any()

    def _check_state(self, mistakes: Mistakes) -> None:
        if self.d_state % 2:
            mistakes.add(f"`d_state` must be even (conjugate pairs); got {self.d_state}")
        most = min(self.d_state, LARGEST_RANK)
        if not (is_integer(self.rank, low=0) and self.rank <= most):
            mistakes.add(f"`rank` must be an integer from 0 to min(d_state, {LARGEST_RANK}) = {most}; got {self.rank}")


def _check_memory(memory: object, mistakes: Mistakes) -> None:
    if not isinstance(memory, MemoryConfig):
        mistakes.add(f"`memory` must be a MemoryConfig; got {shown(memory)}")


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
        mistakes = Mistakes("FlamesConfig", self)
        mistakes.integers("num_outputs", high=LARGEST_ENDS)
        mistakes.integers("channels", "num_branches", high=LARGEST_WIDTH)
        mistakes.integers("num_fronts", high=LARGEST_DEPTH)
        mistakes.integers("step_us", high=LATEST_TIME_US)
        mistakes.integers("downsample", "stride", "pool", high=LARGEST_SIDE)
        mistakes.integers("kernel", high=LARGEST_KERNEL)
        mistakes.integers("window", high=LARGEST_WINDOW)
        mistakes.choices({"front": FRONTS, "weighting": WEIGHTINGS})
        mistakes.part(self._take_sensor_size)
        mistakes.rising("tau_min_us", "tau_max_us")
        mistakes.numbers("tau_soma_us")
        if self.front == "lif" and self.num_branches != 1:
            mistakes.add(f"`front`='lif' has one branch; set num_branches to 1 (got {self.num_branches})")
        _check_memory(self.memory, mistakes)
        mistakes.part(lambda: surrogate_of(self))
        mistakes.raise_any()

    def _take_sensor_size(self) -> None:
        object.__setattr__(self, "sensor_size", check_sensor_size("FlamesConfig", self.sensor_size))


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamesSequenceConfig:
    """FLAMES over dense sequences: a dendritic front, the memory stack, pooling over time, a linear read-out.

    The front is a dendritic layer over all features of a step, or, where these are a frame, dendritic convolutions over it.

    Attributes:
        d_input: features a step. num_outputs: classes. num_branches: D. Width and depth are the memory's.
        tau_min, tau_max, tau_soma: time constants in steps at the start.
        frame: (height, width, channels) of a step, whose features go by row, column and channel; () for the dendritic layer.
        convolutions: channels of the dendritic convolutions over the frame, one behind the other; what the last one leaves
            goes through a linear map and a batch norm into the memory.
        pools: side of the max pool of each convolution, or one number for all.
        kernel: (rows, columns), weights, pooled: of every convolution, see `longspike.nn.DendriticConv2d`.
        has_soma: whether a convolution's somata leak (tau_soma) and are reset, or are thresholds without memory.
        windows, window: the read-out sees the means of the last so many windows, of so many steps each, side by side; with
            one window the mean over all steps.
        memory: the memory stack; every step is a tick.
    """

    d_input: int = 1
    num_outputs: int = 10
    num_branches: int = 16
    tau_min: float = 1.0
    tau_max: float = 16.0
    tau_soma: float = 2.0
    frame: tuple[int, ...] = ()
    convolutions: tuple[int, ...] = ()
    pools: tuple[int, ...] = (2,)
    kernel: tuple[int, ...] = (3, 3)
    weights: str = "shared"
    pooled: str = "current"
    has_soma: bool = False
    windows: int = 1
    window: int = 1
    surrogate: str = "triangle"
    surrogate_scale: float | None = None
    memory: MemoryConfig = MemoryConfig(input="held")

    def __post_init__(self) -> None:
        mistakes = Mistakes("FlamesSequenceConfig", self)
        mistakes.integers("d_input", "num_outputs", high=LARGEST_ENDS)
        mistakes.integers("num_branches", "windows", high=LARGEST_WIDTH)
        mistakes.integers("window", high=LARGEST_SIDE)
        mistakes.choices({"weights": WEIGHTS, "pooled": POOLED})
        self._check_frame(mistakes)
        mistakes.rising("tau_min", "tau_max")
        mistakes.numbers("tau_soma")
        _check_memory(self.memory, mistakes)
        if isinstance(self.memory, MemoryConfig) and self.memory.kind == "lif":
            mistakes.add("`memory.kind`='lif' exists for events only; choose 'sa_hippo' or 'hippo'")
        mistakes.part(lambda: surrogate_of(self))
        mistakes.raise_any()

    def _check_frame(self, mistakes: Mistakes) -> None:
        for name, sizes, high in (
            ("frame", self.frame, LARGEST_SIDE),
            ("convolutions", self.convolutions, LARGEST_WIDTH),
            ("pools", self.pools, LARGEST_SIDE),
            ("kernel", self.kernel, LARGEST_KERNEL),
        ):
            if not isinstance(sizes, tuple) or not all(is_integer(size, low=1, high=high) for size in sizes):
                mistakes.add(f"`{name}` must be integers from 1 to {high}; got {shown(sizes)}")
                return
        if len(self.kernel) != 2:
            mistakes.add(f"`kernel` must be two integers, rows and columns; got {shown(self.kernel)}")
        if len(self.pools) not in (1, len(self.convolutions)):
            mistakes.add(f"`pools` must be one number, or one a convolution; got {shown(self.pools)}")
        if bool(self.frame) != bool(self.convolutions):
            mistakes.add("`frame` and `convolutions` need each other; give both or neither")
        if self.frame and len(self.frame) != 3:
            mistakes.add(f"`frame` must be height, width and channels; got {shown(self.frame)}")
        elif self.frame and math.prod(self.frame) != self.d_input:
            mistakes.add(
                f"`frame` must hold d_input={self.d_input} features; got {shown(self.frame)}, {math.prod(self.frame)}"
            )
        elif self.frame and self.weights == "partitioned":
            for channels in (self.frame[-1], *self.convolutions[:-1]):
                if channels % self.num_branches:
                    mistakes.add(
                        f"`num_branches` must divide {channels} channels, which are partitioned; got {self.num_branches}"
                    )

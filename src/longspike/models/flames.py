"""FLAMES: events through dendritic neurons, spatial pooling and a spike-aware memory to logits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from longspike._core.checks import describe
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.events.recording import Recording
from longspike.kernels.spikes import count_spikes
from longspike.kernels.tick import EventPoolState, embed_cells
from longspike.layers.dendritic_conv import DendriticConvState, DendriticRows
from longspike.layers.event_pool import EventPool
from longspike.layers.linear import SpikeLinear
from longspike.layers.sparse import SparseSpikes, from_events
from longspike.layers.ticks import NEVER, Ticks, find_ticks
from longspike.models.classifier import AbstractClassifier, Summary
from longspike.models.event_observation import observe_events
from longspike.models.flames_config import FlamesConfig
from longspike.models.flames_parts import build_blocks, build_fronts, front_grids
from longspike.models.flames_presets import flames_preset
from longspike.models.observation import Classification, LayerActivity, Observation
from longspike.neurons.surrogate import surrogate_of


class FlamesState(NamedTuple):
    """What the network remembers between two calls.

    fronts: of every dendritic convolution, its touched positions; None before the first event.
    last_step: (batch), step of the last tick, -1 before the first. memory: of every block. pool: of the read-out.
    """

    fronts: tuple[DendriticConvState | None, ...]
    last_step: Tensor
    memory: tuple[Tensor, ...]
    pool: EventPoolState


class FlamesOutput(NamedTuple):
    """Logits (batch, num_outputs), the state, the activity of every layer, and what the layers did.

    front: the pooled spikes of every front. ticks: when the memory ticked. spikes: (ticks, d_model) of every block.
    """

    logits: Tensor
    state: FlamesState
    activity: tuple[LayerActivity, ...]
    front: tuple[SparseSpikes, ...]
    ticks: Ticks
    spikes: tuple[Tensor, ...]


class EventBatch(Protocol):
    """Labelled events."""

    @property
    def events(self) -> RaggedEvents: ...


class RawEvents(NamedTuple):
    """Events without labels."""

    events: RaggedEvents


def _check_ragged(events: object) -> None:
    if not isinstance(events, RaggedEvents):
        raise TypeError(
            f"Flames: `events` must be RaggedEvents; got {describe(events)}. Make them with "
            "longspike.events.ragged.collate_events([array, ...])."
        )


class Flames(AbstractClassifier):
    """FLAMES over camera events.

        events -> [dendritic LIF convolution -> spatial max pool] x n -> embedding of active cells
               -> [SA-HiPPO -> spikes -> mix -> residual -> LayerNorm] x m -> event pooling -> linear

    Work is proportional to events, never to the sensor's resolution. Whole recordings, pieces with the state passed on,
    and `longspike.Stream(model).push(events)` in any packets give the same spikes and logits, bit for bit, on the
    compiled backend. A piece must not cut a step in two: cut at multiples of `step_us` (a stream takes care of that).

    Reference: Chakraborty and Mukhopadhyay 2025, FLAMES, arXiv 2504.01257; how we read it: docs/maths/flames.md.

    Example:
        >>> model = Flames.from_preset("tiny", sensor_size=(34, 34), num_classes=10)
        >>> from longspike.events import make_events
        >>> from longspike.events.ragged import collate_events
        >>> events = make_events(x=[3, 3], y=[4, 5], t=[10, 2500], p=[1, 0])
        >>> tuple(model.outputs(collate_events([events, events[:1]])).logits.shape)
        (2, 10)
    """

    def __init__(self, config: FlamesConfig) -> None:
        super().__init__()
        self.config = config
        memory = config.memory
        convolutions, pools = build_fronts(config)
        self.fronts, self.pools = nn.ModuleList(convolutions), nn.ModuleList(pools)
        width, height = front_grids(config)[-1][1]
        self.embedding = nn.Parameter(
            torch.randn(width * height, config.channels, memory.d_model) / config.channels**0.5
        )
        self.blocks = build_blocks(memory)
        self.pool = EventPool(memory.d_model, window=config.window, weighting=config.weighting)
        self.decoder = SpikeLinear(memory.d_model, config.num_outputs)

    @classmethod
    def from_preset(cls, name: str, *, sensor_size: tuple[int, int], num_classes: int, **changes: Any) -> Self:
        """FLAMES "tiny", "small" or "normal" for a sensor; `changes` are fields of `FlamesConfig`."""
        config = flames_preset(name, sensor_size=sensor_size, num_classes=num_classes)
        return cls(replace(config, **changes))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The fronts, then the memory blocks."""
        fronts = (f"front {k + 1}" for k in range(self.config.num_fronts))
        return (*fronts, *(f"memory {k + 1}" for k in range(self.config.memory.num_layers)))

    @property
    def is_causal(self) -> bool:
        """Always."""
        return True

    def summary(self) -> Summary:
        """The network in words."""
        config, memory = self.config, self.config.memory
        width, height = config.sensor_size
        front = f"{config.num_fronts} front(s) of {config.channels} channels, {config.num_branches} branches"
        stack = f"{memory.num_layers} memory blocks ({memory.kind}), d_model {memory.d_model}"
        size = f"{width}x{height} pixels, coordinates divided by {config.downsample}, {config.step_us} us a step"
        return Summary(
            title="FLAMES over events",
            rate="spikes per neuron update, of a front where events touch it, of the memory at every tick",
            rows={"Network": f"{front}; {stack}, d_state {memory.d_state}", "Input": size},
        )

    def init_state(self, batch: int) -> FlamesState:
        """The silent state of `batch` samples."""
        device = self.embedding.device
        return FlamesState(
            (None,) * len(self.fronts),
            torch.full((batch,), NEVER, dtype=torch.int64, device=device),
            tuple(block.init_state(batch) for block in self.blocks),  # type: ignore[operator]
            self.pool.init_state(batch, device=device),
        )

    def encode(self, events: RaggedEvents) -> SparseSpikes:
        """Events as sparse inputs of the first convolution: one item an event, one channel a polarity."""
        _check_ragged(events)
        k = self.config.downsample
        width, height = self.config.sensor_size
        inputs = from_events(events, (width, height), step_us=self.config.step_us, dtype=self.dtype)
        if k == 1:
            return inputs
        grid = (-(-width // k), -(-height // k))
        return inputs._replace(x=inputs.x // k, y=inputs.y // k, grid_size=grid)

    def _front(
        self, inputs: SparseSpikes, states: tuple[DendriticConvState | None, ...], keeps_state: bool
    ) -> tuple[tuple[SparseSpikes, ...], tuple[DendriticConvState | None, ...], list[LayerActivity]]:
        outputs, ends, activity = [], [], []
        for front, pool, state in zip(self.fronts, self.pools, states, strict=True):
            rows = front(inputs, state, keeps_state=keeps_state)
            inputs = pool(rows)
            outputs.append(inputs)
            ends.append(rows.state)
            activity.append(self._activity(rows))
        return tuple(outputs), tuple(ends), activity

    def _activity(self, rows: DendriticRows) -> LayerActivity:
        surrogate = surrogate_of(self.config)
        num_spikes = count_spikes(
            rows.membrane, threshold=rows.threshold, surrogate=surrogate.name, scale=surrogate.value
        )
        return LayerActivity(num_spikes, rows.membrane.numel())

    def outputs(
        self, events: RaggedEvents, state: FlamesState | None = None, *, keeps_state: bool = True
    ) -> FlamesOutput:
        """Logits, state, activity and spikes.

        Args:
            events: of a batch of samples; time does not run backwards within a sample.
            state: from the samples' earlier events; silent by default.
            keeps_state: also return the touched positions' state, which takes memory; False when training on recordings.
        Raises: ValueError if an event lies off the sensor or time runs backwards.
        """
        return self._outputs(events, state, keeps_state)[0]

    def _outputs(
        self, events: RaggedEvents, state: FlamesState | None, keeps_state: bool
    ) -> tuple[FlamesOutput, Tensor]:
        """The outputs, and the last block's (ticks, d_model), which the pool averages."""
        _check_ragged(events)
        state = self.init_state(events.batch) if state is None else state
        front, front_ends, activity = self._front(self.encode(events), state.fronts, keeps_state)
        ticks = find_ticks(front[-1], state.last_step)
        u = embed_cells(front[-1].values[ticks.items], ticks.cell, ticks.tick_offsets, self.embedding)
        spikes, ends, delta = [], [], ticks.delta.to(u.dtype)
        for block, memory in zip(self.blocks, state.memory, strict=True):
            u, fired, end = block(u, delta, ticks.offsets, memory)
            spikes.append(fired)
            ends.append(end)
            activity.append(LayerActivity(fired.sum(), fired.numel()))
        pooled, pool_end = self.pool(u, delta, ticks.offsets, state.pool)
        end_state = FlamesState(front_ends, ticks.last_step, tuple(ends), pool_end)
        return FlamesOutput(self.decoder(pooled), end_state, tuple(activity), front, ticks, tuple(spikes)), u

    def forward(self, events: RaggedEvents, state: FlamesState | None = None) -> tuple[Tensor, FlamesState]:
        """Logits (batch, num_outputs) and the state after the last event; see `outputs`."""
        output = self.outputs(events, state)
        return output.logits, output.state

    def raw_batch(self, samples: Sequence[np.ndarray | Recording]) -> RawEvents:
        """Arrays of events, or recordings of the network's sensor, as a batch.

        Raises: ValueError for a recording of another sensor, events off it, or time that runs backwards.
        """
        arrays = []
        for sample in samples:
            if isinstance(sample, Recording):
                if sample.sensor_size != self.config.sensor_size:
                    raise ValueError(
                        f"predict: the model reads sensor_size={self.config.sensor_size}; got a recording of "
                        f"{sample.sensor_size}. Fit it with longspike.events.transforms.scale_space or crop_centre."
                    )
                sample = sample.events
            arrays.append(sample)
        if not arrays:
            raise ValueError("predict: `raw` must hold at least one sample; got none.")
        events = collate_events(arrays, sensor_size=self.config.sensor_size)
        return RawEvents(RaggedEvents(*(part.to(self.embedding.device) for part in events)))

    def classify(self, batch: EventBatch, state: None = None) -> Classification:
        """Logits and the activity of every layer on labelled events; no state is handed on, see `outputs`."""
        output = self.outputs(batch.events, keeps_state=False)
        return Classification(output.logits, output.activity)

    def observe(self, batch: EventBatch, *, fractions: Sequence[float], state: None = None) -> Observation:
        """The answer to labelled events, with counts and traces; no early answers (`fractions` is not read)."""
        output, features = self._outputs(batch.events, None, False)
        return observe_events(
            batch.events,
            output,
            features,
            config=self.config,
            layer_names=self.layer_names[self.config.num_fronts :],
            pool=self.pool,
            read_out=self.decoder,
        )

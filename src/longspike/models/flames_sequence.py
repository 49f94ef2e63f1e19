"""FLAMES over dense sequences: every step is a tick of the memory."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import check_sequence
from longspike._core.lengths import length_mask, without_padding
from longspike._core.states import as_state
from longspike.layers.linear import SpikeLinear
from longspike.layers.pooling import MeanPool, PoolState, WindowPool, check_lengths
from longspike.models.classifier import Summary
from longspike.models.flames_config import FlamesSequenceConfig
from longspike.models.flames_frames import FrameFront, FramesState
from longspike.models.flames_parts import build_blocks
from longspike.models.observation import Classification, LayerActivity
from longspike.models.sequence_classifier import AbstractSequenceClassifier, SequenceBatch
from longspike.neurons.dendritic import DendriticLIF, DendriticState
from longspike.neurons.surrogate import surrogate_of


class FlamesSequenceState(NamedTuple):
    """What the network remembers between two steps: of the dendritic layer, or of the convolutions; the memory; the pool."""

    dendrites: DendriticState | FramesState
    memory: tuple[Tensor, ...]
    pool: PoolState


class FlamesSequenceOutput(NamedTuple):
    """Logits (batch, num_outputs); the state; the spikes of the front and of every block (batch, seqlen, neurons)."""

    logits: Tensor
    state: FlamesSequenceState | None
    spikes: tuple[Tensor, ...]


class FlamesSequence(AbstractSequenceClassifier):
    """FLAMES in its sequence form.

        x -> front -> [SA-HiPPO -> spikes -> mix -> residual -> LayerNorm] x m -> mean over time, or windows -> linear

    The front is a dendritic LIF layer, or over frames dendritic convolutions.

    Reference: Chakraborty and Mukhopadhyay 2025, FLAMES, arXiv 2504.01257.

    Example:
        >>> model = FlamesSequence(FlamesSequenceConfig(d_input=3, num_branches=4))
        >>> logits, state = model(torch.zeros(2, 5, 3))
        >>> tuple(logits.shape)
        (2, 10)
    """

    pool: MeanPool | WindowPool
    decoder: SpikeLinear

    def __init__(self, config: FlamesSequenceConfig) -> None:
        super().__init__()
        self.config = config
        width = config.memory.d_model
        if config.frame:
            self.front = FrameFront(config)
        else:
            self.dendrites = DendriticLIF(
                config.d_input,
                width,
                num_branches=config.num_branches,
                tau_min=config.tau_min,
                tau_max=config.tau_max,
                tau_soma=config.tau_soma,
                surrogate=surrogate_of(config),
            )
        self.blocks = build_blocks(config.memory)
        is_mean = config.windows == 1
        self.pool = MeanPool(width) if is_mean else WindowPool(width, num_windows=config.windows, size=config.window)
        self.decoder = SpikeLinear(self.pool.num_outputs, config.num_outputs)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The front's layers, then the memory blocks."""
        convolutions = tuple(f"convolution {k + 1}" for k in range(len(self.config.convolutions)))
        return (*(convolutions or ("dendrites",)), *(f"memory {k + 1}" for k in range(self.config.memory.num_layers)))

    @property
    def is_causal(self) -> bool:
        """Always."""
        return True

    def summary(self) -> Summary:
        """The network in words."""
        memory = self.config.memory
        channels = ", ".join(map(str, self.config.convolutions))
        front = f"dendritic convolutions of {channels} channels" if channels else "dendritic layer"
        front += f" with {self.config.num_branches} branches"
        stack = f"{memory.num_layers} memory blocks ({memory.kind}), d_model {memory.d_model}"
        return Summary(
            title="FLAMES over sequences",
            rate="spikes per neuron and step",
            rows={"Network": f"{front}; {stack}, d_state {memory.d_state}"},
        )

    def init_state(self, batch: int) -> FlamesSequenceState:
        """The silent state of `batch` samples."""
        memory = tuple(block.init_state(batch) for block in self.blocks)  # type: ignore[operator]
        front = self.front.init_state(batch) if self.config.frame else self.dendrites.init_state(batch)
        return FlamesSequenceState(front, memory, self.pool.init_state(batch, like=self.decoder.weight))

    def outputs(
        self, x: Tensor, state: FlamesSequenceState | None = None, lengths: Tensor | None = None
    ) -> FlamesSequenceOutput:
        """Logits, state and spikes.

        Args:
            x: (batch, seqlen, d_input). state: before the first step, silent by default.
            lengths: valid steps of a right-padded batch; the samples then end at different steps and no state comes back.
        """
        state = None if state is None else as_state("FlamesSequence", FlamesSequenceState, state)
        features, end, spikes = self.features(x, state, lengths)
        pool = None if state is None else state.pool
        pooled, pool_end = self.pool(features, pool, lengths)
        end_state = self.state_of(end, pool_end) if lengths is None else None
        return FlamesSequenceOutput(self.decoder(pooled), end_state, spikes)

    def features(
        self, x: Tensor, state: FlamesSequenceState | None, lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Any, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        """The last block's output (batch, seqlen, d_model), the layers' states and their spikes."""
        check_sequence("FlamesSequence", "x", x, channels=self.config.d_input)
        if lengths is not None:
            check_lengths("FlamesSequence", lengths, x)
        x = without_padding(x, lengths)
        batch, seqlen = x.shape[:2]
        state = self.init_state(batch) if state is None else state
        h, front, fired = self._fronted(x, state.dendrites, lengths)
        spikes, ends = [*fired], []
        offsets = torch.arange(batch + 1, device=x.device) * seqlen
        delta = torch.ones(batch * seqlen, dtype=h.dtype, device=x.device)
        u = h.flatten(0, 1)
        for block, memory in zip(self.blocks, state.memory, strict=True):
            u, fired, end = block(u, delta, offsets, memory)
            spikes.append(fired.unflatten(0, (batch, seqlen)))
            ends.append(end)
        return u.unflatten(0, (batch, seqlen)), (front, tuple(ends)), tuple(spikes)

    def _fronted(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any, tuple[Tensor, ...]]:
        """What goes into the memory, the front's state, and its spikes."""
        if self.config.frame:
            return self.front(x, state, lengths)  # type: ignore[no-any-return]
        spikes, end = self.dendrites(x, state)
        return spikes, end, (spikes,)

    def state_of(self, ends: tuple[Any, tuple[Tensor, ...]], pool: PoolState) -> FlamesSequenceState:
        """The network's state out of those of its parts."""
        return FlamesSequenceState(*ends, pool)

    def forward(
        self, x: Tensor, state: FlamesSequenceState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, FlamesSequenceState | None]:
        """Logits and the state after the last step; see `outputs`."""
        logits, end, _ = self.outputs(x, state, lengths)
        return logits, end

    def classify(self, batch: SequenceBatch, state: FlamesSequenceState | None = None) -> Classification:
        """Logits and activity on padded sequences."""
        seqlen, num_steps = batch.x.shape[1], int(batch.lengths.sum())
        lengths = None if num_steps == seqlen * batch.x.shape[0] else batch.lengths
        logits, end, spikes = self.outputs(batch.x, state, lengths)
        valid = None if lengths is None else length_mask(lengths, seqlen)[..., None]
        return Classification(
            logits,
            tuple(LayerActivity((s if valid is None else s * valid).sum(), num_steps * s.shape[2]) for s in spikes),
            end,
        )

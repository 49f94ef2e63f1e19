"""What networks of spiking blocks have in common: an encoder, the blocks, a norm behind them, a read-out, one state."""

from abc import abstractmethod
from dataclasses import asdict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_sequence, describe
from longspike._core.dtypes import in_dtype
from longspike._core.lengths import without_padding
from longspike._core.states import as_state
from longspike.layers.block import BlockState, SpikingBlock
from longspike.layers.norm import normalised
from longspike.layers.pooling import PoolState, check_lengths
from longspike.layers.twin_blocks import TWINS
from longspike.models.classifier import Summary
from longspike.models.config import SpikeSSMConfig
from longspike.models.observation import Classification, LayerActivity
from longspike.models.sequence_classifier import AbstractSequenceClassifier, SequenceBatch
from longspike.tasks.definition import AbstractTask
from longspike.tasks.table import task


class SpikeSSMState(NamedTuple):
    """What the network remembers between two steps."""

    blocks: tuple[BlockState, ...]
    pool: PoolState | None


class SpikeSSMOutput(NamedTuple):
    """Logits (batch, num_outputs), or per step without pooling; the state; every block's spikes."""

    logits: Tensor
    state: SpikeSSMState | None
    spikes: tuple[Tensor, ...]


def build_blocks(config: SpikeSSMConfig) -> nn.ModuleList:
    """The blocks that a configuration describes."""
    if config.block in TWINS:
        options = {"dropout": config.dropout, "norm": config.norm, "norm_kind": config.norm_kind}
        return nn.ModuleList(TWINS[config.block](config.d_model, **options) for _ in range(config.num_layers))  # type: ignore[arg-type]
    return nn.ModuleList(
        SpikingBlock(
            config.d_model,
            d_state=config.d_state,
            neuron=config.neuron,
            dropout=config.dropout,
            norm=config.norm,
            norm_kind=config.norm_kind,
            init=config.init,
            dt_min=config.dt_min,
            dt_max=config.dt_max,
            discretisation=config.discretisation,
            n_ssm=config.n_ssm,
            trains_b=config.trains_b,
            mix_gain=config.mix_gain,
            is_bidirectional=config.is_bidirectional,
        )
        for _ in range(config.num_layers)
    )


class AbstractSpikingStack(AbstractSequenceClassifier):
    """A stack of spiking state-space blocks between an encoder and a read-out.

    A subclass makes the parts in `__init__`, in the order in which its weights are drawn; `stack` describes them.
    """

    encoder: nn.Module
    blocks: nn.ModuleList
    final_norm: nn.Module | None

    @property
    @abstractmethod
    def stack(self) -> SpikeSSMConfig:
        """The network as a SpikeSSM: its blocks exactly, its ends as far as one has such."""

    @property
    def task(self) -> AbstractTask:
        """As the configuration says, of numbers in the unit that `input_spec` says."""
        return task(self.stack.task).meant(self.meaning)

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The blocks; none with a dense neuron, or of a twin."""
        config = self.stack
        return tuple(f"block {k + 1}" for k in range(config.num_layers if config.is_spiking else 0))

    @property
    def is_causal(self) -> bool:
        """Unless it reads in both directions."""
        return not self.stack.is_bidirectional

    @property
    def reads_tokens(self) -> bool:
        """With the encoder "embedding"."""
        return self.stack.encoder == "embedding"

    def summary(self) -> Summary:
        """The network in words."""
        config = self.stack
        shape = f"{config.num_layers} blocks, d_model {config.d_model}"
        if config.block in TWINS:
            rows = {"Network": f"{shape}, causal, {config.norm} {config.norm_kind} norm", "Block": config.block}
            return Summary(title=f"A twin of {self._name}: {config.block}", rate="it does not spike", rows=rows)
        shape = f"{shape}, d_state {config.d_state}"
        direction = "causal" if self.is_causal else "bidirectional"
        neuron = ", ".join(f"{name} {value}" for name, value in asdict(config.neuron).items() if value is not None)
        return Summary(
            title=f"{self._name} with {config.neuron.kind} neurons",
            rate="spikes per neuron and step",
            rows={
                "Network": f"{shape}, {direction}, {config.norm} {'batch ' if config.norm_kind == 'batch' else ''}norm",
                "Neuron": neuron,
            },
        )

    def init_state(self, batch: int) -> SpikeSSMState:
        """The silent state of `batch` samples."""
        blocks = tuple(block.init_state(batch) for block in self.blocks)  # type: ignore[operator]
        pool = None if self.pool is None else self.pool.init_state(batch, like=next(self.parameters()))
        return SpikeSSMState(blocks, pool)

    def _check_input(self, x: Tensor) -> None:
        if self.stack.encoder == "linear":
            check_sequence(self._name, "x", x, channels=self.stack.d_input)
        elif not isinstance(x, Tensor) or x.dim() != 2 or x.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"{self._name}: `x` must hold integer tokens of shape (batch, seqlen); got {describe(x)}.")

    def _checked(self, state: SpikeSSMState | None) -> SpikeSSMState | None:
        if state is None:
            return None
        state = as_state(self._name, SpikeSSMState, state)
        if not isinstance(state.blocks, tuple | list) or len(state.blocks) != len(self.blocks):
            raise ValueError(
                f"{self._name}: `state.blocks` must hold {len(self.blocks)} states, one a block; got "
                f"{describe(state.blocks)}. Start from init_state()."
            )
        return state

    def _encode(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        self._check_input(x)
        if lengths is not None:
            check_lengths(self._name, lengths, x)
        x = without_padding(x, lengths)
        if self.reads_tokens:
            check_bounds(
                self._name, "x", x, low=0, high=self.stack.d_input - 1, remedy="A token is a row of the encoder."
            )
        return self.encoder(x)

    def _pooled(
        self, h: Tensor, ends: list[BlockState], state: SpikeSSMState | None, lengths: Tensor | None
    ) -> tuple[Tensor, SpikeSSMState | None]:
        """What the decoder reads, and the network's state."""
        pooled: PoolState | None = None
        if self.pool is not None:
            h, pooled = self.pool(h, None if state is None else state.pool, lengths)
        return in_dtype(h, self.dtype), (self.state_of(ends, pooled) if lengths is None else None)

    def outputs(self, x: Tensor, state: SpikeSSMState | None = None, lengths: Tensor | None = None) -> SpikeSSMOutput:
        """Logits, state and the spikes of every block; `forward` is faster, because it keeps no spikes.

        Args:
            x: (batch, seqlen, d_input), or integer tokens (batch, seqlen).
            state: the state before the first step, silent by default.
            lengths: valid steps per sample of a right-padded batch; padding changes nothing. The samples then end at
                different steps, so no state comes back.
        """
        h, ends, spikes = self.features(x, state, lengths)
        h, end_state = self._pooled(h, ends, state, lengths)
        return SpikeSSMOutput(self.decoder(h), end_state, spikes)

    def features(
        self, x: Tensor, state: SpikeSSMState | None, lengths: Tensor | None
    ) -> tuple[Tensor, list[BlockState], tuple[Tensor, ...]]:
        """What is read out, (batch, seqlen, d_read_out); the blocks' states and their spikes."""
        h, ends, spikes, state = self._encode(x, lengths), [], [], self._checked(state)
        for k, block in enumerate(self.blocks):
            h, block_spikes, end = block.outputs(h, None if state is None else state.blocks[k], lengths)  # type: ignore[operator]
            ends.append(end)
            spikes.append(block_spikes)
        return self._seen(h, x, lengths), ends, tuple(spikes)

    def state_of(self, ends: list[BlockState], pool: PoolState | None) -> SpikeSSMState:
        """The network's state out of those of its parts."""
        return SpikeSSMState(tuple(ends), pool)

    def _seen(self, h: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:
        """What the read-out sees of the last block's output h and of the input x: h normalised, or [h normalised, x]."""
        h = h if self.final_norm is None else normalised(self.final_norm, h, lengths)
        return torch.cat([h, without_padding(x, lengths).to(h.dtype)], dim=-1) if self.stack.has_input_skip else h

    def _count(
        self, x: Tensor, state: SpikeSSMState | None, lengths: Tensor | None
    ) -> tuple[Tensor, SpikeSSMState | None, tuple[Tensor, ...]]:
        """What the decoder reads, state, and every block's spikes of valid steps (batch, d_model); the bits of `outputs`."""
        h, ends, counts, state = self._encode(x, lengths), [], [], self._checked(state)
        for k, block in enumerate(self.blocks):
            h, count, end = block.activity(h, None if state is None else state.blocks[k], lengths)  # type: ignore[operator]
            ends.append(end)
            counts.append(count)
        return *self._pooled(self._seen(h, x, lengths), ends, state, lengths), tuple(counts)

    def forward(
        self, x: Tensor, state: SpikeSSMState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, SpikeSSMState | None]:
        """Logits and the state after the last step; see `outputs`."""
        h, end, _ = self._count(x, state, lengths)
        return self.decoder(h), end

    def classify(self, batch: SequenceBatch, state: SpikeSSMState | None = None) -> Classification:
        """Logits and activity on padded sequences; lengths are used only if a sample is padded, which is faster."""
        num_steps = int(batch.lengths.sum())
        lengths = None if num_steps == batch.x.shape[0] * batch.x.shape[1] else batch.lengths
        h, end, counts = self._count(batch.x, state, lengths)
        activity = tuple(
            LayerActivity(count.sum(), num_steps * count.shape[1]) for count in (counts if self.is_spiking else ())
        )
        return Classification(self.answered(h), activity, end)

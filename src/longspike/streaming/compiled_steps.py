"""Steps through a whole `SpikeSSM` in one compiled call: what makes a single step cost microseconds."""

from typing import Any

import torch
from torch import Tensor, nn

from longspike._core.states import flatten_state, map_state
from longspike.kernels import native
from longspike.kernels._spiking.modes import RESETS
from longspike.kernels.layer_norm import EPS
from longspike.layers.batch_norm import BatchNorm
from longspike.layers.block import BlockState, SpikingBlock
from longspike.layers.linear import SpikeLinear
from longspike.layers.norm import RowNorm
from longspike.layers.pooling import PoolState
from longspike.layers.token_scores import TiedHead
from longspike.layers.watched import are_watched
from longspike.models.spiking_stack import AbstractSpikingStack, SpikeSSMState
from longspike.neurons.refractory import RefractoryLIF
from longspike.streaming.remembered import Remembered

READ_OUTS = (nn.Linear, TiedHead, nn.Identity)
"""Of networks that are compiled; a tower of a pair has none of its own."""
NORMS: tuple[set[type], ...] = (set(), {RowNorm}, {BatchNorm})
"""The kinds of norms in a network that is compiled."""


def _can_run(model: AbstractSpikingStack) -> bool:
    """Whether every block is a plain one, nothing goes past them, all norms are of one kind, and every number lies on the
    CPU in one dtype.
    """
    if model.stack.has_input_skip:
        return False
    for block in model.blocks:
        if not isinstance(block, SpikingBlock) or not block.is_plain():
            return False
        if not block.neuron.method == block.ssm.method == "auto":
            return False
    if type(model.encoder) not in (nn.Embedding, SpikeLinear) or not isinstance(model.decoder, READ_OUTS):
        return False
    if {type(norm) for norm in _norms(model)} not in NORMS:
        return False
    if are_watched([model.encoder, model.decoder] + [model.final_norm] * (model.final_norm is not None)):  # type: ignore[list-item]
        return False
    numbers = [*model.parameters(), *model.buffers()]
    return all(native.supports(x) and x.dtype == model.dtype for x in numbers)


class CompiledSteps:
    """The compiled stack, which holds the weights and everything that a stream remembers.

    Every call moves or copies all of it at once: what ends a push between two calls, or comes between them from a signal
    handler or another thread, finds a stream that is whole.
    """

    def __init__(self, model: AbstractSpikingStack, remembered: Remembered) -> None:
        self._model, self._dtype = model, model.dtype
        batch, d_model = remembered.last.shape
        self._size = (len(model.blocks), batch, d_model)
        self._stack = self._make_stack(remembered)
        self.load(remembered)

    @classmethod
    def of(cls, model: AbstractSpikingStack, remembered: Remembered) -> "CompiledSteps | None":
        """The compiled way, or None if this model has none."""
        return cls(model, remembered) if _can_run(model) else None

    def _make_stack(self, remembered: Remembered) -> Any:
        config, pool, kept = self._model.stack, self._pool(), []

        def address(x: Tensor | None) -> int:
            kept.append(None if x is None else x.detach().to(self._dtype).contiguous())
            return 0 if kept[-1] is None else kept[-1].data_ptr()  # type: ignore[union-attr]

        with torch.no_grad():
            encoder: nn.Module = self._model.encoder
            is_embedding = config.encoder == "embedding"
            weight = encoder.weight if is_embedding else encoder.weight.t()  # type: ignore[operator]
            ends = [address(weight), address(None if is_embedding else encoder.bias)]  # type: ignore[arg-type]
            parameters = [
                (*_parameters(block), *norm)  # type: ignore[arg-type]
                for block, norm in zip(self._model.blocks, _norms_behind(self._model), strict=True)
            ]
            blocks = [
                [address(x) for x in own] + [x.data_ptr() for x in flatten_state(state).values()]
                for own, state in zip(parameters, remembered.state.blocks, strict=True)
            ]
            resets = [RESETS[b.neuron.reset] for b in self._model.blocks]  # type: ignore[union-attr,index]
            return native.kernel("make_sequence_stream", self._dtype)(
                is_embedding,
                any(isinstance(norm, BatchNorm) for norm in _norms(self._model)),
                ends,
                blocks,
                resets,
                native.addresses(pool),
                self._size[1],
                config.d_input,
                config.d_model,
                config.d_state // 2,
                EPS,
            )

    @property
    def num_steps(self) -> int:
        """Steps so far."""
        return self._stack.num_steps

    def push(self, x: Tensor, *, has_batch: bool) -> tuple[Tensor, ...] | None:
        """Spikes of every block ([batch,] steps, d_model); None, and nothing has changed, if x holds no valid input."""
        x, seqlen = x.detach().cpu().contiguous(), x.shape[1]
        spikes = torch.empty((self._size[0], self._size[1], seqlen, self._size[2]), dtype=self._dtype)
        if not self._stack.push(x.data_ptr(), seqlen, spikes.data_ptr(), native.threads(spikes.numel())):
            return None
        return (spikes if has_batch else spikes[:, 0]).unbind()

    def _pool(self) -> tuple[Tensor, Tensor, Tensor]:
        """Room for the last step, for the sums, and for the steps in them and then in all."""
        _, batch, d_model = self._size
        last = torch.zeros(batch, d_model, dtype=self._dtype)
        return last, torch.zeros_like(last, dtype=torch.float64), torch.zeros(batch + 1, dtype=torch.long)

    @property
    def remembered(self) -> Remembered:
        """A copy of it."""
        blocks = self._model.init_state(self._size[1]).blocks
        last, total, counts = pool = self._pool()
        self._stack.store_to(_addresses(blocks), native.addresses(pool))
        state = SpikeSSMState(blocks, None if self._model.pool is None else PoolState(total, counts[:-1]))
        return Remembered(state, last, int(counts[-1]))

    def load(self, remembered: Remembered) -> None:
        """Go on from there; nothing has changed until the last line."""
        (blocks, pool), last, num_steps = remembered
        blocks = map_state(lambda x: x.detach().to(self._dtype).contiguous(), blocks)
        _, total, counts = self._pool()
        last = last.contiguous()
        counts.fill_(num_steps)
        if pool is not None:
            total.copy_(pool.total.detach())
            counts[:-1] = pool.steps
        self._stack.load_from(_addresses(blocks), native.addresses((last, total, counts)))

    def restart_mean(self) -> None:
        """Forget the sums."""
        self._stack.restart_mean()

    def logits(self) -> Tensor | None:
        """Of the mean over the steps so far, or of the last step in a model without pooling; None if there was none."""
        last, total, counts = pool = self._pool()
        self._stack.store_to([], native.addresses(pool))
        steps, has_pool = counts[:-1], self._model.pool is not None
        is_known = bool((steps > 0).all()) if has_pool else bool(last.isfinite().all())
        if not is_known:
            return None
        mean = (total / steps[:, None]).to(self._dtype) if has_pool else last
        return self._model.decoder(mean)


def _addresses(blocks: tuple[BlockState, ...]) -> list[list[int]]:
    return [native.addresses(list(flatten_state(block).values())) for block in blocks]


def _norms(model: AbstractSpikingStack) -> list[nn.Module]:
    """Every norm of the network."""
    own = [block.norm for block in model.blocks if block.norm_position != "none"]
    return own if model.final_norm is None else [*own, model.final_norm]  # type: ignore[list-item,return-value]


def _pair(norm: nn.Module | None) -> tuple[Tensor | None, Tensor | None]:
    """Weight and bias; of a batch norm a factor and a summand with its statistics in them."""
    if isinstance(norm, BatchNorm):
        return norm.affine(norm.weight.dtype)
    return (norm.weight, norm.bias) if isinstance(norm, RowNorm) else (None, None)


def _norms_behind(model: AbstractSpikingStack) -> list[tuple[Tensor | None, Tensor | None]]:
    """The pair of the norm behind each block: its own, or behind the last one that of the network."""
    own = [_pair(block.norm if block.norm_position == "post" else None) for block in model.blocks]  # type: ignore[arg-type]
    return own if model.final_norm is None else [*own[:-1], _pair(model.final_norm)]


def _parameters(block: SpikingBlock) -> tuple[Tensor | None, ...]:
    """In the order of csrc/streams/sequence_stream_call.hpp: norm, scan, neuron, mixing by input."""
    first = _pair(block.norm if block.norm_position == "pre" else None)
    neuron: RefractoryLIF = block.neuron  # type: ignore[assignment]
    dtype = block.mix.weight.dtype
    return (*first, *block.ssm.discrete(dtype), *neuron.dynamics(), block.mix.weight.t(), block.mix.bias)

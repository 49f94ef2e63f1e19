"""Steps through a whole `SpikeSSM` in one compiled call: what makes a single step cost microseconds."""

from typing import Any

import torch
from torch import Tensor, nn

from longspike._core.states import flatten_state, map_state
from longspike.kernels import native
from longspike.kernels._spiking.modes import RESETS
from longspike.kernels.layer_norm import EPS
from longspike.layers.block import SpikingBlock
from longspike.layers.norm import RowNorm
from longspike.layers.pooling import PoolState
from longspike.models.spike_ssm import SpikeSSM, SpikeSSMState
from longspike.neurons.refractory import RefractoryLIF


def _can_run(model: SpikeSSM) -> bool:
    """Whether every block is a plain one and every number lies on the CPU in one dtype."""
    for block in model.blocks:
        if not isinstance(block, SpikingBlock) or type(block.neuron) is not RefractoryLIF:
            return False
        if not block.neuron.method == block.ssm.method == "auto":
            return False
    numbers = [*model.parameters(), *model.buffers()]
    return all(native.supports(x) and x.dtype == model.dtype for x in numbers)


class CompiledSteps:
    """The state of a stream and the compiled stack that moves it; the weights are copied as they are now."""

    def __init__(self, model: SpikeSSM, state: SpikeSSMState) -> None:
        self._model, self._dtype = model, model.dtype
        batch = len(state.blocks[0].ssm)
        self._size = (len(model.blocks), batch, model.config.d_model)
        self._last = torch.zeros(batch, model.config.d_model, dtype=self._dtype)
        self._total, self._steps = torch.zeros_like(self._last), torch.zeros(batch, dtype=torch.long)
        self._decoder = (model.decoder.weight.detach().clone(), model.decoder.bias.detach().clone())
        self._has_last = False
        self._blocks = map_state(torch.clone, state.blocks)
        self._stack = self._make_stack()
        self.state = state

    @classmethod
    def of(cls, model: SpikeSSM, state: SpikeSSMState) -> "CompiledSteps | None":
        """The compiled way, or None if this model has none."""
        return cls(model, state) if _can_run(model) else None

    def _make_stack(self) -> Any:
        config, kept = self._model.config, []

        def address(x: Tensor | None) -> int:
            kept.append(None if x is None else x.detach().to(self._dtype).contiguous())
            return 0 if kept[-1] is None else kept[-1].data_ptr()  # type: ignore[union-attr]

        with torch.no_grad():
            encoder: nn.Module = self._model.encoder
            is_embedding = config.encoder == "embedding"
            weight = encoder.weight if is_embedding else encoder.weight.t()  # type: ignore[operator]
            ends = [address(weight), address(None if is_embedding else encoder.bias)]  # type: ignore[arg-type]
            blocks = [
                [address(x) for x in _parameters(block)] + [x.data_ptr() for x in flatten_state(state).values()]  # type: ignore[arg-type]
                for block, state in zip(self._model.blocks, self._blocks, strict=True)
            ]
            resets = [RESETS[b.neuron.reset] for b in self._model.blocks]  # type: ignore[union-attr,index]
            return native.kernel("make_sequence_stream", self._dtype)(
                is_embedding,
                ends,
                blocks,
                resets,
                [self._total.data_ptr(), self._last.data_ptr()],
                self._size[1],
                config.d_input,
                config.d_model,
                config.d_state // 2,
                EPS,
            )

    def push(self, x: Tensor, *, has_batch: bool) -> tuple[Tensor, ...] | None:
        """Spikes of every block ([batch,] steps, d_model); None, and nothing has changed, if x holds no valid input."""
        x, seqlen = x.detach().cpu().contiguous(), x.shape[1]
        spikes = torch.empty((self._size[0], self._size[1], seqlen, self._size[2]), dtype=self._dtype)
        if not self._stack.push(x.data_ptr(), seqlen, spikes.data_ptr(), native.threads(spikes.numel())):
            return None
        self._steps += seqlen
        self._has_last = self._has_last or seqlen > 0
        return (spikes if has_batch else spikes[:, 0]).unbind()

    @property
    def state(self) -> SpikeSSMState:
        """A copy of the state."""
        self._stack.store()
        pool = None if self._model.pool is None else PoolState(self._total, self._steps)
        return map_state(torch.clone, SpikeSSMState(self._blocks, pool))

    @state.setter
    def state(self, state: SpikeSSMState) -> None:
        given = flatten_state(state.blocks)
        for name, held in flatten_state(self._blocks).items():
            held.copy_(given[name].detach())
        self._total.zero_()
        self._steps.zero_()
        self._has_last = False
        if state.pool is not None:
            self._total.copy_(state.pool.total.detach())
            self._steps.copy_(state.pool.steps)
        self._stack.load()

    def logits(self) -> Tensor | None:
        """Of the mean over the steps so far, or of the last step in a model without pooling; None if there was none."""
        self._stack.store()
        if self._model.pool is None:
            return torch.nn.functional.linear(self._last, *self._decoder) if self._has_last else None
        if not bool((self._steps > 0).all()):
            return None
        return torch.nn.functional.linear(self._total / self._steps[:, None].to(self._dtype), *self._decoder)


def _parameters(block: SpikingBlock) -> tuple[Tensor | None, ...]:
    """In the order of csrc/streams/sequence_stream_call.hpp: norm, scan, neuron, mixing by input; then the norm behind."""
    norm = block.norm if isinstance(block.norm, RowNorm) else None
    pair = (None, None) if norm is None else (norm.weight, norm.bias)
    first, last = (pair, (None, None)) if block.norm_position == "pre" else ((None, None), pair)
    neuron: RefractoryLIF = block.neuron  # type: ignore[assignment]
    dtype = block.mix.weight.dtype
    return (*first, *block.ssm.discrete(dtype), *neuron.dynamics(), block.mix.weight.t(), block.mix.bias, *last)

"""Steps through a `SpikeSSM` by calling it: every neuron and device."""

import torch
from torch import Tensor

from longspike.layers.pooling import PoolState
from longspike.models.spiking_stack import AbstractSpikingStack, SpikeSSMState
from longspike.streaming.remembered import Remembered

PIECE = 4096
"""Steps at a time: what an interrupted push leaves behind is a whole number of pieces."""


class ModelSteps:
    """What a stream remembers, and the frozen network that moves it."""

    def __init__(self, model: AbstractSpikingStack, remembered: Remembered) -> None:
        self._model = model
        self.remembered = remembered
        """Replaced as a whole, never written to."""

    @property
    def num_steps(self) -> int:
        """Steps so far."""
        return self.remembered.num_steps

    def load(self, remembered: Remembered) -> None:
        """Go on from there."""
        self.remembered = remembered

    def restart_mean(self) -> None:
        """Forget the sums."""
        state, last, num_steps = self.remembered
        if state.pool is not None:
            pool = PoolState(torch.zeros_like(state.pool.total), torch.zeros_like(state.pool.steps))
            self.remembered = Remembered(state._replace(pool=pool), last, num_steps)

    def push(self, x: Tensor, *, has_batch: bool) -> tuple[Tensor, ...] | None:
        """Spikes of every block ([batch,] steps, d_model); None, and nothing has changed, if x holds no valid input."""
        is_valid = x.isfinite() if x.is_floating_point() else (x >= 0) & (x < self._model.stack.d_input)
        if not bool(is_valid.all()):
            return None
        pieces = [self._push_piece(piece) for piece in x.split(PIECE, dim=1)]
        whole = pieces[0] if len(pieces) == 1 else tuple(torch.cat(part, dim=1) for part in zip(*pieces, strict=True))
        return whole if has_batch else tuple(s[0] for s in whole)

    def _push_piece(self, x: Tensor) -> tuple[Tensor, ...]:
        before = self.remembered
        with torch.no_grad():
            h, ends, spikes = self._model.features(x, before.state, None)
            pool = None if before.state.pool is None else _with_steps(before.state.pool, h)
            last = h[:, -1].to(before.last, copy=True) if x.shape[1] else before.last
        self.remembered = Remembered(SpikeSSMState(tuple(ends), pool), last, before.num_steps + x.shape[1])
        return spikes

    def logits(self) -> Tensor | None:
        """Of the mean over the steps so far, or of the last step in a model without pooling; None if there was none."""
        state, last, _ = self.remembered
        with torch.no_grad():
            if state.pool is None:
                return self._model.decoder(last) if bool(last.isfinite().all()) else None
            total, steps = state.pool
            mean = (total / steps[:, None]).to(last.dtype)
            return self._model.decoder(mean) if bool((steps > 0).all()) else None


def _with_steps(pool: PoolState, x: Tensor) -> PoolState:
    """The sums with the steps of x (batch, seqlen, channels), one after the other: on a CPU the same bits for any cut."""
    total = torch.cat([pool.total[:, None], x.to(pool.total.dtype)], dim=1).cumsum(dim=1)[:, -1]
    return PoolState(total, pool.steps + x.shape[1])

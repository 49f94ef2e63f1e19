"""Steps through a `SpikeSSM` by calling it: every neuron and device."""

import torch
from torch import Tensor

from longspike.models.spike_ssm import SpikeSSM, SpikeSSMState


class ModelSteps:
    """The state of a stream, and the model that moves it."""

    def __init__(self, model: SpikeSSM, state: SpikeSSMState) -> None:
        self._model, self._state = model, state
        self._last: Tensor | None = None

    def push(self, x: Tensor, *, has_batch: bool) -> tuple[Tensor, ...] | None:
        """Spikes of every block ([batch,] steps, d_model); None, and nothing has changed, if x holds no valid input."""
        is_valid = x.isfinite() if x.is_floating_point() else (x >= 0) & (x < self._model.config.d_input)
        if not bool(is_valid.all()):
            return None
        was_training = self._model.training
        self._model.eval()
        try:
            with torch.no_grad():
                logits, state, spikes = self._model.outputs(x, self._state)
        finally:
            self._model.train(was_training)
        if state is None:
            raise RuntimeError("Stream.push: the model returned no state.")
        self._state = state
        if x.shape[1] and self._model.pool is None:
            self._last = logits[:, -1]
        return spikes if has_batch else tuple(s[0] for s in spikes)

    @property
    def state(self) -> SpikeSSMState:
        """The state; do not write to it."""
        return self._state

    @state.setter
    def state(self, state: SpikeSSMState) -> None:
        self._state, self._last = state, None

    def logits(self) -> Tensor | None:
        """Of the mean over the steps so far, or of the last step in a model without pooling; None if there was none."""
        if self._state.pool is None:
            return self._last
        total, steps = self._state.pool
        return self._model.decoder(total / steps[:, None].to(total.dtype)) if bool((steps > 0).all()) else None

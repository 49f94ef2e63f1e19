"""A model fed step by step or in chunks of any size, with the spikes it has on whole sequences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from longspike._core.checks import check_positive_int, check_sequence, describe
from longspike._core.files import replace_file
from longspike._core.states import map_state
from longspike.errors import CheckpointError
from longspike.models.spiking_stack import AbstractSpikingStack, SpikeSSMState
from longspike.streaming.compiled_steps import CompiledSteps
from longspike.streaming.fingerprint import fingerprint
from longspike.streaming.model_steps import ModelSteps
from longspike.streaming.remembered import (
    Remembered,
    as_tensors,
    check_state,
    from_file,
    from_tensors,
    frozen_copy,
    nothing_yet,
    to_file,
)
from longspike.streaming.step_source import as_steps
from longspike.streaming.stream import Stream, answered, read_saved


class SequenceStream(Stream):
    """Feeds a `SpikeSSM` as its input arrives, and answers at any moment; `longspike.Stream(model)` makes one.

    Memory does not grow with the number of steps. However the input is cut into pushes, the spikes are those of the
    whole sequence, bit for bit, on the compiled backend.

    Args:
        model: a causal `SpikeSSM`; a copy of it as it is now runs in evaluation mode. Refractory neurons on a CPU run
            through the compiled stack.
        batch: streams side by side.

    Raises:
        ValueError: a bidirectional model (it needs the future), a twin without spikes, or the Bernoulli neuron (it draws at
            random).

    Example:
        >>> from longspike.models import SpikeSSM
        >>> stream = SequenceStream(SpikeSSM.from_preset("digits"))
        >>> spikes = stream.push(torch.zeros(3, 1))
        >>> stream.num_steps, tuple(stream.logits().shape)
        (3, (10,))
    """

    def __init__(self, model: AbstractSpikingStack, *, batch: int = 1) -> None:
        if not isinstance(model, AbstractSpikingStack):
            raise TypeError(
                f"Stream: `model` must be a SpikeSSM or Flames; got {describe(model)}. Use longspike.load(path)."
            )
        if model.stack.block != "spiking":
            raise ValueError(
                f"Stream: the model's blocks are {model.stack.block!r}, a twin to compare with; only spiking ones are "
                "streamed. Call the model on chunks, with the state passed on."
            )
        if model.stack.is_bidirectional:
            raise ValueError("Stream: the model is bidirectional and needs the whole sequence. Train a causal one.")
        if model.stack.neuron.kind == "bernoulli":
            raise ValueError("Stream: the Bernoulli neuron draws at random, so a stream cannot repeat a batch.")
        check_positive_int("Stream", "batch", batch)
        with torch.inference_mode(False), torch.no_grad():
            self._set_up(frozen_copy(model), batch)

    def _set_up(self, model: AbstractSpikingStack, batch: int) -> None:
        self._model, self._batch, self._dtype = model, batch, model.dtype
        self._is_linear, self._d_input = model.stack.encoder == "linear", model.stack.d_input
        fresh = nothing_yet(model, batch)
        self._steps: CompiledSteps | ModelSteps = CompiledSteps.of(model, fresh) or ModelSteps(model, fresh)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A second stream that goes on from the same place; both use the same frozen network."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        with torch.inference_mode(False), torch.no_grad():
            twin._set_up(self._model, self._batch)
            twin._steps.load(self._steps.remembered)
        return twin

    @property
    def num_steps(self) -> int:
        """Steps consumed since the start or the last reset."""
        return self._steps.num_steps

    @property
    def state(self) -> SpikeSSMState:
        """A copy of what the network remembers; assign it to go back to that moment.

        Raises: ValueError for a state of another model, or with NaN, numbers beyond 1e18 or negative counts in it.
        """
        return map_state(lambda x: x.detach().clone(), self._steps.remembered.state)

    @state.setter
    def state(self, state: SpikeSSMState) -> None:
        self._steps.load(self._as_remembered(state))

    def _as_remembered(self, state: SpikeSSMState) -> Remembered:
        fresh = nothing_yet(self._model, self._batch)
        try:
            check_state(fresh.state, state)
        except ValueError as error:
            raise ValueError(f"Stream: {error}. Assign a state from Stream.state.") from None
        num_steps = self.num_steps if state.pool is None else int(state.pool.steps[0])
        copied = map_state(lambda x: x.detach().to(fresh.last.device, copy=True), state)
        return Remembered(copied, fresh.last, num_steps)

    def reset(self) -> None:
        """Forget everything."""
        self._steps.load(nothing_yet(self._model, self._batch))

    def restart_mean(self) -> None:
        """Let the read-out average from here on: a new decision about what comes; the neurons and `num_steps` go on.

        Without effect in a model without pooling, whose logits are of the last step.
        """
        self._steps.restart_mean()

    def push(self, x: Tensor | np.ndarray | Sequence[Any]) -> tuple[Tensor, ...]:
        """Feed any number of steps, none included.

        Args: x (steps, d_input), or tokens (steps); with several streams (batch, steps, d_input) or (batch, steps). A
            tensor, a NumPy array or a list of steps; (steps) where a step is one number. Real numbers of any dtype are
            rounded to that of the model.
        Returns: the spikes of every block in these steps, (steps, d_model) each, or with the batch axis in front.
        Raises: ValueError or TypeError on a wrong shape or dtype, a value that is not finite or a token outside of the
            vocabulary; the stream then stands where it stood.
        """
        x = as_steps("Stream.push", x)
        rank = 3 if self._is_linear else 2
        if x.dim() == 1 and self._is_linear and self._d_input == self._batch == 1:
            x = x[:, None]
        has_batch = x.dim() == rank
        whole = x if has_batch else x[None]
        if whole.dim() != rank or whole.shape[0] != self._batch:
            step = f"({self._batch}, steps, {self._d_input})" if self._is_linear else f"({self._batch}, steps)"
            raise ValueError(
                f"Stream.push: `x` must hold steps for {self._batch} stream(s), {step}; got {describe(x)}. "
                "Add the missing axis, as in x[None]."
            )
        if self._is_linear and whole.shape[2] != self._d_input:
            check_sequence("Stream.push", "x", whole.to(self._dtype), channels=self._d_input)
        if not self._is_linear and whole.is_floating_point():
            raise ValueError(f"Stream.push: `x` must hold integer tokens; got {describe(x)}.")
        spikes = self._steps.push(whole.to(self._dtype if self._is_linear else torch.int64), has_batch=has_batch)
        if spikes is None:
            wrong = (
                f"be finite in {self._dtype}; got NaN or infinity"
                if self._is_linear
                else "hold tokens of the vocabulary"
            )
            raise ValueError(f"Stream.push: `x` must {wrong}. Drop or repair the sample.")
        return spikes

    def logits(self) -> Tensor:
        """Logits for what was seen so far: (num_outputs), or (batch, num_outputs) with several streams.

        Raises: ValueError before the first step.
        """
        with torch.no_grad():
            logits = self._steps.logits()
        if logits is None:
            raise ValueError("Stream.logits: nothing was pushed yet; push at least one step.")
        return logits[0] if self._batch == 1 else logits

    def answer(self) -> Any:
        """What the logits by now say, as the model's task tells it: a `Prediction` of a class, or a `ValuePrediction`.

        Returns: one with `text` and `as_dict()`; a list of them with several streams.
        Raises: ValueError before the first step.

        Example:
            >>> from longspike.models import SpikeSSM
            >>> stream = SequenceStream(SpikeSSM.from_preset("digits"))
            >>> _ = stream.push(torch.zeros(3, 1))
            >>> type(stream.answer()).__name__, len(stream.answer().probabilities)
            ('Prediction', 10)
        """
        return answered(self._model, self.logits())

    def save(self, path: str | Path) -> None:
        """Write the state to a safetensors file, from which `restore` continues bit for bit.

        Raises: FileWriteError if it cannot be written; an old file is then as it was, as it is if the process is killed.
        """
        content = to_file(as_tensors(self._steps.remembered), fingerprint(self._model))
        replace_file(path, lambda file: file.write(content))

    def restore(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote.

        Raises: CheckpointError if the file is missing, damaged, of another model or of a state that no stream can be in;
            the stream then stays as it is.
        """
        try:
            tensors = from_file(read_saved(path), fingerprint(self._model))
            remembered = from_tensors(tensors, nothing_yet(self._model, self._batch))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a saved stream of this model ({error}).") from None
        self._steps.load(remembered)

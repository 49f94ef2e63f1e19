"""A model fed step by step or in chunks of any size, with the spikes it has on whole sequences."""

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from longspike._core.checks import check_positive_int, check_sequence, describe
from longspike._core.states import fill_state, flatten_state, map_state
from longspike.errors import CheckpointError
from longspike.models.spike_ssm import SpikeSSM, SpikeSSMState
from longspike.streaming.compiled_steps import CompiledSteps
from longspike.streaming.model_steps import ModelSteps
from longspike.streaming.stream import Stream


def _copied(state: SpikeSSMState) -> SpikeSSMState:
    return map_state(lambda x: x.detach().clone(), state)


class SequenceStream(Stream):
    """Feeds a `SpikeSSM` as its input arrives, and answers at any moment; `longspike.Stream(model)` makes one.

    Memory does not grow with the number of steps. However the input is cut into pushes, the spikes are those of the
    whole sequence, bit for bit, on the compiled backend.

    Args:
        model: a causal `SpikeSSM`; it is used in evaluation mode and not changed. Refractory neurons on a CPU run through
            the compiled stack, with the weights as they are when the stream is made.
        batch: streams side by side.

    Raises:
        ValueError: a bidirectional model (it needs the future), or the Bernoulli neuron (it draws at random).

    Example:
        >>> from longspike.models import SpikeSSM
        >>> stream = SequenceStream(SpikeSSM.from_preset("digits"))
        >>> spikes = stream.push(torch.zeros(3, 1))
        >>> stream.num_steps, tuple(stream.logits().shape)
        (3, (10,))
    """

    def __init__(self, model: SpikeSSM, *, batch: int = 1) -> None:
        if not isinstance(model, SpikeSSM):
            raise TypeError(
                f"Stream: `model` must be a SpikeSSM or Flames; got {describe(model)}. Use longspike.load(path)."
            )
        if model.config.is_bidirectional:
            raise ValueError("Stream: the model is bidirectional and needs the whole sequence. Train a causal one.")
        if model.config.neuron.kind == "bernoulli":
            raise ValueError("Stream: the Bernoulli neuron draws at random, so a stream cannot repeat a batch.")
        check_positive_int("Stream", "batch", batch)
        self._model, self._batch, self._num_steps = model, batch, 0
        self._is_linear = model.config.encoder == "linear"
        self._d_input, self._dtype = model.config.d_input, model.dtype
        with torch.inference_mode(False), torch.no_grad():
            state = model.init_state(batch)
            self._steps: CompiledSteps | ModelSteps = CompiledSteps.of(model, state) or ModelSteps(model, state)
        self._logits: Tensor | None = None

    @property
    def num_steps(self) -> int:
        """Steps seen since the start or the last reset."""
        return self._num_steps

    @property
    def state(self) -> SpikeSSMState:
        """A copy of everything the stream remembers; assign it to go back to that moment."""
        return _copied(self._steps.state)

    @state.setter
    def state(self, state: SpikeSSMState) -> None:
        expected, given = flatten_state(self._model.init_state(self._batch)), flatten_state(state)
        if {k: x.shape for k, x in expected.items()} != {k: x.shape for k, x in given.items()}:
            raise ValueError("Stream: the state is of another model or batch size. Assign one from Stream.state.")
        self._steps.state = _copied(state)
        self._num_steps = int(state.pool.steps[0]) if state.pool is not None else self._num_steps
        self._logits = None

    def reset(self) -> None:
        """Forget everything."""
        self._steps.state = self._model.init_state(self._batch)
        self._num_steps = 0
        self._logits = None

    def push(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feed any number of steps, none included.

        Args: x (steps, d_input), or tokens (steps); with several streams (batch, steps, d_input) or (batch, steps).
        Returns: the spikes of every block in these steps, (steps, d_model) each, or with the batch axis in front.
        Raises: ValueError on a wrong shape, a value that is not finite or a token outside of the vocabulary; the stream
            then stands where it stood.
        """
        rank = 3 if self._is_linear else 2
        has_batch = x.dim() == rank
        whole = x if has_batch else x[None]
        if whole.dim() != rank or whole.shape[0] != self._batch:
            raise ValueError(f"Stream.push: `x` must hold steps for {self._batch} stream(s); got {describe(x)}.")
        if self._is_linear and whole.shape[2] != self._d_input:
            check_sequence("Stream.push", "x", whole, channels=self._d_input)
        if not self._is_linear and whole.is_floating_point():
            raise ValueError(f"Stream.push: `x` must hold integer tokens; got {describe(x)}.")
        spikes = self._steps.push(whole.to(self._dtype if self._is_linear else torch.int64), has_batch=has_batch)
        if spikes is None:
            remedy = "Drop or repair the sample."
            wrong = "be finite; got NaN or infinity" if self._is_linear else "hold tokens of the vocabulary"
            raise ValueError(f"Stream.push: `x` must {wrong}. {remedy}")
        if whole.shape[1]:
            self._num_steps += whole.shape[1]
            self._logits = None
        return spikes

    def logits(self) -> Tensor:
        """Logits for what was seen so far: (num_outputs), or (batch, num_outputs) with several streams.

        Raises: ValueError before the first step.
        """
        if self._logits is None and self._num_steps:
            with torch.no_grad():
                self._logits = self._steps.logits()
        if self._logits is None:
            raise ValueError("Stream.logits: nothing was pushed yet; push at least one step.")
        return self._logits[0].clone() if self._batch == 1 else self._logits.clone()

    def save(self, path: str | Path) -> None:
        """Write the state to a safetensors file, from which `restore` continues bit for bit."""
        tensors = {name: x.contiguous() for name, x in flatten_state(self._steps.state).items()}
        if self._num_steps and self._logits is None:
            with torch.no_grad():
                self._logits = self._steps.logits()
        if self._logits is not None:
            tensors["logits"] = self._logits.contiguous()
        safetensors.torch.save_file(tensors, path, metadata={"num_steps": str(self._num_steps)})

    def restore(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote.

        Raises: CheckpointError if the file is missing, damaged, or of another model; the stream then stays as it is.
        """
        try:
            tensors = safetensors.torch.load_file(path)
            with safetensors.safe_open(path, framework="pt") as file:
                num_steps = int(file.metadata()["num_steps"])
            logits = tensors.pop("logits", None)
            if set(tensors) != set(flatten_state(self._steps.state)):
                raise ValueError("it holds other layers")
            self.state = fill_state(self._model.init_state(self._batch), tensors)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a saved stream of this model ({error}).") from None
        self._num_steps, self._logits = num_steps, logits

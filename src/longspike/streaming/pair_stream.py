"""Two sequences fed as they arrive to one network that compares them."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from longspike._core.checks import check_choice
from longspike._core.files import replace_file
from longspike._core.states import as_state
from longspike.errors import CheckpointError
from longspike.models.spike_ssm_pair import SpikeSSMPair
from longspike.models.spiking_stack import SpikeSSMState
from longspike.streaming.fingerprint import fingerprint
from longspike.streaming.remembered import (
    Remembered,
    as_tensors,
    from_file,
    from_tensors,
    frozen_copy,
    nothing_yet,
    to_file,
)
from longspike.streaming.sequence_stream import SequenceStream
from longspike.streaming.stream import Stream, answered, read_saved


class PairState(NamedTuple):
    """What the tower remembers of the first and of the second sequence."""

    first: SpikeSSMState
    second: SpikeSSMState


SIDES = PairState._fields
"""The names of the two sequences of a pair."""


class PairStream(Stream):
    """Feeds a `SpikeSSMPair` with two sequences as they arrive, and compares them at any moment.

    Both sides run through the same tower; each has a state and a running mean of its own, so one may come before the other,
    in turns, or at another pace. However the two are cut into pushes, the spikes are those of the whole sequences, bit for
    bit, and so are the answers of one cut and another, on the compiled backend; against a batch, which sums the mean in
    float32, they agree to rounding. Memory does not grow with the number of steps.

        logits = head([a, b, a - b, a * b]),   a, b = means over the steps so far of each side

    Args:
        model: a `SpikeSSMPair` with a causal tower; a copy of it as it is now runs in evaluation mode.
        batch: pairs side by side.

    Raises:
        TypeError: another model.
        ValueError: a tower that cannot be streamed, as a `SequenceStream` says: one that reads in both directions, for
            example.

    Example:
        >>> from longspike.models import SpikeSSMConfig, SpikeSSMPairConfig
        >>> tower = SpikeSSMConfig(d_input=5, encoder="embedding", d_model=8, num_layers=1, d_state=4)
        >>> stream = PairStream(SpikeSSMPair(SpikeSSMPairConfig(tower=tower)))
        >>> spikes = stream.push([1, 4, 2], side="first")
        >>> spikes = stream.push([2], side="second")
        >>> stream.num_steps, tuple(stream.logits().shape)
        ((3, 1), (2,))
    """

    def __init__(self, model: SpikeSSMPair, *, batch: int = 1) -> None:
        if not isinstance(model, SpikeSSMPair):
            raise TypeError(
                f"PairStream: `model` must be a SpikeSSMPair; got {type(model).__name__}. Use longspike.Stream(model)."
            )
        with torch.inference_mode(False), torch.no_grad():
            self._model, self._batch = frozen_copy(model), batch
        side = SequenceStream(self._model.tower, batch=batch)
        self._sides = {"first": side, "second": deepcopy(side)}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A second stream that goes on from the same place; both use the same frozen network."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin._model, twin._batch, twin._sides = self._model, self._batch, deepcopy(self._sides, memo)
        return twin

    @property
    def num_steps(self) -> tuple[int, int]:
        """Steps of the first and of the second side since the start or the last reset."""
        return self._sides["first"].num_steps, self._sides["second"].num_steps

    @property
    def state(self) -> PairState:
        """A copy of what the network remembers of both sides; assign it to go back to that moment.

        Raises: ValueError for a state of another model, or with NaN, numbers beyond 1e18 or negative counts in it.
        """
        return PairState(*(side.state for side in self._sides.values()))

    @state.setter
    def state(self, state: PairState) -> None:
        sides, parts = self._sides.values(), as_state("PairStream", PairState, state)
        self._load([side._as_remembered(part) for side, part in zip(sides, parts, strict=True)])

    def _load(self, remembered: list[Remembered]) -> None:
        for side, each in zip(self._sides.values(), remembered, strict=True):
            side._steps.load(each)

    def reset(self) -> None:
        """Forget everything of both sides."""
        for side in self._sides.values():
            side.reset()

    def restart_mean(self) -> None:
        """Let both means begin anew: a new decision about what comes; the neurons and `num_steps` go on."""
        for side in self._sides.values():
            side.restart_mean()

    def push(self, x: Tensor | np.ndarray | Sequence[Any], *, side: str) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Feed any number of steps of one side, none included.

        Args:
            x: what `SequenceStream.push` takes: (steps, d_input), or tokens (steps); of several pairs with the batch axis in
                front.
            side: "first" or "second".
        Returns: the spikes of every block of the tower in these steps, (steps, d_model) each, or with the batch axis.
        Raises: ValueError or TypeError as there, or for another side; the stream then stands where it stood.
        """
        check_choice("PairStream.push", "side", side, SIDES)
        return self._sides[side].push(x)

    def logits(self) -> Tensor:
        """Logits of the pair as far as it was seen: (num_outputs), or (batch, num_outputs) of several pairs.

        Raises: ValueError before the first step of either side, or after `restart_mean` before the next one.
        """
        with torch.no_grad():
            means = [side._steps.logits() for side in self._sides.values()]
            for name, mean in zip(SIDES, means, strict=True):
                if mean is None:
                    raise ValueError(
                        f"PairStream.logits: nothing was pushed yet on the {name} side. Push at least one step of it."
                    )
            logits = self._model.compared(torch.cat(means))  # type: ignore[arg-type]
        return logits[0] if len(logits) == 1 else logits

    def answer(self) -> Any:
        """What the logits by now say: a `Prediction` of the class of the pair; a list of them for several pairs.

        Raises: ValueError before the first step of either side.
        """
        return answered(self._model, self.logits())

    def save(self, path: str | Path) -> None:
        """Write the state of both sides to a safetensors file, from which `restore` continues bit for bit.

        Raises: FileWriteError if it cannot be written; an old file is then as it was, as it is if the process is killed.
        """
        tensors = {
            f"{name}.{key}": x
            for name, side in self._sides.items()
            for key, x in as_tensors(side._steps.remembered).items()
        }
        content = to_file(tensors, fingerprint(self._model))
        replace_file(path, lambda file: file.write(content))

    def restore(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote.

        Raises: CheckpointError if the file is missing, damaged, of another model or of a state that no stream can be in;
            the stream then stays as it is.
        """
        parts: dict[str, dict[str, Tensor]] = {name: {} for name in SIDES}
        try:
            for key, x in from_file(read_saved(path), fingerprint(self._model)).items():
                name, _, own = key.partition(".")
                parts[name][own] = x
            fresh = nothing_yet(self._model.tower, self._batch)
            remembered = [from_tensors(part, fresh) for part in parts.values()]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a saved stream of this model ({error}).") from None
        self._load(remembered)

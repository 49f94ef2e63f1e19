"""The state of a network handed on from batch to batch, where each goes on where the one before stopped."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longspike._core.states import fill_state, flatten_state, map_state
from longspike.models.classifier import AbstractClassifier
from longspike.models.observation import Classification, Observation


class Carried:
    """What a network remembers between two batches; nothing, if it is not on.

    The state is cut off from the graph: gradients stop at the beginning of a batch (truncated back-propagation).

    Args: is_on: whether states are handed on.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.state: Any = None

    def reset(self) -> None:
        """Begin anew: the next batch starts from silence."""
        self.state = None

    def answer(self, model: AbstractClassifier, batch: Any) -> Classification:
        """The answer to a batch, from the state on; the state after it is kept.

        Raises: ValueError if there is none: padded samples end at different steps.
        """
        if not self.is_on:
            return model.classify(batch)
        answer = model.classify(batch, self.state)
        self._keep(answer)
        return answer

    def observed(self, model: AbstractClassifier, batch: Any, fractions: Sequence[float]) -> Observation:
        """As `answer`, with what led to it."""
        if not self.is_on:
            return model.observe(batch, fractions=fractions)
        seen = model.observe(batch, fractions=fractions, state=self.state)
        self._keep(seen.answer)
        return seen

    def _keep(self, answer: Classification) -> None:
        if answer.state is None:
            raise ValueError(
                "a state that is carried on needs batches without padding, of a network that hands its state on. Use "
                "longspike.data.RowLoader, or set training.carry_state=False."
            )
        self.state = map_state(torch.Tensor.detach, answer.state)

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name, on the CPU, for a checkpoint; none before the first batch."""
        return {} if self.state is None else {name: x.cpu().clone() for name, x in flatten_state(self.state).items()}

    def load(self, model: AbstractClassifier, tensors: dict[str, Tensor]) -> None:
        """Go on from what `tensors()` gave. Raises: ValueError if it is the state of another network."""
        if not tensors:
            self.state = None
            return
        batch = next(iter(tensors.values())).shape[0]
        template = model.init_state(batch)  # type: ignore[operator]
        expected = {name: x.shape for name, x in flatten_state(template).items()}
        if {name: x.shape for name, x in tensors.items()} != expected:
            raise ValueError("the state that the checkpoint carries is of another network")
        device = next(model.parameters()).device
        self.state = map_state(lambda x: x.to(device), fill_state(template, tensors))

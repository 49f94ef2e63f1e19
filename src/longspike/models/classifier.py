"""What every network says of itself and answers to a batch, whatever the batch holds and whatever is asked."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from longspike.models import checkpoint
from longspike.models.input_spec import InputSpec
from longspike.models.observation import Classification, Observation
from longspike.tasks.definition import AbstractTask, Meaning
from longspike.tasks.language import Language
from longspike.tasks.table import DEFAULT_TASK, task

__all__ = ["AbstractClassifier", "Summary"]


class Summary(NamedTuple):
    """A network in words, for a report.

    title: its kind in a few words. rate: of what a firing rate is a share. rows: what else to list, heading -> text.
    """

    title: str
    rate: str
    rows: dict[str, str]


class AbstractClassifier(nn.Module, ABC):
    """A network that answers the batches of a data set: all that training and evaluation know of it.

    A new kind of network needs these members and nothing in either room. `config` is the frozen dataclass that
    describes it completely. `input_spec` says what its input and its answers mean; it is saved beside the weights.
    """

    config: Any
    input_spec: InputSpec = InputSpec()

    @property
    def task(self) -> AbstractTask:
        """What it is asked to learn: one class a sample, unless its configuration says another."""
        return task(DEFAULT_TASK)

    @property
    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """The spiking layers' names, in the order of their activity; none in a dense network."""

    @property
    @abstractmethod
    def is_causal(self) -> bool:
        """Whether what it says after a step rests on the steps so far alone."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters."""
        return next(self.parameters()).dtype

    @property
    def is_spiking(self) -> bool:
        """Whether any layer spikes."""
        return bool(self.layer_names)

    @abstractmethod
    def summary(self) -> Summary:
        """The network in words."""

    @abstractmethod
    def classify(self, batch: Any, state: Any = None) -> Classification:
        """The answer to a batch; differentiable, and as fast as can be.

        Args: state: that an answer to the samples' earlier parts handed on; silent by default.
        """

    @abstractmethod
    def observe(self, batch: Any, *, fractions: Sequence[float], state: Any = None) -> Observation:
        """The answer to a batch and what led to it: slower than `classify`, for looking.

        Args:
            fractions: after which shares of a sample's steps, in (0, 1), an early answer is wanted. state: as of `classify`.
        """

    @abstractmethod
    def raw_batch(self, samples: Sequence[Any]) -> Any:
        """Raw samples as a batch for `classify`: checked and normalised."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name an output; its number where nobody has given names."""
        return self.input_spec.names(self.config.num_outputs)

    @property
    def token_unit(self) -> str | None:
        """What a token is that a language model answers with, "byte", "character" or "word"; None if that is not known."""
        vocabulary = self.input_spec.vocabulary
        return None if vocabulary is None or self.task.name != Language.name else vocabulary.unit.removesuffix("s")

    @property
    def meaning(self) -> Meaning:
        """What the outputs mean, as `task` needs it to tell an answer."""
        spec = self.input_spec
        return Meaning(self.class_names, spec.scale, spec.shift, spec.output_scale, spec.output_shift)

    def predict(self, raw: Any, *, steps_per_second: float | None = None) -> Any:
        """The answer to raw input: normalised and in the order of the training data, in evaluation mode, no gradients.

        Args:
            raw: one sample, or a list of samples of any lengths. Of sequences: (steps, d_input) real numbers, as an array
                or tensor, (steps) where d_input is 1; tokens (steps), or a text if the model has a vocabulary
                (`input_spec.vocabulary`); a tensor with an axis more is a batch; a pair is a tuple of two of these.
                Of events: an array of `longspike.events.EVENT_DTYPE`, or a `Recording`.
            steps_per_second: of `raw`, if it is known; another than that of the training data warns.
        Returns: what the task gives, a `Prediction` of a class for example; a list of them for a list or a batch.
        Raises: ValueError or TypeError for what the network cannot read.

        Example:
            >>> from longspike.models import InputSpec, SpikeSSM
            >>> model = SpikeSSM.from_preset("digits")
            >>> model.input_spec = InputSpec(scale=1 / 16, shift=0.0, class_names=tuple("abcdefghij"))
            >>> model.predict(torch.tensor([3, 16, 0, 7])).class_name in "abcdefghij"
            True
        """
        is_batch = self._is_batch(raw)
        if steps_per_second is not None and (remark := self.input_spec.pace_remark(steps_per_second)):
            warnings.warn(f"predict: {remark}.", stacklevel=2)
        modes = [module for module in self.modules() if module.training]
        self.eval()
        try:
            with torch.no_grad():
                batch = self.raw_batch(list(raw) if is_batch else [raw])
                answers = self.task.predictions(self.classify(batch).logits, self.lengths_of(batch), self.meaning)
        finally:
            for module in modes:
                module.training = True
        return answers if is_batch else answers[0]

    def lengths_of(self, batch: Any) -> Tensor | None:
        """Valid steps (batch) of padded sequences; None for what has none."""
        return None

    def _is_batch(self, raw: Any) -> bool:
        """Whether raw input is several samples."""
        is_array = isinstance(raw, torch.Tensor | np.ndarray)
        return isinstance(raw, list | tuple) or (is_array and self._has_batch(raw))

    def _has_batch(self, raw: Any) -> bool:
        """Whether an array or tensor holds several samples."""
        return False

    def save(self, path: str | Path, *, metadata: dict[str, Any] | None = None) -> None:
        """Write weights (safetensors) and configuration (JSON) to the folder `path`, whole or not at all."""
        checkpoint.save(self, self.config, path, input_spec=self.input_spec, metadata=metadata or {})

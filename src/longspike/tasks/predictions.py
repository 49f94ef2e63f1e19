"""Answers as users get them: a class, classes of steps, values."""

from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longspike.tasks.definition import Meaning

MOST_VALUES = 8
"""Values in a line of text; more are cut."""


class Prediction(NamedTuple):
    """The answer to one sample: the class, its name and its probability; the probabilities (classes) of all."""

    class_index: int
    class_name: str
    probability: float
    probabilities: Tensor

    @property
    def bars(self) -> Tensor:
        """What a live picture draws as bars: the probabilities."""
        return self.probabilities

    @property
    def text(self) -> str:
        """The name and the probability."""
        return f"{self.class_name} ({self.probability:.1%})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"decision": self.class_name, "probability": round(self.probability, 6)}

    def all_as_dict(self) -> dict[str, Any]:
        """The probabilities of all classes."""
        return {"probabilities": [round(p, 6) for p in self.probabilities.tolist()]}


class StepPrediction(NamedTuple):
    """The answer to every step of one sample: classes (steps), their names, and probabilities (steps, classes)."""

    class_indices: Tensor
    class_names: tuple[str, ...]
    probabilities: Tensor

    @property
    def text(self) -> str:
        """The names one after another, each with the number of steps in a row that have it."""
        runs = [f"{name} x {len(list(steps))}" for name, steps in groupby(self.class_names)]
        rest = f", ... {len(runs) - MOST_VALUES} more" if len(runs) > MOST_VALUES else ""
        return ", ".join(runs[:MOST_VALUES]) + rest

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a decision a step, and its probability."""
        best = self.probabilities.max(dim=-1).values
        return {"decisions": list(self.class_names), "probability": [round(p, 6) for p in best.tolist()]}

    def all_as_dict(self) -> dict[str, Any]:
        """Nothing more."""
        return {}


class ValuePrediction(NamedTuple):
    """Predicted values (outputs), or (steps, outputs), float64, and the names of the outputs."""

    values: Tensor
    names: tuple[str, ...]

    @property
    def bars(self) -> None:
        """Nothing: values are written, not drawn as bars."""
        return

    @property
    def text(self) -> str:
        """The latest values with their names."""
        pairs = list(zip(self.names, self._latest, strict=True))
        rest = f", and {len(pairs) - MOST_VALUES} more" if len(pairs) > MOST_VALUES else ""
        return ", ".join(f"{name} {value:.4g}" for name, value in pairs[:MOST_VALUES]) + rest

    @property
    def _latest(self) -> list[float]:
        latest = self.values if self.values.dim() == 1 else self.values[-1]
        return [float(value) for value in latest]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"values": dict(zip(self.names, self._latest, strict=True))}

    def all_as_dict(self) -> dict[str, Any]:
        """Nothing more."""
        return {}


def class_predictions(logits: Tensor, names: tuple[str, ...]) -> list[Prediction]:
    """The answers to a batch, from logits (batch, classes)."""
    rows = logits.double().softmax(dim=-1).cpu()
    best = rows.argmax(dim=-1).tolist()
    return [Prediction(k, names[k], float(row[k]), row) for k, row in zip(best, rows, strict=True)]


def step_predictions(logits: Tensor, lengths: Tensor | None, names: tuple[str, ...]) -> list[StepPrediction]:
    """The answers to a batch, from logits (batch, seqlen, classes)."""
    rows = logits.double().softmax(dim=-1).cpu()
    best = rows.argmax(dim=-1)
    ends = _ends(logits, lengths)
    return [
        StepPrediction(best[b, :n], tuple(names[k] for k in best[b, :n].tolist()), rows[b, :n])
        for b, n in enumerate(ends)
    ]


def last_steps(logits: Tensor, lengths: Tensor | None) -> Tensor:
    """Logits (batch, outputs) of every sample's last valid step, from (batch, seqlen, outputs)."""
    ends = torch.tensor(_ends(logits, lengths), device=logits.device)
    return logits[torch.arange(len(ends), device=logits.device), (ends - 1).clamp(min=0)]


def value_predictions(values: Tensor, lengths: Tensor | None, meaning: Meaning) -> list[ValuePrediction]:
    """The answers to a batch, from values (batch, outputs), or (batch, seqlen, outputs) with lengths."""
    rows = values.detach().double().cpu()
    if values.dim() == 2:
        return [ValuePrediction(row, meaning.names) for row in rows]
    return [ValuePrediction(rows[b, :n], meaning.names) for b, n in enumerate(_ends(values, lengths))]


def _ends(logits: Tensor, lengths: Tensor | None) -> list[int]:
    return [logits.shape[1]] * logits.shape[0] if lengths is None else lengths.tolist()

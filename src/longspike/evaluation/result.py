"""What an evaluation found, as data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from longspike.energy import EnergyReport


@dataclass(frozen=True, kw_only=True, slots=True)
class AnytimePoint:
    """Accuracy of the running read-out after a fraction of every sample's steps; `steps` is their mean number."""

    fraction: float
    steps: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleTrace:
    """One sample from input to decision, over its valid steps.

    Attributes:
        index: its position in the batches. label, prediction: classes.
        x: (seqlen, d_input) float32, or (seqlen, 1) tokens.
        spikes: for each layer (seqlen, d_model) bool; empty for a dense network.
        probabilities: (seqlen, num_outputs) float32, softmax of the running read-out after every step; None for a
            bidirectional network, whose first step already knows the last.
    """

    index: int
    label: int
    prediction: int
    x: np.ndarray
    spikes: tuple[np.ndarray, ...]
    probabilities: np.ndarray | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """All that `evaluate_model` measures.

    Attributes:
        num_samples, num_steps: samples, and their valid steps together.
        accuracy, loss: share recognised; mean cross-entropy in nats.
        confusion: rows are true classes. class_accuracy: recall, None for a class without samples.
        firing_rate: mean of the spikes over valid steps, samples, channels and blocks; layer_rates: of each block;
            layer_names: their names.
        silent_share: share of the neurons that never fired; layer_silent_shares: of each block. All four are None or
            empty for a dense network.
        anytime: accuracy against steps seen; empty for a bidirectional network.
        samples: traces, at most one a class. energy: both figures, at the measured rates;
            None for FLAMES, whose operations are not counted yet.
        wall_s: time of the whole loop. samples_per_s, steps_per_s: num_samples and num_steps over it.
        model: its configuration. num_parameters: of the model, trained or not. versions, machine: strings.
    """

    num_samples: int
    num_steps: int
    accuracy: float
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    class_accuracy: tuple[float | None, ...]
    firing_rate: float | None
    layer_rates: tuple[float, ...]
    layer_names: tuple[str, ...]
    silent_share: float | None
    layer_silent_shares: tuple[float, ...]
    anytime: tuple[AnytimePoint, ...]
    samples: tuple[SampleTrace, ...]
    energy: EnergyReport | None
    wall_s: float
    samples_per_s: float
    steps_per_s: float
    model: dict[str, Any]
    num_parameters: int
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def mean_seqlen(self) -> float:
        """Mean number of valid steps of a sample."""
        return self.num_steps / self.num_samples

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; the samples without their arrays, with numbers of steps and spikes."""
        derived = {
            "confusion": [list(row) for row in self.confusion],
            "class_accuracy": list(self.class_accuracy),
            "layer_rates": list(self.layer_rates),
            "layer_names": list(self.layer_names),
            "layer_silent_shares": list(self.layer_silent_shares),
            "anytime": [asdict(point) for point in self.anytime],
            "samples": [
                {
                    "index": sample.index,
                    "label": sample.label,
                    "prediction": sample.prediction,
                    "num_steps": len(sample.x),
                    "num_spikes": [int(spikes.sum()) for spikes in sample.spikes],
                }
                for sample in self.samples
            ],
            "energy": None if self.energy is None else self.energy.to_json(),
        }
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in derived}
        return {**plain, **derived}

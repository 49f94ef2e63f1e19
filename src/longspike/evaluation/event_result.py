"""What an evaluation on events found, as data."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventTrace:
    """One sample from its events to the decision.

    Attributes:
        index: its position in the batches. label, prediction: classes.
        image: (2, height, width) int64, events per pixel, off then on.
        t_us: (num_events), their times.
        tick_us: (ticks), when the memory ticked: the start of the step.
        spikes: for each memory block (ticks, d_model) bool.
        probabilities: (ticks, num_outputs) float32 after every tick, of `EventStream`; None for a model that it cannot
            run.
    """

    index: int
    label: int
    prediction: int
    image: np.ndarray
    t_us: np.ndarray
    tick_us: np.ndarray
    spikes: tuple[np.ndarray, ...]
    probabilities: np.ndarray | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventEvaluation:
    """All that `evaluate_events` measures.

    Attributes:
        num_samples, num_events, num_steps, num_ticks: in all; a step counts if it holds an event, a tick is a step in
            which the last front spikes.
        accuracy, loss: share recognised; mean cross-entropy in nats.
        confusion: rows are true classes. class_accuracy: recall, None for a class without samples.
        firing_rate: spikes per neuron update over all layers; layer_rates: of each layer; layer_names: fronts, then
            memory blocks. A front's neurons are updated where events touch them, the memory's at every tick.
        samples: traces, at most one a class.
        wall_s: time of the whole loop. samples_per_s, events_per_s: num_samples and num_events over it.
        model: its configuration. num_parameters: of the model, trained or not. versions, machine: strings.
    """

    num_samples: int
    num_events: int
    num_steps: int
    num_ticks: int
    accuracy: float
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    class_accuracy: tuple[float | None, ...]
    firing_rate: float
    layer_rates: tuple[float, ...]
    layer_names: tuple[str, ...]
    samples: tuple[EventTrace, ...]
    wall_s: float
    samples_per_s: float
    events_per_s: float
    model: dict[str, Any]
    num_parameters: int
    versions: dict[str, str]
    machine: dict[str, str | int]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; the samples without their arrays, with numbers of events, ticks and spikes."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        samples = [
            {
                "index": sample.index,
                "label": sample.label,
                "prediction": sample.prediction,
                "num_events": len(sample.t_us),
                "num_ticks": len(sample.tick_us),
                "num_spikes": [int(spikes.sum()) for spikes in sample.spikes],
            }
            for sample in self.samples
        ]
        return {
            **plain,
            "confusion": [list(row) for row in self.confusion],
            "class_accuracy": list(self.class_accuracy),
            "layer_rates": list(self.layer_rates),
            "layer_names": list(self.layer_names),
            "samples": samples,
            "energy": None,
        }

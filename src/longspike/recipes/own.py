"""A recipe for people's own data, its size chosen by how much there is of it and how long it is."""

import math
from dataclasses import replace

from longspike.data.own import OwnData
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames_presets import flames_preset
from longspike.recipes.definition import Recipe
from longspike.tasks import task
from longspike.training.config import TrainingConfig

_WIDTHS = ((300, 32), (3_000, 64), (math.inf, 96))
"""Up to so many samples to train on: d_model."""
_BATCHES = ((50, 4), (200, 8), (1_000, 16), (10_000, 32), (math.inf, 64))
_STEPS = 1500
"""Of the optimiser, at least; fewer where an epoch alone has more, or takes too long."""
_NS_PER_VALUE = 25.0
"""Training, for each sample, step, channel and layer, on a slow core."""
_LONGEST_S = 1800.0
_FEW = 200
"""Validation samples below which their loss is less noisy than their accuracy."""
_EVENT_EPOCHS = 40


def own_recipe(own: OwnData) -> Recipe:
    """What `own` asks to learn: a small SpikeSSM for sequences, FLAMES-Tiny for events; not tuned to them.

    The rules: the more samples the wider; the longer the samples the slower the slowest of the state's time scales; some
    1,500 steps of the optimiser, and no more than half an hour of one slow core.
    """
    return _of_sequences(own) if own.sensor_size is None else _of_events(own, own.sensor_size)


def _chosen(table: tuple[tuple[float, int], ...], amount: int) -> int:
    return next(value for most, value in table if amount <= most)


def _of_sequences(own: OwnData) -> Recipe:
    model = SpikeSSMConfig(
        d_input=own.d_input,
        num_outputs=len(own.class_names),
        d_model=_chosen(_WIDTHS, own.num_train),
        num_layers=2,
        d_state=16,
        dropout=0.1,
        dt_min=min(max(1.0 / own.longest, 1e-3), 1e-2),
        dt_max=0.1 if own.longest > 1000 else 0.5,
        has_final_norm=True,
        pool="none" if task(own.task).reads_out == "step" else "mean",
        task=own.task,
    )
    longest = min(own.longest, own.reading.window or own.longest)
    seconds = _NS_PER_VALUE * 1e-9 * own.num_train * longest * model.d_model * model.num_layers
    batch_size = _chosen(_BATCHES, own.num_train)
    epochs = math.ceil(_STEPS * batch_size / own.num_train)
    epochs = max(min(epochs, 300, round(_LONGEST_S / seconds)), 3)
    return Recipe(
        name=own.name,
        description=f"{task(own.task).title}, own data, {own.shortest:,} to {own.longest:,} steps",
        data=own,
        model=model,
        training=_training(own, epochs, batch_size),
        expected=f"not known; about {_minutes(epochs * seconds)} on one slow core",
    )


def _training(own: OwnData, epochs: int, batch_size: int) -> TrainingConfig:
    return TrainingConfig(
        epochs=epochs,
        batch_size=batch_size,
        lr=0.01,
        label_smoothing=0.05 if task(own.task).has_classes else 0.0,
        rate_target=0.1,
        selection="loss" if own.num_val < _FEW else "task",
    )


def _of_events(own: OwnData, sensor_size: tuple[int, int]) -> Recipe:
    model = flames_preset("tiny", sensor_size=sensor_size, num_classes=len(own.class_names))
    training = _training(own, _EVENT_EPOCHS, min(_chosen(_BATCHES, own.num_train), 16))
    return Recipe(
        name=own.name,
        description=f"{len(own.class_names)} classes of own recordings, {sensor_size[0]}x{sensor_size[1]} pixels",
        data=own,
        model=replace(model, step_us=5000, tau_min_us=5000.0, tau_soma_us=20_000.0),
        training=replace(training, lr=0.005, rate_target=0.05, rate_weight=0.1),
        expected="not known: it depends on the number of events",
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"

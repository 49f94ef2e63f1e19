"""A recipe for people's own data, its size chosen by how much there is of it and how long it is."""

import math
from dataclasses import replace

from longspike.data.own import OwnData
from longspike.models.config import SpikeSSMConfig
from longspike.models.flames_presets import flames_preset
from longspike.models.lm_config import SpikeLMConfig
from longspike.recipes.definition import Recipe
from longspike.tasks import task
from longspike.training.config import TrainingConfig

_WIDTHS = ((300, 32), (3_000, 64), (math.inf, 96))
"""Up to so many samples to train on: d_model."""
_BATCHES = ((50, 4), (200, 8), (1_000, 16), (10_000, 32), (math.inf, 64))
_STEPS, _PASSES = 1500, 10
"""Of the optimiser, and through the data, at least; fewer where that takes too long."""
_NS_PER_VALUE = 25.0
"""Training, for each sample, step, channel and layer, on a slow core."""
_STEP_S = 0.015
"""Of the optimiser, however small the batch."""
_EPOCH_S = 0.05
"""To validate and to save, however little there is."""
_LONGEST_S = 1800.0
_LONG_TEXT = 500_000
"""Tokens from which on a wider network pays."""
_PLAIN_TOKENS = 3_000
"""Larger vocabularies are cut into clusters."""
_FEW = 200
"""Validation samples below which their loss is less noisy than their accuracy."""
_EVENT_EPOCHS = 40


def own_recipe(own: OwnData) -> Recipe:
    """What `own` asks to learn: a small SpikeSSM for sequences, FLAMES-Tiny for events; not tuned to them.

    The rules: the more samples the wider; the longer the samples the slower the slowest of the state's time scales; some
    1,500 steps of the optimiser, and no more than half an hour of one slow core. The range of dt and the last norm were
    chosen by short runs on digits, chirps and labelled beats; digits as a table come to 98.3 % with them.
    """
    if own.task == "language":
        return _of_text(own)
    return _of_sequences(own) if own.sensor_size is None else _of_events(own, own.sensor_size)


def _chosen(table: tuple[tuple[float, int], ...], amount: int) -> int:
    return next(value for most, value in table if amount <= most)


def _of_sequences(own: OwnData) -> Recipe:
    longest = min(own.longest, own.reading.window or own.longest)
    model = SpikeSSMConfig(
        d_input=own.d_input,
        num_outputs=len(own.class_names),
        d_model=_chosen(_WIDTHS, own.num_train),
        num_layers=2,
        d_state=16,
        dropout=0.1,
        dt_min=min(max(1.0 / longest, 1e-3), 1e-2),
        dt_max=0.1 if longest > 1000 else 0.5,
        has_final_norm=True,
        has_input_skip=own.task == "forecasting",
        pool="none" if task(own.task).reads_out == "step" else "mean",
        task=own.task,
    )
    seconds = _NS_PER_VALUE * 1e-9 * own.num_train * longest * model.d_model * model.num_layers
    batch_size = _chosen(_BATCHES, own.num_train)
    seconds += _STEP_S * math.ceil(own.num_train / batch_size) + _EPOCH_S
    epochs = max(math.ceil(_STEPS * batch_size / own.num_train), _PASSES)
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


def _of_text(own: OwnData) -> Recipe:
    is_long = own.num_train > _LONG_TEXT
    size, is_large = own.num_tokens, own.num_tokens > _PLAIN_TOKENS
    model = SpikeLMConfig(
        num_tokens=size,
        d_model=256 if is_long else 128,
        num_layers=3 if is_long else 2,
        d_state=16,
        dropout=0.1,
        mix_gain=2.3,
        cutoffs=(size // 10, size * 4 // 10) if is_large else (),
        embedding_dropout=0.1 if is_large else 0.0,
    )
    batch_size, seqlen = (32, 256) if is_long else (16, 128)
    num_steps = math.ceil(own.num_train / (batch_size * seqlen))
    seconds = _NS_PER_VALUE * 1e-9 * own.num_train * model.d_model * (model.num_layers + 1) + _STEP_S * num_steps
    epochs = max(min(math.ceil(2 * _STEPS / num_steps), 60, round(_LONGEST_S / seconds)), 2)
    training = TrainingConfig(epochs=epochs, batch_size=batch_size, lr=0.005, weight_decay=0.05, rate_target=0.25)
    return Recipe(
        name=own.name,
        description=f"the next of {own.num_train + own.num_val + own.num_test:,} {own.unit}, own text",
        data=own,
        model=model,
        training=replace(training, carry_state=True, seqlen=seqlen),
        expected=f"not known; about {_minutes(epochs * seconds)} on one slow core",
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"

"""TrainingConfig: every mistake is named, all at once."""

import pytest

from longspike.errors import ConfigError
from longspike.training import TrainingConfig


def test_defaults_are_valid() -> None:
    assert TrainingConfig().epochs == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"`epochs` must be an integer of at least 1; got 0"),
        ({"batch_size": True}, r"`batch_size` must be an integer of at least 1; got True"),
        ({"seed": -1}, r"`seed` must be an integer of at least 0 and at most 9223372036854775807; got -1"),
        ({"seed": 2**63}, r"`seed` must be an integer of at least 0 and at most 9223372036854775807; got 92"),
        ({"checkpoint_every_steps": 0}, r"`checkpoint_every_steps` must be an integer of at least 1, or be None"),
        ({"num_threads": 1.5}, r"`num_threads` must be"),
        (
            {"num_threads": 1025},
            r"`num_threads` must be an integer of at least 1 and at most 1024, or be None; got 1025",
        ),
        ({"lr": 0.0}, r"`lr` must be positive and finite; got 0\.0"),
        ({"ssm_lr": float("nan")}, r"`ssm_lr` must be positive"),
        ({"weight_decay": -0.1}, r"`weight_decay` must be at least 0"),
        ({"rate_weight": float("inf")}, r"`rate_weight` must be at least 0 and finite"),
        ({"warmup_fraction": 1.0}, r"`warmup_fraction` must lie in \[0, 1\)"),
        ({"label_smoothing": -0.1}, r"`label_smoothing` must lie in \[0, 1\)"),
        ({"clip_norm": 0.0}, r"`clip_norm` must be positive and finite, or be None; got 0\.0"),
        ({"rate_target": 1.0}, r"`rate_target` must lie in \(0, 1\), or be None"),
        ({"selection": "luck"}, r"`selection` must be one of 'task', 'loss', 'accuracy', .*; got 'luck'"),
    ],
)
def test_a_mistake_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**changes)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigError, match=r"`epochs`.*`lr`.*`rate_target`"):
        TrainingConfig(epochs=0, lr=-1.0, rate_target=2.0)


def test_optional_values_may_be_none() -> None:
    assert TrainingConfig(clip_norm=None, rate_target=None, num_threads=None).clip_norm is None

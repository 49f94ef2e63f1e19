"""Changes given as text."""

import pytest

from longspike.errors import ConfigError
from longspike.recipes import override_keys, recipe, with_overrides


def test_values_are_read_as_their_fields_types() -> None:
    changed = with_overrides(
        recipe("digits"),
        [
            "model.d_model=32",
            "model.neuron.rho=0",
            "model.neuron.reset=zero",
            "model.is_bidirectional=true",
            "model.neuron.surrogate_scale=2",
            "training.lr=1e-2",
            "training.clip_norm=none",
            "training.num_threads=1",
        ],
    )
    assert changed.model.d_model == 32
    assert (changed.model.neuron.rho, changed.model.neuron.reset) == (0.0, "zero")
    assert changed.model.is_bidirectional is True
    assert changed.model.neuron.surrogate_scale == 2.0
    assert (changed.training.lr, changed.training.clip_norm, changed.training.num_threads) == (0.01, None, 1)
    assert recipe("digits").model.d_model == 64


def test_nothing_changes_nothing() -> None:
    assert with_overrides(recipe("smnist"), []) == recipe("smnist")


def test_changes_are_checked_together() -> None:
    changed = with_overrides(recipe("digits"), ["model.dt_min=0.5", "model.dt_max=0.6"])
    assert (changed.model.dt_min, changed.model.dt_max) == (0.5, 0.6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model.d_modell=3",
            r"no key 'model\.d_modell'\. Did you mean 'model\.d_model'\? The keys are: model\.d_input",
        ),
        ("lr=3", r"no key 'lr'\. Did you mean 'training\.lr'\?"),
        ("model=3", r"no key 'model'"),
        ("training.lr", r"expected key=value, for example training\.lr=0\.005"),
        ("training.lr=fast", r"--set training\.lr: expected a number; got 'fast'"),
        ("training.epochs=1.5", r"--set training\.epochs: expected a whole number; got '1\.5'"),
        ("training.clip_norm=x", r"expected a number or none; got 'x'"),
        ("training.lr=none", r"expected a number; got 'none'"),
        ("model.is_bidirectional=maybe", r"expected true or false; got 'maybe'"),
        ("training.epochs=0", r"the changed recipe is not valid: TrainingConfig: `epochs` must be an integer"),
        ("model.neuron.kind=lif", r"the changed recipe is not valid: NeuronConfig: `kind` must be one of"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_overrides(recipe("digits"), [text])


def test_mistakes_in_both_parts_come_at_once() -> None:
    with pytest.raises(ConfigError, match=r"`d_state` must be even.*`epochs` must be.*`lr` must be"):
        with_overrides(recipe("digits"), ["model.d_state=3", "training.epochs=0", "training.lr=-1"])


def test_a_key_is_given_once() -> None:
    with pytest.raises(ConfigError, match="was set before"):
        with_overrides(recipe("digits"), ["training.lr=1", "training.lr=2"])


def test_keys_reach_every_leaf() -> None:
    keys = override_keys(recipe("digits").model, "model")
    assert keys["model.neuron.rho"] is float
    assert "model.neuron" not in keys

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
            r"no key 'model\.d_modell'\. Did you mean 'model\.d_model'\? `longspike recipes RECIPE` lists the keys",
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


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(recipe("digits"), ["training.lr", "model.d_modell=3", "training.epochs=x", "model.d_state=3"])
    for text in ("training.lr: expected key=value", "no key 'model.d_modell'", "got 'x'", "`d_state` must be even"):
        assert text in str(caught.value)
    assert str(caught.value).count("lists the keys") == 1


def test_tuples_and_none() -> None:
    changed = with_overrides(recipe("event-digits"), ["model.sensor_size=20, 30", "training.rate_target=None"])
    assert (changed.model.sensor_size, changed.training.rate_target) == ((20, 30), None)
    for text in ("34", "34,35,36"):
        with pytest.raises(
            ConfigError, match=rf"--set model\.sensor_size: expected 2 values separated by commas; got '{text}'"
        ):
            with_overrides(recipe("event-digits"), [f"model.sensor_size={text}"])
    with pytest.raises(ConfigError, match=r"--set model\.sensor_size: expected a whole number; got 'x'"):
        with_overrides(recipe("event-digits"), ["model.sensor_size=34,x"])


def test_keys_of_a_recipe_are_those_that_decide_the_run() -> None:
    keys = override_keys(recipe("event-digits"))
    assert keys["augmentation.max_shift_px"] is int
    assert not {"name", "description", "data", "expected"} & set(keys)
    assert "augmentation" not in override_keys(recipe("digits"))

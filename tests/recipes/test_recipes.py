"""The table of recipes: every entry fits its data, builds and learns."""

import json

import pytest
import torch

from longspike._core.errors import ConfigError
from longspike.data import DATASETS
from longspike.models import SpikeSSM
from longspike.recipes import Recipe, recipe, recipes


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_fits_its_data(name: str) -> None:
    chosen = recipe(name)
    entry = DATASETS[chosen.data]
    assert chosen.name == name
    assert (chosen.model.d_input, chosen.model.num_outputs) == (entry.d_input, entry.num_classes)
    assert json.loads(json.dumps(chosen.as_dict()))["training"]["epochs"] == chosen.training.epochs


@pytest.mark.parametrize("name", [name for name in recipes() if not name.endswith("-full")])
def test_every_small_recipe_builds_and_every_parameter_gets_a_finite_gradient(name: str) -> None:
    model = SpikeSSM(recipe(name).model)
    logits, _ = model(torch.randn(2, 9, 1))
    logits.square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert bool(parameter.grad.isfinite().all()), parameter_name


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'digit'\. Did you mean 'digits'\? The recipes are: digits, "):
        recipe("digit")


def test_a_recipe_checks_itself() -> None:
    base = recipe("digits-s4d")
    with pytest.raises(ConfigError, match=r"`expected` must not be empty; `training\.rate_target` has no effect"):
        Recipe(
            name="x",
            description="y",
            data="digits",
            model=base.model,
            training=recipe("digits").training,
            expected=" ",
        )

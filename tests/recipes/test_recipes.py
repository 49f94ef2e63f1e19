"""The table of recipes: every entry fits its data, builds and learns."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from longspike.data import DATASETS
from longspike.errors import ConfigError
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.events.record import make_events
from longspike.models import FlamesConfig, SpikeSSMPairConfig, build
from longspike.recipes import Recipe, recipe, recipes


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_fits_its_data(name: str) -> None:
    chosen = recipe(name)
    entry = DATASETS[chosen.data]
    assert chosen.name == name
    size = chosen.model.sensor_size if isinstance(chosen.model, FlamesConfig) else chosen.model.d_input
    assert (size, chosen.model.num_outputs) == (entry.sensor_size or entry.d_input, entry.num_classes)
    assert json.loads(json.dumps(chosen.as_dict()))["training"]["epochs"] == chosen.training.epochs


def random_events(sensor_size: tuple[int, int]) -> RaggedEvents:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, min(side, 12), 400) for side in sensor_size)
    samples = make_events(x, y, np.sort(rng.integers(0, 100_000, 400)), rng.integers(0, 2, 400))
    return collate_events([samples[:250], samples[250:]])


@pytest.mark.parametrize("name", [name for name in recipes() if not name.endswith("-full")])
def test_every_small_recipe_builds_and_every_parameter_gets_a_finite_gradient(name: str) -> None:
    config = recipe(name).model
    torch.manual_seed(0)
    model = build(config)
    if isinstance(config, FlamesConfig):
        inputs: tuple[Any, ...] = (random_events(config.sensor_size),)
    elif getattr(config, "encoder", "linear") == "embedding":
        inputs = (torch.randint(config.d_input, (2, 9)),)
    else:
        inputs = (torch.randn(2, 9, config.d_input),)
    output = model(*inputs, *(x.flip(1) for x in inputs)) if isinstance(config, SpikeSSMPairConfig) else model(*inputs)
    output[0].square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert bool(parameter.grad.isfinite().all()), parameter_name


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(
        ConfigError, match=r"no recipe 'digit'\. Did you mean 'digits'\? `longspike recipes` lists them"
    ):
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

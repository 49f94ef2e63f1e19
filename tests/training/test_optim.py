"""Parameter groups by role, and the schedule."""

import math

import pytest
import torch

from longspike.layers.neuron import NEURONS, NeuronConfig
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.models import build as build_model
from longspike.models.flames_presets import flames_preset
from longspike.ssm.s4d import S4D
from longspike.training import TrainingConfig, build_optimizer, parameter_groups, schedule_factor

CONFIG = TrainingConfig(lr=0.02, weight_decay=0.3)


def build(kind: str, norm: str = "pre") -> SpikeSSM:
    neuron = NeuronConfig(kind=kind, trains_beta=kind == "refractory", trains_gamma=kind == "refractory")
    config = SpikeSSMConfig(
        d_input=2, num_outputs=3, d_model=4, num_layers=2, d_state=6, neuron=neuron, norm=norm, is_bidirectional=True
    )
    return SpikeSSM(config)


@pytest.mark.parametrize("kind", NEURONS)
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_every_trained_parameter_is_in_exactly_one_group(kind: str, norm: str) -> None:
    model = build(kind, norm)
    grouped = [id(p) for group in parameter_groups(model, CONFIG) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("kind", NEURONS)
def test_groups_hold_what_they_say(kind: str) -> None:
    model = build(kind)
    groups = {group["name"]: group for group in parameter_groups(model, CONFIG)}
    role = {id(p): name for name, group in groups.items() for p in group["params"]}
    decayed = {"C", "weight"}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        leaf = name.rpartition(".")[2]
        if leaf in S4D.DYNAMICS:
            expected = "dynamics"
        else:
            expected = "decayed" if leaf in decayed and ".norm." not in name else "plain"
        assert role[id(parameter)] == expected, name


def test_group_settings() -> None:
    groups = {group["name"]: group for group in parameter_groups(build("refractory"), CONFIG)}
    assert (groups["dynamics"]["lr"], groups["dynamics"]["weight_decay"]) == (1e-3, 0.0)
    assert (groups["plain"]["lr"], groups["plain"]["weight_decay"]) == (0.02, 0.0)
    assert (groups["decayed"]["lr"], groups["decayed"]["weight_decay"]) == (0.02, 0.3)
    slow = parameter_groups(build("refractory"), TrainingConfig(lr=1e-4))
    assert {group["lr"] for group in slow} == {1e-4}


def test_schedule_is_the_documented_function() -> None:
    num_steps, warmup = 10, 3
    factors = [schedule_factor(k, num_steps=num_steps, warmup_fraction=0.3) for k in range(12)]
    assert factors[:3] == [1 / 4, 2 / 4, 3 / 4]
    assert factors[3] == 1.0
    for k in range(3, 10):
        assert factors[k] == pytest.approx((1 + math.cos(math.pi * (k - warmup) / (num_steps - warmup))) / 2)
    assert factors[10:] == [0.0, 0.0]


def test_a_part_of_a_step_is_no_step_of_the_warm_up() -> None:
    assert [schedule_factor(k, num_steps=10, warmup_fraction=0.25) for k in range(3)] == [1 / 3, 2 / 3, 1.0]


def test_every_module_of_flames_names_its_dynamics() -> None:
    model = build_model(flames_preset("tiny", sensor_size=(12, 10), num_classes=3))
    found = [module for module in model.modules() if getattr(module, "DYNAMICS", ())]
    assert {type(module).__name__ for module in found} >= {"DendriticLIFConv2d", "SAHippo"}
    dynamics = {
        id(p) for group in parameter_groups(model, CONFIG) if group["name"] == "dynamics" for p in group["params"]
    }
    named = {id(p) for module in found for name, p in module.named_parameters(recurse=False) if name in module.DYNAMICS}
    assert dynamics == named != set()


def test_scheduler_follows_the_function() -> None:
    model = build("refractory")
    optimizer, schedule = build_optimizer(model, CONFIG, num_steps=5)
    for k in range(5):
        factor = schedule_factor(k, num_steps=5, warmup_fraction=CONFIG.warmup_fraction)
        assert [g["lr"] for g in optimizer.param_groups] == [g["initial_lr"] * factor for g in optimizer.param_groups]
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        schedule.step()

"""Compiled kernels with threads of their own, called from several threads at once: every caller gets its own bits."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from flames_cases import CASES, events_for, network
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig

pytestmark = pytest.mark.needs_extension


def step(model: nn.Module, x: Tensor | RaggedEvents) -> list[Tensor]:
    """Logits and gradients of a step of training."""
    model.zero_grad()
    logits, _ = model(x)
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def flames(name: str, samples: int) -> tuple[Flames, RaggedEvents]:
    model = network(CASES[name])
    events = [events_for(model.config, 900, steps=300, seed=k) for k in range(samples)]
    return model, collate_events(events, sensor_size=model.config.sensor_size)


def test_training_in_several_threads_at_once() -> None:
    """Sizes at which the kernels wake a second thread; the sums of gradients do not depend on who else computes."""
    torch.set_num_threads(2)
    deep = SpikeSSM(SpikeSSMConfig(d_input=3, d_model=40, num_layers=2, d_state=8, num_outputs=5))
    lone = SpikeSSM(SpikeSSMConfig(d_input=1, d_model=24, num_layers=1, d_state=4, num_outputs=2, norm="none"))
    work = [(deep, torch.randn(3, 290, 3)), (lone, torch.randn(1, 2100, 1)), flames("base", 5), flames("wide", 2)]
    alone = [step(*one) for one in work]
    assert all(bool((x[0] != 0).any()) and len(x) > 4 for x in alone)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, expected in zip(pool.map(lambda one: step(*one), work), alone, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

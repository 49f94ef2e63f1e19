"""Signals at any moment of long training steps: the call ends within a second, and the next step is not touched by it."""

import signal
import time
from types import FrameType

import pytest
import torch
from torch import Tensor, nn

from flames_cases import CASES, events_for, network
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.models import SpikeSSM, SpikeSSMConfig

pytestmark = pytest.mark.needs_extension


class Enough(Exception):
    """What the handler raises."""


def sequences() -> tuple[nn.Module, Tensor]:
    """Some seconds of scan, neuron and mixing on one thread."""
    return SpikeSSM(SpikeSSMConfig(d_input=3, d_model=64, num_layers=2, d_state=64, num_outputs=5)), torch.randn(
        1, 60_000, 3
    )


def events() -> tuple[nn.Module, RaggedEvents]:
    """Some seconds of dendrites and of the spike-aware memory."""
    model = network(CASES["wide"])
    samples = [events_for(model.config, 60_000, steps=20_000, seed=k) for k in range(2)]
    return model, collate_events(samples, sensor_size=model.config.sensor_size)


def step(model: nn.Module, x: Tensor | RaggedEvents) -> list[Tensor]:
    model.zero_grad()
    logits, _ = model(x)
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def interrupted(delay: float, model: nn.Module, x: Tensor | RaggedEvents) -> None:
    """A step with a signal after `delay` seconds, which comes even if the step is faster this time."""
    signal.setitimer(signal.ITIMER_REAL, delay)
    step(model, x)
    signal.pause()


@pytest.mark.parametrize("make", [sequences, events])
@pytest.mark.parametrize("threads", [1, 2])
def test_training_steps(make, threads: int) -> None:
    torch.set_num_threads(threads)
    raised = 0.0

    def handler(number: int, frame: FrameType | None) -> None:
        raise Enough

    model, x = make()
    started = time.monotonic()
    expected = [t.clone() for t in step(model, x)]
    whole, latencies = time.monotonic() - started, list[float]()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for k in range(12):
            delay = whole * (k + 0.5) / 14
            raised = time.monotonic() + delay
            with pytest.raises(Enough):
                interrupted(delay, model, x)
            latencies.append(time.monotonic() - raised)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    print(f"{make.__name__}, {threads} thread(s): a step of {whole:.2f} s ended within {max(latencies):.2f} s")
    assert max(latencies) < 1
    found = step(model, x)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

"""The same calls ten thousand times over, and eight threads for minutes: memory stays flat, results stay the same bits."""

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flames_cases import CASES, events_for, network
from longspike import Stream
from longspike.events.ragged import RaggedEvents, collate_events
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig

pytestmark = [
    pytest.mark.needs_extension,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]
MINUTES = float(os.environ.get("STRESS_MINUTES", "10"))  # of the eight threads
GROWTH_KIB = 16 << 10  # allocators keep some; a leak of one small tensor a call would be more


def resident_kib() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def deep(d_model: int = 12) -> SpikeSSM:
    torch.manual_seed(5)
    return SpikeSSM(SpikeSSMConfig(d_input=3, d_model=d_model, num_layers=2, d_state=4, num_outputs=5))


def flames(name: str = "base", samples: int = 2) -> tuple[Flames, RaggedEvents]:
    model = network(CASES[name])
    events = [events_for(model.config, 60, steps=30, seed=k) for k in range(samples)]
    return model, collate_events(events, sensor_size=model.config.sensor_size)


def step(model: nn.Module, x: Tensor | RaggedEvents) -> list[Tensor]:
    """Logits and gradients of a step of training."""
    model.zero_grad()
    logits, _ = model(x)
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def assert_flat(work: Callable[[], bool], times: int) -> None:
    """`work` returns whether its result was right; memory is measured from a tenth of the way on."""
    for _ in range(times // 10):
        assert work()
    before = resident_kib()
    for _ in range(times - times // 10):
        assert work()
    after = resident_kib()
    print(f"resident KiB: {before} after {times // 10}, {after} after {times}")
    assert after - before < GROWTH_KIB


@pytest.mark.parametrize("kind", ["sequences", "events"])
def test_ten_thousand_steps_of_training(kind: str) -> None:
    model, x = (deep(), torch.randn(2, 70, 3)) if kind == "sequences" else flames()
    expected = [t.clone() for t in step(model, x)]
    assert_flat(lambda: same(step(model, x), expected), 10_000)


@pytest.mark.parametrize("kind", ["sequences", "events"])
def test_five_thousand_streams_made_and_dropped(kind: str) -> None:
    if kind == "sequences":
        model, x = deep(), torch.randn(9, 3)
    else:
        model = network(CASES["base"])
        x = events_for(model.config, 60, steps=30)

    def answer() -> Tensor:
        stream = Stream(model)
        stream.push(x)
        return stream.logits()

    expected = answer()
    assert_flat(lambda: torch.equal(answer(), expected), 5_000)


def test_eight_threads() -> None:
    """Training steps of large and small networks and streams side by side, each held against what it gave alone."""
    torch.set_num_threads(1)
    steps = [(deep(), torch.randn(2, 70, 3)), (deep(40), torch.randn(3, 290, 3)), flames(), flames("wide")]
    streamed, events = network(CASES["two fronts"]), events_for(CASES["two fronts"], 3000, steps=1000)

    def stream() -> Tensor:
        made = Stream(streamed)
        for packet in np.array_split(events, 7):
            made.push(packet)
        return made.logits()

    jobs: list[Callable[[], list[Tensor]]] = [lambda k=k: step(*steps[k]) for k in range(4)]  # type: ignore[misc]
    jobs += [lambda: [stream()]] * 4
    alone = [[t.clone() for t in job()] for job in jobs]
    until, counts, resident = time.monotonic() + 60 * MINUTES, [0] * 8, list[int]()

    def work(k: int) -> bool:
        while time.monotonic() < until:
            if not same(jobs[k](), alone[k]):
                return False
            counts[k] += 1
            if k == 0 and counts[0] % 200 == 0:
                resident.append(resident_kib())
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [True] * 8
    settled = resident[len(resident) // 4 :]
    print(f"jobs {counts}, resident KiB: {resident[0]} first, {settled[0]} at a quarter, {settled[-1]} last")
    assert settled[-1] - settled[0] < GROWTH_KIB

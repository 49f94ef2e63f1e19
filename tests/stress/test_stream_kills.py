"""A process that is killed while it saves a stream leaves the state before or the state after."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from event_samples import random_events
from longspike import Stream
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig

KILLS = 60
STEPS = 10


def sequences() -> tuple[Callable[[], Stream], Callable[[Stream, int], None], Callable[[Stream], int]]:
    torch.manual_seed(0)
    model = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=64, num_layers=4, d_state=64, num_outputs=3)).eval()
    x = torch.randn(1 << 14, 2)
    return lambda: Stream(model), lambda stream, k: stream.push(x[k * STEPS : (k + 1) * STEPS]), lambda s: s.num_steps


def events() -> tuple[Callable[[], Stream], Callable[[Stream, int], None], Callable[[Stream], int]]:
    torch.manual_seed(0)
    model = Flames.from_preset("tiny", sensor_size=(64, 48), num_classes=3, channels=8, num_branches=2)
    recording = random_events(STEPS << 12, (64, 48), duration_us=4_000_000, seed=1)
    packets = np.split(recording, len(recording) // STEPS)
    return lambda: Stream(model), lambda stream, k: stream.push(packets[k]), lambda s: s.counts.events


@pytest.mark.needs_extension
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", [sequences, events])
def test_a_kill_within_a_save_leaves_the_old_or_the_new(tmp_path: Path, kind: Callable) -> None:
    torch.set_num_threads(1)
    fresh, push, count = kind()
    path, rng, seen = tmp_path / "state", np.random.default_rng(0), []
    reference, done = fresh(), 0
    reference.save(path)
    for _ in range(KILLS):
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:  # nothing but pushes and saves, until it is killed
            try:
                stream = fresh()
                stream.restore(path)
                while True:
                    push(stream, count(stream) // STEPS)
                    stream.save(path)
                    os.write(tell, b".")
            finally:
                os._exit(1)
        os.close(tell)
        os.read(ready, 1)  # it saves by now
        time.sleep(float(rng.uniform(0, 0.03)))
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        os.close(ready)
        restored = fresh()
        restored.restore(path)
        while done < count(restored) // STEPS:
            push(reference, done)
            done += 1
        assert count(reference) == count(restored)
        assert torch.equal(reference.logits(), restored.logits()) if done else True
        seen.append(done)
    reference.save(path)
    print(f"saves survived: {seen}")
    assert len(set(seen)) > KILLS // 2
    assert [file.name for file in tmp_path.iterdir()] == ["state"]

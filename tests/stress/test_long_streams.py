"""Streams that run for a hundred million steps or events: memory, counts, and saving in between."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from longspike import Stream
from longspike.events import EVENT_DTYPE
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig

MANY = 100_000_000
PACKET = 200_000
ALLOWED_KB = 4096
"""By which a process may grow after it is warm."""


def resident_kb(process: int | str = "self") -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.needs_extension
@pytest.mark.timeout(6000)
def test_a_hundred_million_events(tmp_path: Path) -> None:
    """With a far event in every packet and a clock that starts again every so often."""
    torch.manual_seed(0)
    size, restarts = (34, 26), 50
    model = Flames.from_preset("tiny", sensor_size=size, num_classes=3, channels=8, num_branches=2)
    rng = np.random.default_rng(0)
    packet = np.zeros(PACKET, EVENT_DTYPE)
    packet["x"], packet["y"], packet["p"] = (rng.integers(0, n, PACKET) for n in (*size, 2))
    times = np.sort(rng.integers(0, 20_000_000, PACKET))
    stream, memory = Stream(model), []
    num_packets = MANY // PACKET
    for k in range(num_packets):
        packet["t"] = times + 20_000_000 * (k % (num_packets // restarts))
        packet["t"][PACKET // 2] = 2**50 + k
        stream.push(packet)
        if (k + 1) % (num_packets // 5) == 0:
            memory.append(resident_kb())
            stream.save(tmp_path / "state")
            stream = Stream(model)
            stream.restore(tmp_path / "state")
    stream.flush()
    print(f"resident kB: {memory}; {stream.counts}")
    counts = stream.counts
    assert (counts.events, counts.late, counts.far, counts.jumps) == (MANY, 0, num_packets, restarts - 1)
    assert stream.time_us > 20_000_000 * (num_packets - 1)
    assert bool(stream.logits().isfinite().all())
    assert memory[-1] - memory[0] < ALLOWED_KB


@pytest.mark.needs_extension
@pytest.mark.timeout(6000)
def test_a_hundred_million_steps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SpikeSSM(SpikeSSMConfig(d_input=1, d_model=4, num_layers=1, d_state=2, num_outputs=3)).eval()
    x = torch.randn(PACKET, 1)
    stream, memory, first = Stream(model), [], None
    for k in range(MANY // PACKET):
        stream.push(x)
        if k == 49:  # the input repeats, and so does its mean
            first = stream.logits()
        if (k + 1) % (MANY // PACKET // 5) == 0:
            memory.append(resident_kb())
            stream.save(tmp_path / "state")
            stream = Stream(model)
            stream.restore(tmp_path / "state")
    print(f"resident kB: {memory}; logits {stream.logits()} after {stream.num_steps}")
    assert stream.num_steps == MANY
    torch.testing.assert_close(stream.logits(), first, rtol=1e-4, atol=1e-4)
    assert memory[-1] - memory[0] < ALLOWED_KB


@pytest.mark.timeout(6000)
def test_a_pipe_into_the_command_line(tmp_path: Path) -> None:
    """Lines come out while the pipe is open, and memory stands still."""
    num_lines, every = int(os.environ.get("LONGSPIKE_STRESS_LINES", "2_000_000")), 10_000
    SpikeSSM(SpikeSSMConfig(d_input=1, d_model=6, num_layers=1, d_state=2, num_outputs=3)).save(tmp_path / "model")
    words = ["stream", str(tmp_path / "model"), "-", "--every", str(every), "--json", "--on-error", "skip"]
    code = f"import sys; from longspike.cli.main import main; sys.exit(main({words!r}))"
    lines = "".join(f"{value:.3f}\n" for value in np.random.default_rng(0).normal(size=every - 1)) + "broken\n0.5\n"
    memory = []
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for k in range(num_lines // every):
            process.stdin.write(lines)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["step"] == (k + 1) * every
            if (k + 1) % (num_lines // every // 5) == 0:
                memory.append(resident_kb(process.pid))
        process.stdin.close()
        result = json.loads(process.stdout.readline())
    print(f"resident kB: {memory}; {result}")
    assert (result["steps"], result["skipped"]) == (num_lines, num_lines // every)
    assert memory[-1] - memory[0] < ALLOWED_KB

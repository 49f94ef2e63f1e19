"""The benchmarks' own parts on the CPU: sources, timings, and what would run on a GPU."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import longspike.bench.events.__main__ as events_command
import longspike.bench.gpu.__main__ as gpu_run
from longspike.bench.events import sources, timing
from longspike.bench.gpu import flames, flames_decisions, flames_kernels, flames_speed, sequence
from longspike.events import EVENT_DTYPE
from longspike.kernels import native
from longspike.models import Flames
from longspike.streaming import EventStream
from tolerances import DENDRITE_GRADIENT, LIF_GRADIENT_F32, SA_HIPPO_GRADIENT

needs_extension = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")


@pytest.mark.parametrize("kind", ["moving_edges", "uniform_noise"])
def test_synthetic_events_lie_on_the_sensor_come_at_their_rate_and_repeat(kind: str) -> None:
    make = getattr(sources, kind)
    events = make((70, 31), 5000, rate_hz=2e5, seed=3)
    assert events.dtype == EVENT_DTYPE
    assert events["x"].max() < 70
    assert events["y"].max() < 31
    assert set(events["p"]) == {0, 1}
    assert np.array_equal(events["t"], np.arange(5000) * 5)
    assert np.array_equal(events, make((70, 31), 5000, rate_hz=2e5, seed=3))
    assert not np.array_equal(events, make((70, 31), 5000, rate_hz=2e5, seed=4))


def test_moving_edges_stay_together_and_noise_does_not() -> None:
    edges, noise = (
        make((640, 480), 20_000, rate_hz=1e6, seed=0) for make in (sources.moving_edges, sources.uniform_noise)
    )
    blocks = [len(np.unique(events["y"] // 8 * 80 + events["x"] // 8)) for events in (edges, noise)]
    assert 3 * blocks[0] < blocks[1]


def test_a_repeated_recording_does_not_run_backwards_and_a_slowed_one_has_its_rate() -> None:
    events = sources.uniform_noise((9, 7), 100, rate_hz=1e6, seed=0)
    repeated = sources.repeated(events, 250)
    assert len(repeated) == 250
    assert (np.diff(repeated["t"]) >= 0).all()
    assert repeated["t"][100] == events["t"][-1] + 1000
    assert np.array_equal(repeated["x"][100:200], events["x"])
    assert sources.slowed(events, 1e3)["t"][-1] == 100_000


@needs_extension
def test_a_network_fires_at_the_rate_it_was_scaled_to() -> None:
    events = sources.uniform_noise((61, 47), 6000, rate_hz=1e5, seed=0)
    model = sources.network("tiny", (61, 47), 500, events, rate=0.05)
    stream = EventStream(model)
    stream.push(events)
    rates = [s / u for s, u in zip(stream.counts.spikes, stream.counts.updates, strict=True)]
    assert all(0.02 < rate < 0.1 for rate in rates), rates


@needs_extension
def test_timings_count_what_they_push() -> None:
    model = Flames.from_preset("tiny", sensor_size=(61, 47), num_classes=5, step_us=100)
    events = sources.uniform_noise((61, 47), 2000, rate_hz=1e6, seed=0)
    sustained = timing.sustained(model, events, packet=300, rounds=1)
    assert sustained["events"] == 2000
    assert sustained["events_per_s"] > 0
    assert timing.latency(model, events)["steps"] == 20
    assert timing.real_time(model, events, seconds=0.001)["events"] == 1000
    assert timing.on_threads(model, events, packet=300, num_threads=2)["threads"] == 2
    assert timing.memory(model)["memory_bytes"] > 0
    assert timing.warm_stream(model).counts.updates[0] == 32 * 31 * 24  # every position, every channel


@needs_extension
def test_the_command_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = events_command.Effort(events=1500, rounds=1, seconds=0.001, eager_events=100)
    monkeypatch.setattr(events_command, "QUICK", tiny)
    monkeypatch.setattr(events_command, "LARGE", (34, 34))
    monkeypatch.setattr(events_command, "data_file", lambda: tmp_path / "missing.raw")
    output = tmp_path / "events.json"
    monkeypatch.setattr(sys, "argv", ["events", "--quick", "--parts", "packets", "file", "--output", str(output)])
    events_command.main()
    report = json.loads(output.read_text())
    assert [row["packet"] for row in report["packets"]] == [1, 100, 1000, 65536]
    assert report["file"] == []
    assert report["published"]["latency_ms"] == 42.1


def test_routes_of_the_memory_agree_as_a_gpu_session_compares_them() -> None:
    found = flames.memory_parity(torch.device("cpu"))
    assert {name.split(":")[0] for name in found} == {"sa_hippo chunked", "sa_hippo fft", "sa_hippo reference"}
    assert max(found.values()) < 1e-3, found


def test_a_network_agrees_with_itself() -> None:
    found = flames.network_parity(torch.device("cpu"))
    assert found["flames: front spikes"] > 0
    assert found["flames: front spikes that differ"] == 0
    assert found["flames: logits, relative error"] == 0


def once(step: Callable[[], object], rounds: int) -> dict[str, float]:
    step()
    return {"median_ms": 0.0}


@needs_extension
def test_training_steps_run_every_size_and_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flames, "TASKS", {"short": (3, 5, 2)})
    rows = flames.training_steps(torch.device("cpu"), once, tasks=("short",))
    assert {(row["network"], row["route"]) for row in rows} == {
        (f"flames {size}", route) for size in ("tiny", "small", "normal") for route in ("recurrent", "chunked", "fft")
    }


@needs_extension
def test_the_memory_agrees_with_its_reference_as_a_gpu_session_compares_them() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    found = flames_kernels.memory_kernels(torch.device("cpu"), flames_kernels.MemorySize(2, 2, 1, 1, (2, 0)))
    assert all(x for x in found.values() if isinstance(x, bool)), found
    assert max(x for x in found.values() if not isinstance(x, bool)) < SA_HIPPO_GRADIENT["float32"], found


@needs_extension
def test_the_front_agrees_with_its_reference_as_a_gpu_session_compares_them() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    found = flames_kernels.front_kernels(torch.device("cpu"), flames_kernels.FrontSize(2, 3, (5, 4), (4, 0, 3)))
    assert found.pop("dendritic_conv: spikes") > 0
    assert all(x for x in found.values() if isinstance(x, bool)), found
    assert max(x for x in found.values() if not isinstance(x, bool)) < DENDRITE_GRADIENT["float32"], found


@needs_extension
def test_speeds_of_the_memory_and_the_front() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    cpu = torch.device("cpu")
    found = flames_speed.memory_speed(
        cpu, once, ((1, 9), (2, 5)), {"d_model": 4, "d_state": 4, "rank": 2, "num_heads": 2}
    )
    assert [row["route"] for row in found["rows"]] == ["recurrent", "chunked", "chunked in torch"] * 2
    assert "flash-linear-attention did not load" in flames_speed.fla_speed(cpu, once)["skipped"]
    found = flames_speed.front_speed(cpu, once, {"small": flames_kernels.FrontSize(2, 3, (5, 4), (2, 0, 2))})
    assert 0 < found["small"]["chains"] <= found["small"]["rows"]


@needs_extension
def test_latencies_and_training_on_events() -> None:
    cpu = torch.device("cpu")
    found = flames_decisions.decision_latency(cpu, ("tiny",), (34, 20), events=20, rounds=3)
    assert found["published"]["tiny_ms"] == 0.162
    assert 0 < found["tiny"]["ticks_a_packet"] <= 1
    assert set(flames_decisions.tick_latency(cpu, once, ("tiny",), (34, 20))) == {"tiny"}
    found = flames_decisions.event_training(cpu, once, ("tiny",), batch=2, events=30, sensor_size=(20, 12))
    assert set(found) == {"tiny, front auto", "tiny, front reference"}


def test_the_parts_of_a_gpu_session_are_listed() -> None:
    parts = flames.parts(torch.device("cpu"), once)
    assert next(iter(parts)) == "flames_kernels"
    assert len(parts) == 10


@pytest.fixture
def gpu_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """The command on the CPU, where Triton's interpreter runs the kernels, at sizes of a second."""
    tiny = {"parity": (1, 67, 3), "neuron": ((1, 9, 3),), "s4d": ((1, 9, 3),), "n_pairs": 2, "rounds": 1}
    monkeypatch.setattr(
        sequence, "QUICK", sequence.Sizes(**tiny, presets=("digits",), neurons=("refractory", "sdn"), seqlen=9, batch=2)
    )
    monkeypatch.setattr(sequence, "compiled_torch_loop", lambda: lambda x: x * 2)

    def call(*options: str) -> dict:
        output = tmp_path / "gpu.json"
        monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu", "--quick", "--output", str(output), *options])
        try:
            gpu_run.main()
        finally:
            report = json.loads(output.read_text()) if output.exists() else {}
        return report

    return call


@pytest.mark.slow
@needs_extension
def test_the_gpu_command_finds_the_kernels_right(gpu_command: Callable[..., dict]) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    report = gpu_command("--parts", "neuron_kernels", "scan_kernels")
    for name in ("neuron_kernels", "scan_kernels"):
        found = report[name]
        assert all(x for key, x in found.items() if isinstance(x, bool)), found
        assert max(x for x in found.values() if isinstance(x, float)) < LIF_GRADIENT_F32, found
    assert report["neuron_kernels"]["speculative subtract: repaired"] > 0
    assert report["scan_kernels"]["spikes"] > 0
    assert all(row["reached"] is None for row in report["goals"].values())


@pytest.mark.slow
@needs_extension
def test_the_gpu_command_times_and_goes_on_after_a_failure(
    gpu_command: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    names = ("neuron_speed", "s4d_speed", "training_step", "neuron_peers")
    report = gpu_command("--parts", *names)
    assert set(report["seconds"]) == set(names)
    assert report["neuron_speed"][0]["speculative"]["share_of_copy"] > 0
    assert report["s4d_speed"][0]["scan"]["training"]["median_ms"] > 0
    assert report["training_step"][0]["over_sdn"] > 0
    assert report["neuron_peers"][0]["training"]["median_ms"] > 0
    monkeypatch.setattr(sequence, "s4d_speed", lambda *_: 1 / 0)
    with pytest.raises(SystemExit, match="failed: s4d_speed"):
        gpu_command("--parts", "s4d_speed", "training_step")
    with pytest.raises(SystemExit, match="no part is called missing"):
        gpu_command("--parts", "missing")


def test_goals_stand_beside_what_was_reached() -> None:
    shares = lambda a, b: {"sequential": {"share_of_copy": a}, "speculative": {"share_of_copy": b}}  # noqa: E731
    rows = [
        {"shape": [64, 1024, 256], **shares(0.9, 0.2)},
        {"shape": [8, 16384, 256], **shares(0.3, 0.85)},
        {"shape": [1, 262144, 128], **shares(0.1, 0.8), "speculative_over_sequential": 12.0},
    ]
    found = gpu_run.goals({"neuron_speed": rows, "training_step": [{"preset": "scifar", "over_sdn": 2.5}]})
    assert [row["reached"] for row in found.values()] == [0.85, 12.0, 2.5]


def test_the_gpu_command_says_that_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu_run.main()

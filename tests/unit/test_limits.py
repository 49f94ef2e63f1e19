"""The bounds of docs/limits.md: each value that is still taken, and what the next one meets."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import longspike
from longspike.errors import CheckpointError, ConfigError
from longspike.events import make_events, read, write
from longspike.events.transforms import scale_time
from longspike.models import (
    FlamesConfig,
    FlamesSequenceConfig,
    MemoryConfig,
    SpikeSSM,
    SpikeSSMConfig,
    build,
    checkpoint,
)
from longspike.nn import SAHippo
from longspike.training import TrainingConfig

NETWORKS = [
    (SpikeSSMConfig, {"d_model": 65_536}),
    (SpikeSSMConfig, {"d_state": 4_096}),
    (SpikeSSMConfig, {"num_layers": 1_024}),
    (SpikeSSMConfig, {"d_input": 16_777_216}),
    (SpikeSSMConfig, {"num_outputs": 16_777_216}),
    (MemoryConfig, {"d_model": 65_536}),
    (MemoryConfig, {"d_state": 4_096}),
    (MemoryConfig, {"num_layers": 1_024}),
    (MemoryConfig, {"rank": 64}),
    (FlamesConfig, {"channels": 65_536}),
    (FlamesConfig, {"num_branches": 65_536}),
    (FlamesConfig, {"num_fronts": 1_024}),
    (FlamesConfig, {"num_outputs": 16_777_216}),
    (FlamesConfig, {"kernel": 255}),
    (FlamesConfig, {"stride": 65_536}),
    (FlamesConfig, {"pool": 65_536}),
    (FlamesConfig, {"downsample": 65_536}),
    (FlamesConfig, {"window": 2**31}),
    (FlamesConfig, {"step_us": 2**62}),
    (FlamesConfig, {"sensor_size": (65_536, 65_536)}),
    (FlamesSequenceConfig, {"d_input": 16_777_216}),
    (FlamesSequenceConfig, {"num_branches": 65_536}),
    (TrainingConfig, {"seed": 2**63 - 1}),
    (TrainingConfig, {"num_threads": 1_024}),
]


@pytest.mark.parametrize(("kind", "largest"), NETWORKS, ids=lambda value: str(value)[:40])
def test_configurations(kind: Callable[..., object], largest: dict) -> None:
    kind(**largest)
    (name, value), *_ = largest.items()
    beyond = (value[0] + 1, value[1]) if isinstance(value, tuple) else value + 1 + (name == "d_state")
    with pytest.raises(ConfigError, match=f"`{name}` must .*got"):
        kind(**{name: beyond})


def test_heads_and_layers() -> None:
    MemoryConfig(num_heads=65_536, d_model=65_536)
    with pytest.raises(ConfigError, match="`num_heads` must be an integer of at least 1 and at most 65536"):
        MemoryConfig(num_heads=65_537)
    with pytest.raises(ValueError, match="`rank` must be at most 64; got 65"):
        SAHippo(6, d_state=128, rank=65)


def test_the_memory_of_the_machine() -> None:
    with pytest.raises(ConfigError, match=r"weights of this network take at least .* GB"):
        build(SpikeSSMConfig(d_model=65_536, num_layers=1_024))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=1, d_state=4)).save(tmp_path / "model")
    return tmp_path / "model"


def test_the_size_of_a_configuration(saved: Path) -> None:
    file = saved / "config.json"
    text = file.read_text()
    file.write_text(text + " " * ((16 << 20) - len(text)))
    longspike.load(saved)
    file.write_text(text + " " * ((16 << 20) - len(text) + 1))
    with pytest.raises(CheckpointError, match=r"more than 16,777,216 bytes"):
        longspike.load(saved)


@pytest.mark.parametrize(
    "change", [{"d_model": 65_536}, {"num_layers": 1_024}, {"d_state": 4_096}, {"d_input": 1 << 24}]
)
def test_the_largest_network_takes_no_memory_if_its_weights_are_not_there(
    saved: Path, change: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = json.loads((saved / "config.json").read_text())
    description["config"].update(change)
    (saved / "config.json").write_text(json.dumps(description))
    monkeypatch.setattr(SpikeSSM, "__init__", lambda *_: pytest.fail("a network was built"))
    with pytest.raises(CheckpointError, match="these tensors differ"):
        longspike.load(saved)


def test_the_dtype_of_weights(tmp_path: Path) -> None:
    for dtype in checkpoint.FLOAT_DTYPES:
        SpikeSSM.from_preset("digits").to(dtype).save(tmp_path / "model")
        assert longspike.load(tmp_path / "model").dtype == dtype
    model = SpikeSSM.from_preset("digits")
    model.decoder.to(torch.float8_e4m3fn)
    with pytest.raises(ValueError, match=r"must have one dtype of float32, float64, bfloat16, float16; got .*float8"):
        model.save(tmp_path / "model")


def test_times_that_are_scaled() -> None:
    events = make_events(x=[1], y=[1], t=[2**52], p=[1])
    assert scale_time(events, factor=2.0)["t"].tolist() == [2**53]
    with pytest.raises(ValueError, match=r"`factor` must keep times within 2\*\*53 microseconds"):
        scale_time(events, factor=2.0 + 2**-50)


def test_times_of_events(tmp_path: Path) -> None:
    events = make_events(x=[1, 1], y=[1, 2], t=[0, 2**62], p=[1, 0])
    write(tmp_path / "a.npz", events, sensor_size=(3, 3))
    assert read(tmp_path / "a.npz").events["t"][1] == 2**62
    events["t"][1] += 1
    with pytest.raises(ValueError, match=r"has a time outside \[0, 2\^62\]"):
        write(tmp_path / "a.npz", events, sensor_size=(3, 3))

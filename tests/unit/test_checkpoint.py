"""Saved models: the round trip, and everything that is refused."""

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.utils.prune as prune
from torch.nn.utils.parametrizations import weight_norm

import longspike
from longspike.errors import CheckpointError, ConfigError
from longspike.layers.neuron import NEURONS
from longspike.models import (
    FlamesConfig,
    FlamesSequenceConfig,
    MemoryConfig,
    SpikeSSM,
    SpikeSSMConfig,
    build,
    checkpoint,
)
from longspike.models.flames_presets import flames_preset
from longspike.models.presets import preset
from longspike.models.shapes import main_shapes
from longspike.nn import NeuronConfig


def network(**changes) -> SpikeSSM:
    neuron = NeuronConfig(beta=0.4, reset="zero", surrogate="atan", surrogate_scale=1.5, trains_beta=True)
    options = {"d_input": 2, "d_model": 5, "num_layers": 2, "d_state": 4, "num_outputs": 3, "neuron": neuron}
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes}))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network().save(tmp_path / "model", metadata={"seed": 7})
    return tmp_path / "model"


@pytest.mark.parametrize("kind", NEURONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_round_trip(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    model = network(neuron=NeuronConfig(kind=kind)).to(dtype).train()
    model.save(tmp_path / "deep" / "model")
    loaded = longspike.load(tmp_path / "deep" / "model")
    assert loaded.config == model.config
    assert not loaded.training
    assert model.training
    assert loaded.dtype == dtype
    expected = model.state_dict()
    assert {name: x.requires_grad for name, x in loaded.named_parameters()} == {
        name: x.requires_grad for name, x in model.named_parameters()
    }
    for name, x in loaded.state_dict().items():
        assert torch.equal(x, expected[name]), name
    if kind != "bernoulli":
        x = torch.randn(2, 9, 2, dtype=dtype)
        assert torch.equal(loaded(x)[0], model.eval()(x)[0])


def test_config_survives_with_every_field_changed(tmp_path: Path) -> None:
    model = network(
        norm="post", init="legs", dt_min=0.01, dt_max=0.2, discretisation="bilinear", is_bidirectional=True, pool="none"
    )
    model.save(tmp_path / "model")
    assert longspike.load(str(tmp_path / "model")).config == model.config


def test_a_run_folder_is_its_model(saved: Path) -> None:
    of_run, of_model = longspike.load(saved.parent), longspike.load(saved)
    assert all(torch.equal(a, b) for a, b in zip(of_run.parameters(), of_model.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="is not a saved model"):
        longspike.load(saved.parent.parent)


def test_what_is_written(saved: Path) -> None:
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", "model.safetensors"]
    description = json.loads((saved / "config.json").read_text())
    assert description["metadata"] == {"seed": 7}
    assert description["format_version"] == checkpoint.FORMAT_VERSION
    assert description["longspike_version"] == longspike.__version__


def test_saving_again_replaces_and_leaves_nothing_behind(saved: Path) -> None:
    other = network()
    other.save(saved)
    assert torch.equal(longspike.load(saved).decoder.weight, other.decoder.weight)
    assert [file.name for file in saved.parent.iterdir()] == ["model"]


def edit(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        description = json.loads((path / "config.json").read_text())
        change(description)
        (path / "config.json").write_text(json.dumps(description))

    return damage


def weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        tensors = safetensors.torch.load_file(path / "model.safetensors")
        tensors = {name: x.clone() for name, x in tensors.items()}
        change(tensors)
        safetensors.torch.save_file(tensors, path / "model.safetensors")

    return damage


def truncate(name: str, size: int) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:size])


DAMAGE = {
    "no config": (lambda path: (path / "config.json").unlink(), "there is no config.json in it"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), "there is no model.safetensors in it"),
    "bad json": (truncate("config.json", 40), "damaged or not a longspike model"),
    "not an object": (lambda path: (path / "config.json").write_text("[1, 2]"), "damaged or not a longspike model"),
    "not text": (lambda path: (path / "config.json").write_bytes(b"\xff\xfe\x00"), "damaged or not a longspike model"),
    "other program": (edit(lambda d: d.update(format="other")), "is not a longspike model"),
    "no metadata": (edit(lambda d: d.pop("metadata")), "is not a longspike model"),
    "other version": (
        edit(lambda d: d.update(format_version=99)),
        "has format version 99; this longspike .* reads version 1",
    ),
    "unknown model": (
        edit(lambda d: d.update(model="Perceptron")),
        "holds a Perceptron, which this longspike does not know",
    ),
    "unknown field": (edit(lambda d: d["config"].update(colour=1)), "there is no key .config.colour"),
    "unknown neuron field": (
        edit(lambda d: d["config"]["neuron"].update(colour=1)),
        "there is no key .config.neuron.colour",
    ),
    "no neuron": (edit(lambda d: d["config"].pop("neuron")), "does not fit its configuration"),
    "invalid value": (edit(lambda d: d["config"].update(d_state=3)), "is not valid.*d_state"),
    "invalid type": (edit(lambda d: d["config"].update(dropout="much")), "is not valid"),
    "unknown kind": (edit(lambda d: d["config"]["neuron"].update(kind="cell")), "is not valid.*kind"),
    "truncated weights": (truncate("model.safetensors", 200), "is truncated or damaged"),
    "half the weights": (truncate("model.safetensors", 1500), "is truncated or damaged"),
    "empty weights": (truncate("model.safetensors", 0), "is truncated or damaged"),
    "missing tensor": (weights(lambda w: w.pop("decoder.bias")), "these tensors differ: decoder.bias"),
    "additional tensor": (weights(lambda w: w.update(extra=torch.zeros(2))), "these tensors differ: extra"),
    "other shape": (
        weights(lambda w: w.update({"decoder.bias": torch.zeros(4)})),
        "these tensors differ: decoder.bias",
    ),
    "other size": (edit(lambda d: d["config"].update(d_model=6)), "does not fit its configuration"),
    "large config": (
        lambda path: (path / "config.json").write_text(" " * ((1 << 24) + 1)),
        "has more than 16,777,216 bytes",
    ),
    "many layers": (
        edit(lambda d: d["config"].update(num_layers=1000)),
        "blocks.2.mix.weight must have .* is not in it",
    ),
    "too many layers": (
        edit(lambda d: d["config"].update(num_layers=10**6)),
        "`num_layers` must be an integer .* 1024",
    ),
    "large state": (
        edit(lambda d: d["config"].update(d_state=4096)),
        r"blocks.0.ssm.A_imag must have .*\(2, 5\) in it",
    ),
    "too large state": (
        edit(lambda d: d["config"].update(d_state=10**9)),
        "`d_state` must be an integer .* at most 4096",
    ),
    "wide": (edit(lambda d: d["config"].update(d_model=65536)), r"encoder.weight must have shape \(65536, 2\)"),
    "too wide": (edit(lambda d: d["config"].update(d_model=2**63)), "`d_model` must be an integer .* at most 65536"),
    "fp8": (
        weights(lambda w: w.update({k: x.to(torch.float8_e5m2) for k, x in w.items()})),
        "holds weights of torch.float8_e5m2; a network has one of float32",
    ),
    "nan": (weights(lambda w: w["decoder.bias"].fill_(float("nan"))), "holds NaN or infinity in decoder.bias"),
    "infinity": (weights(lambda w: w["decoder.bias"].fill_(float("inf"))), "holds NaN or infinity in decoder.bias"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(saved: Path, damage: str) -> None:
    apply, message = DAMAGE[damage]
    apply(saved)
    with pytest.raises(CheckpointError, match=message):
        longspike.load(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_may_not_be_read_is_called_so(saved: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def guarded(self: Path, *arguments, **options):
        if self.name == name:
            raise PermissionError(errno.EACCES, "denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        longspike.load(saved)


NETWORKS = {
    "tokens": SpikeSSMConfig(d_input=7, d_model=6, num_layers=2, d_state=4, encoder="embedding", is_bidirectional=True),
    "tied": SpikeSSMConfig(d_model=6, num_layers=2, d_state=4, n_ssm=2, trains_b=True, has_final_norm=True),
    "flames": FlamesConfig(sensor_size=(12, 9), num_fronts=2, memory=MemoryConfig(d_model=6, d_state=4, rank=2)),
    "lif": FlamesConfig(sensor_size=(12, 9), downsample=2, memory=MemoryConfig(kind="lif", d_model=6)),
    "diagonal": FlamesSequenceConfig(memory=MemoryConfig(d_model=6, d_state=4, rank=2, structure="diag")),
    "sequence": FlamesSequenceConfig(d_input=3, num_branches=5, memory=MemoryConfig(d_model=6, d_state=4, rank=3)),
    **{name: flames_preset(name, sensor_size=(34, 30), num_classes=11) for name in ("tiny", "small")},
    **{name: preset(name) for name in ("digits", "smnist-small")},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_main_shapes_are_those_of_the_network_and_most_of_it(name: str) -> None:
    shapes = dict(main_shapes(NETWORKS[name]))
    held = {key: tuple(x.shape) for key, x in build(NETWORKS[name]).state_dict().items()}
    assert {key: held.get(key) for key in shapes} == shapes
    assert sum(map(math.prod, held.values())) < 8 * sum(map(math.prod, shapes.values()))


def test_a_network_that_does_not_fit_into_memory_is_not_begun() -> None:
    with pytest.raises(ConfigError, match=r"take at least 35,\d+ GB; this machine has .* Make it smaller"):
        build(SpikeSSMConfig(d_model=65536, num_layers=1024))


def change_parts(model: SpikeSSM) -> None:
    model.decoder = torch.nn.Linear(5, 7)


UNLOADABLE = {
    "pruned": (
        lambda model: prune.l1_unstructured(model.decoder, "weight", 0.5),
        "differ: decoder.weight, .*prune.remove",
    ),
    "parametrised": (lambda model: weight_norm(model.decoder), "differ: decoder.*remove_parametrizations"),
    "replaced": (change_parts, "differ: decoder.bias, decoder.weight"),
    "fp8": (
        lambda model: model.decoder.to(torch.float8_e4m3fn),
        "must have one dtype .*got float32, float8_e4m3fn. Con",
    ),
    "mixed": (lambda model: model.decoder.double(), "must have one dtype .*got float32, float64. Convert"),
    "meta": (lambda model: model.to("meta"), "on the meta device"),
}


@pytest.mark.parametrize("change", UNLOADABLE)
def test_what_could_not_be_loaded_is_not_saved(saved: Path, change: str) -> None:
    model, before = network(), (saved / "model.safetensors").read_bytes()
    UNLOADABLE[change][0](model)
    with pytest.raises(ValueError, match=r"SpikeSSM.save: .*" + UNLOADABLE[change][1]):
        model.save(saved)
    assert (saved / "model.safetensors").read_bytes() == before


def test_saving_draws_no_random_number(tmp_path: Path) -> None:
    model, before = network(), torch.get_rng_state()
    model.save(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a saved model"):
        longspike.load(tmp_path / "nothing")


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(CheckpointError, match="exists and is not a saved model"):
        network().save(tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


def test_a_failing_write_leaves_the_old_model(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = longspike.load(saved).decoder.weight

    def full_disk(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.safetensors.torch, "save_file", full_disk)
        with pytest.raises(OSError, match="model: No space left"):
            network().save(saved)
    with pytest.raises(TypeError):
        network().save(saved, metadata={"not json": object()})
    assert torch.equal(longspike.load(saved).decoder.weight, before)
    assert [file.name for file in saved.parent.iterdir()] == ["model"]

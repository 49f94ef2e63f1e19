"""Arguments that once crashed, read foreign memory, or were taken without a word."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import longspike
from longspike._core import files
from longspike.errors import CheckpointError, FileWriteError
from longspike.functional import hard_reset_orbit, refractory_lif
from longspike.kernels import native
from longspike.kernels._spiking import spans
from longspike.kernels.mixing import glu, linear
from longspike.kernels.s4d_scan import arguments as s4d
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import S4D, NeuronConfig, RefractoryLIF, SpikeLinear
from longspike.streaming import Stream


def small(**changes: object) -> SpikeSSM:
    config: dict = {"d_model": 6, "num_layers": 2, "d_state": 4, **changes}
    return SpikeSSM(SpikeSSMConfig(**config)).eval()


def test_strided_bias_and_weight_are_read_where_they_lie() -> None:
    x, weight, bias = torch.randn(3, 7, 5), torch.randn(5, 11).t(), torch.randn(22)[::2]
    for _ in range(20):  # the freed copy was overwritten sooner or later
        torch.testing.assert_close(linear(x, weight, bias), torch.nn.functional.linear(x, weight, bias))


def test_linear_and_glu_check_widths() -> None:
    with pytest.raises(ValueError, match=r"linear: `x` must have 400 features on its last axis; got shape \(2, 5\)"):
        SpikeLinear(400, 6)(torch.ones(2, 5))
    for method in ("compiled", "reference") if native.is_available() else ("reference",):
        with pytest.raises(ValueError, match=r"linear: `bias` must have shape \(3,\)"):
            linear(torch.ones(2, 5), torch.ones(3, 5), torch.ones(4), method=method)
        with pytest.raises(ValueError, match="glu: `x` must have an even number of features"):
            glu(torch.ones(2, 5), method=method)
        none = linear(torch.ones(2, 0), torch.ones(3, 0), torch.full((3,), 2.0), method=method)
        assert torch.equal(none, torch.full((2, 3), 2.0))


@pytest.mark.parametrize("batch", [1, 65])
def test_neuron_checks_the_batch_of_its_state(batch: int) -> None:
    neuron = RefractoryLIF(3)
    with pytest.raises(ValueError, match=r"`state.v` must have shape \(64, 3\)"):
        neuron(torch.zeros(64, 50, 3), neuron.init_state(batch))


@pytest.mark.parametrize(("batch", "channels"), [(2, 0), (0, 3), (0, 0)])
def test_no_channels_and_no_samples(batch: int, channels: int) -> None:
    current = torch.zeros(batch, 70, channels, requires_grad=True)
    for method in ("reference", "sequential", "speculative"):
        spikes, state = refractory_lif(current, beta=0.5, method=method)
        assert spikes.shape == current.shape
        assert state.v.shape == (batch, channels)
        (spikes.sum() + state.v.sum()).backward()
    if channels:
        assert S4D(channels, d_state=4)(current)[0].shape == current.shape


def test_operators_refuse_mixed_dtypes() -> None:
    layer = S4D(3, d_state=4)
    state = layer.init_state(2)
    lam, c, d = layer.discrete(torch.float64)
    with pytest.raises(ValueError, match=r"s4d_scan: `lam` must have shape \(2, 2, 3\) and dtype torch.float32"):
        torch.ops.longspike.s4d_scan(torch.zeros(2, 5, 3), lam, c, d, state, False)
    row, wide = torch.ones(3), torch.ones(3, dtype=torch.float64)
    v = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="refractory_lif: `beta` must have shape"):
        torch.ops.longspike.refractory_lif(
            torch.zeros(2, 5, 3), wide, row, row, row, v, v, v, "subtract", "triangle", 1.0, "full", "sequential"
        )


def test_a_failing_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = small(), tmp_path / "model"
    model.save(path)
    before = load_file(path / "model.safetensors")

    def fails(*_: object) -> bool:
        raise OSError("disk gone")

    monkeypatch.setattr(files, "_exchange", fails)
    with pytest.raises(FileWriteError, match="disk gone"):
        small().save(path)
    monkeypatch.undo()
    after = load_file(path / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_stream_file_of_another_model(tmp_path: Path) -> None:
    stream, file = Stream(small(num_layers=3)), tmp_path / "stream.safetensors"
    stream.push(torch.randn(5, 1))
    stream.save(file)
    for other in (small(), small(num_layers=3, d_model=8)):
        with pytest.raises(CheckpointError, match="is not a saved stream of this model"):
            Stream(other).restore(file)
    save_file({"x": torch.ones(1)}, file, metadata={"num_steps": "many"})
    with pytest.raises(CheckpointError, match="is not a saved stream of this model"):
        stream.restore(file)


def test_stream_restores_the_answer_of_a_model_without_pooling(tmp_path: Path) -> None:
    model = small(pool="none")
    stream, resumed = Stream(model), Stream(model)
    stream.push(torch.randn(5, 1))
    stream.save(tmp_path / "s")
    resumed.restore(tmp_path / "s")
    assert torch.equal(resumed.logits(), stream.logits())


def test_a_failed_push_leaves_the_mode() -> None:
    model = small().train()
    with pytest.raises(ValueError, match="channels on its last axis"):
        Stream(model).push(torch.zeros(3, 2))
    assert model.training


def test_orbit_of_nothing_and_of_nan() -> None:
    assert hard_reset_orbit(torch.zeros(2, 0, 3), beta=0.5).shape == (2, 0, 3)
    with pytest.raises(ValueError, match="`current` must be finite"):
        hard_reset_orbit(torch.full((1, 3, 1), float("nan")), beta=0.5)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"config": {', '"config": null, "x": {'), ('"model": "SpikeSSM"', '"model": ["a"]'), ("0.125", "5.0")],
)
def test_damaged_configurations(tmp_path: Path, old: str, new: str) -> None:
    small().save(tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(CheckpointError, match=r"the saved configuration is not valid|is not a longspike model"):
        longspike.load(tmp_path / "m")


def test_choices_are_checked_everywhere() -> None:
    with pytest.raises(ValueError, match="RefractoryLIF: `method` must be one of"):
        RefractoryLIF(3, method="quick")
    with pytest.raises(ValueError, match="NeuronConfig: `reset` must be one of"):
        NeuronConfig(reset="bogus")
    with pytest.raises(ValueError, match=r"NeuronConfig: `beta` must lie in \(0, 1\); got 7"):
        NeuronConfig(beta=7.0)
    with pytest.raises(ValueError, match="explain: `method` must be one of"):
        longspike.explain("s4d_scan", (1, 2, 3), method="quick")
    with pytest.raises(ValueError, match="SpikeSSM: `lengths` must hold 2 integers"):
        small(pool="none")(torch.zeros(2, 5, 1), lengths=torch.tensor([99, 1.5]))


def test_a_named_surrogate_compiles_with_dynamic_shapes() -> None:
    compiled = torch.compile(
        lambda x: refractory_lif(x, beta=0.5, surrogate="atan")[0], fullgraph=True, dynamic=True, backend="aot_eager"
    )
    for seqlen in (7, 9):
        x = torch.randn(2, seqlen, 3)
        assert torch.equal(compiled(x), refractory_lif(x, beta=0.5)[0])


def test_both_sides_count_the_same_blocks() -> None:
    """Python allocates the saved states that C++ writes, one a block."""
    native = pytest.importorskip("longspike._native", reason="the compiled extension is not built")
    assert (native.lif_block, native.s4d_block) == (spans.LIF_SPAN, s4d.SPAN)

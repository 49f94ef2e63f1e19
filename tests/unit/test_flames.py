"""FLAMES networks: configurations, presets, gradients, activity, refusals."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from flames_cases import BASE, CASES, changed, events_for, network, streamed, whole
from longspike.errors import ConfigError
from longspike.events import make_events
from longspike.events.ragged import collate_events
from longspike.kernels import native
from longspike.models import (
    Flames,
    FlamesConfig,
    FlamesSequence,
    FlamesSequenceConfig,
    MemoryConfig,
    SpikeSSM,
    SpikeSSMConfig,
    build,
    flames_presets,
)
from longspike.models.flames_parts import front_grids
from longspike.models.flames_presets import flames_preset
from tolerances import LOGITS

MISTAKES = [
    *((name, 0, f"`{name}` must be an integer of at least 1 ") for name in ("num_outputs", "step_us", "channels")),
    *((name, 1.5, f"`{name}` must be an integer of at least 1 ") for name in ("num_branches", "num_fronts")),
    *((name, True, f"`{name}` must be an integer of at least 1 ") for name in ("downsample", "kernel", "stride")),
    *((name, None, f"`{name}` must be an integer of at least 1 ") for name in ("pool", "window")),
    ("step_us", 2**62 + 1, "`step_us` must be an integer of at least 1 and at most 4611686018427387904; got"),
    ("kernel", 256, "`kernel` must be an integer of at least 1 and at most 255; got 256"),
    ("front", "lif", "`front`='lif' has one branch; set num_branches to 1 "),
    ("front", "conv", "`front` must be one of 'dendritic', 'lif'; got 'conv'"),
    ("weighting", "mean", "`weighting` must be one of 'tick', 'time'; got 'mean'"),
    (
        "sensor_size",
        (34,),
        r"`sensor_size` must be \(width, height\) in pixels, each from 1 to 65536; got \(34,\)",
    ),
    ("sensor_size", (34, 0), "`sensor_size` must be"),
    ("sensor_size", (65537, 1), "`sensor_size` must be"),
    ("sensor_size", (True, 3), "`sensor_size` must be"),
    ("sensor_size", "34", "`sensor_size` must be"),
    ("tau_min_us", 0.0, "0 < `tau_min_us` <= `tau_max_us` must hold; got 0.0 and"),
    ("tau_max_us", 1.0, "0 < `tau_min_us` <= `tau_max_us`"),
    ("tau_max_us", math.inf, "0 < `tau_min_us` <= `tau_max_us`"),
    ("tau_soma_us", math.nan, "`tau_soma_us` must be positive and finite; got nan"),
    ("tau_soma_us", math.inf, "`tau_soma_us` must be positive and finite; got inf"),
    ("tau_soma_us", "long", "`tau_soma_us` must be positive and finite; got 'long'"),
    ("memory", None, "`memory` must be a MemoryConfig; got None"),
]
MEMORY_MISTAKES = [
    *((name, 0, f"`{name}` must be an integer of at least 1 ") for name in ("d_model", "num_layers", "d_state")),
    ("num_heads", False, "`num_heads` must be an integer of at least 1 "),
    ("num_heads", 4, "`num_heads` must divide d_model=6; got 4"),
    ("d_state", 3, "`d_state` must be even"),
    ("rank", -1, "`rank` must be an integer from 0 to min(d_state, 64) = 4; got -1"),
    ("rank", 5, "`rank` must be an integer from 0 to min(d_state, 64) = 4; got 5"),
    ("rank", 1.0, "`rank` must be an integer"),
    ("kind", "gru", "`kind` must be one of 'sa_hippo', 'hippo', 'lif'; got 'gru'"),
    ("kind", ["lif"], "`kind` must be one of"),
    ("transition", "euler", "`transition` must be one of 'bilinear', 'taylor2', 'expm'; got 'euler'"),
    ("structure", "dense", "`structure` must be one of 'dplr', 'diag'; got 'dense'"),
    ("input", "zoh", "`input` must be one of 'impulse', 'held'; got 'zoh'"),
    ("dropout", 1.0, "`dropout` must lie in [0, 1); got 1.0"),
    ("dropout", math.nan, "`dropout` must lie in [0, 1); got nan"),
    ("dropout", "much", "`dropout` must lie in [0, 1); got 'much'"),
    ("dt_min", 0.0, "0 < `dt_min` <= `dt_max` must hold; got 0.0"),
    ("dt_max", math.inf, "0 < `dt_min` <= `dt_max` must hold; got 0.01 and inf"),
    ("dt_min", None, "0 < `dt_min` <= `dt_max` must hold; got None"),
]


@pytest.mark.parametrize(("name", "value", "message"), MISTAKES)
def test_mistakes_in_a_configuration(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"FlamesConfig: .*{message}"):
        replace(BASE, **{name: value})


@pytest.mark.parametrize(("name", "value", "message"), MEMORY_MISTAKES)
def test_mistakes_in_a_memory(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        changed({name: value})
    assert str(error.value).startswith("MemoryConfig: ")
    assert message in str(error.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"`step_us`.*; `pool`.*; `front`.*; `sensor_size`.*; 0 < `tau_min_us`"):
        changed(step_us=0, pool=-1, front="x", sensor_size=3, tau_min_us=-1.0)
    with pytest.raises(ConfigError, match=r"`d_state`.*; `rank`.*; `dropout`.*; 0 < `dt_min`"):
        MemoryConfig(d_state=7, rank=100, dropout=2.0, dt_min=-1.0)
    with pytest.raises(ConfigError, match="structure='diag' has an exact exponential; `transition`='taylor2'"):
        MemoryConfig(structure="diag", transition="taylor2")
    for kind in (FlamesConfig, MemoryConfig, FlamesSequenceConfig):
        with pytest.raises(ConfigError, match=rf"{kind.__name__}: Surrogate: `name` must be one of .*; got 'step'\.$"):
            kind(surrogate="step")
        with pytest.raises(ValueError, match="`scale` must be positive and finite"):
            kind(surrogate_scale=-1.0)


def test_mistakes_in_a_sequence_configuration() -> None:
    with pytest.raises(
        ConfigError, match=r"`d_input` must be .*; `num_branches` must be .*; 0 < `tau_min`.*; `memory.kind`='lif'"
    ):
        FlamesSequenceConfig(d_input=0, num_branches=2.0, tau_min=0.0, memory=MemoryConfig(kind="lif"))
    with pytest.raises(ConfigError, match="`memory` must be a MemoryConfig; got 3"):
        FlamesSequenceConfig(memory=3)
    with pytest.raises(ConfigError, match="`tau_soma` must be positive and finite"):
        FlamesSequenceConfig(tau_soma=math.inf)


def test_a_sensor_may_come_as_a_list() -> None:
    assert FlamesConfig(sensor_size=[5, 4]) == FlamesConfig(sensor_size=(5, 4))


@pytest.mark.parametrize("sensor_size", [(34, 34), (1280, 800), (128, 128), (1, 1), (240, 180), (161, 3), (65536, 9)])
@pytest.mark.parametrize("name", ["tiny", "small", "normal"])
def test_presets_fit_their_front_to_the_sensor(name: str, sensor_size: tuple[int, int]) -> None:
    config = flames_preset(name, sensor_size=sensor_size, num_classes=7)
    assert (config.channels, config.num_branches) == {"tiny": (32, 16), "small": (64, 32), "normal": (128, 64)}[name]
    side = -(-max(sensor_size) // config.downsample)
    assert side <= 160
    assert config.downsample == 1 or max(sensor_size) / (config.downsample - 1) > 160
    ((positions, cells),) = front_grids(config)
    assert max(positions) == (side + 1) // 2
    assert max(cells) <= 9
    assert config.pool == 1 or -(-max(positions) // (config.pool - 1)) > 9
    assert config.memory.d_model == config.channels == 16 * config.memory.num_heads
    assert (config.num_outputs, config.num_fronts, config.kernel, config.stride) == (7, 1, 3, 2)


def test_presets_by_name() -> None:
    assert flames_presets() == ("tiny", "small", "normal")
    model = Flames.from_preset("tiny", sensor_size=(34, 34), num_classes=10, step_us=500)
    assert model.config.step_us == 500
    front = 16 * 32 * 2 * 9 + 16 + 1 + 16
    embedding = 9 * 9 * 32 * 32
    shared = 2 + 2 * 32 * (1 + 1 + 1 + 2 * 8 + 2)  # log_dt; log_A_real, A_imag, log_decay, R, B of two heads
    block = shared + 32 * 2 * 32 + 32 + 32 * 32 + 32 + 2 * 32
    assert sum(x.numel() for x in model.parameters()) == front + embedding + 2 * block + 32 * 10 + 10
    with pytest.raises(ConfigError, match=r"there is no FLAMES preset 'tinny'. Did you mean 'tiny'"):
        flames_preset("tinny", sensor_size=(34, 34), num_classes=10)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5,), "ab", 34, (3.5, 2), (70000, 70000)])
def test_presets_for_no_sensor(size: object) -> None:
    with pytest.raises(ConfigError, match="`sensor_size` must be"):
        flames_preset("tiny", sensor_size=size, num_classes=10)


def test_build_knows_every_configuration() -> None:
    assert type(build(BASE)) is Flames
    assert type(build(FlamesSequenceConfig(num_branches=2))) is FlamesSequence
    assert type(build(SpikeSSMConfig())) is SpikeSSM
    with pytest.raises(
        TypeError, match=r"build: `config` must be a SpikeSSMConfig, .*FlamesConfig or FlamesSequenceConfig; got"
    ):
        build({"d_model": 3})


@pytest.mark.parametrize("name", sorted(set(CASES) - {"one of each"}))  # the norm of one channel is a constant
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = network(CASES[name]).train()
    samples = [events_for(CASES[name], 200, steps=100, seed=k) for k in range(2)]
    logits = model.outputs(collate_events(samples), keeps_state=False).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    for parameter, x in model.named_parameters():
        assert x.grad is None or bool(x.grad.isfinite().all()), parameter
        is_point = name == "point neurons" and parameter.endswith(".log_tau")  # nothing is left after a step
        is_without = is_point or not x.numel()
        assert is_without or bool((x.grad != 0).any()), parameter


@pytest.mark.slow
def test_the_tiny_network_learns_from_event_digits_everywhere() -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    from longspike.data.sets.event_digits import SENSOR_SIZE, load_event_digits

    split = load_event_digits().train
    model = Flames.from_preset("tiny", sensor_size=SENSOR_SIZE, num_classes=10)
    batch = collate_events([split.sample(k) for k in range(4)], sensor_size=SENSOR_SIZE)
    torch.nn.functional.cross_entropy(model(batch)[0], torch.arange(4)).backward()
    for name, x in model.named_parameters():
        assert x.grad is not None, name
        assert bool(x.grad.isfinite().all()), name
        assert bool((x.grad != 0).any()), name


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
@pytest.mark.parametrize("name", CASES)
def test_the_activity_of_a_batch_is_what_streams_count(name: str) -> None:
    model = network(CASES[name])
    samples = [events_for(CASES[name], n, seed=n) for n in (80, 0, 45)]
    found = model.classify(SimpleNamespace(events=collate_events(samples)))
    counts = [streamed(model, [sample])[0].counts for sample in samples]
    for layer, activity in enumerate(found.activity):
        assert int(activity.num_spikes.detach()) == sum(c.spikes[layer] for c in counts)
        assert activity.num_updates == sum(c.updates[layer] for c in counts)
    assert torch.equal(found.logits, whole(model, *samples).logits)
    with_gradient = [int(layer.num_spikes.detach()) for layer in found.activity]
    with torch.no_grad():
        found = model.classify(SimpleNamespace(events=collate_events(samples)))
    assert with_gradient == [int(layer.num_spikes.detach()) for layer in found.activity]


def test_dropout_is_for_training() -> None:
    model, events = network(changed({"dropout": 0.5})), collate_events([events_for(BASE)])
    still = model(events)[0]
    assert torch.equal(still, model(events)[0])
    assert not torch.equal(still, model.train()(events)[0])


def test_what_is_no_batch_of_events() -> None:
    model = network(BASE)
    for wrong in (events_for(BASE), None, torch.zeros(3, 4)):
        with pytest.raises(TypeError, match=r"`events` must be RaggedEvents; got (.|\n)*collate_events"):
            model.outputs(wrong)
        with pytest.raises(TypeError, match="`events` must be RaggedEvents"):
            model(wrong)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("x", 11, r"`x` must lie in \[0, 10\]"),
        ("y", 7, r"`y` must lie in \[0, 6\]"),
        ("p", 2, r"`p` must lie in \[0, 1\]"),
        ("t", -1, "`t` must lie in"),
        ("t", 2**62 + 1, "`t` must lie in"),
        ("t", 3, "`step` must not decrease within a sample"),
    ],
)
def test_events_that_do_not_fit(field: str, value: int, message: str) -> None:
    events = collate_events([events_for(BASE, 9, steps=4)])
    column = getattr(events, field).clone()
    column[5] = value
    with pytest.raises(ValueError, match=message):
        network(BASE).outputs(events._replace(**{field: column}))


def test_a_piece_that_cuts_a_step_in_two_is_refused() -> None:
    model = network(BASE)
    first, second = (
        collate_events([make_events([x] * 9, [y] * 9, [t] * 9, [1] * 9)]) for x, y, t in ((0, 0, 110), (9, 6, 190))
    )
    output = model.outputs(first)
    assert output.ticks.step.tolist() == [1]
    assert model.outputs(second).ticks.step.tolist() == [1]
    with pytest.raises(ValueError, match="first tick of sample 0 is in step 1, its last one was in step 1"):
        model.outputs(second, output.state)
    with pytest.raises(ValueError, match="must begin after the state's last step"):
        model.outputs(first, output.state)


def test_no_events_and_no_samples() -> None:
    model = network(BASE)
    empty = model.outputs(collate_events([events_for(BASE, 0)] * 2))
    assert torch.equal(empty.logits, model.decoder.bias.expand(2, 3))
    assert empty.state.last_step.tolist() == [-1, -1]
    assert model.outputs(collate_events([])).logits.shape == (0, 3)


@pytest.mark.parametrize("kind", ["sa_hippo", "hippo", "lif"])
@pytest.mark.parametrize("transition", ["bilinear", "expm"])
def test_every_memory_runs_whole_and_in_pieces(kind: str, transition: str) -> None:
    config = changed({"kind": kind, "transition": transition, "rank": 1})
    model, events = spiking(config), events_for(config)
    expected = whole(model, events)
    cut = int((events["t"] < 2000).sum())
    state = whole(model, events[:cut]).state
    with torch.no_grad():
        logits, _ = model(collate_events([events[cut:]]), state)
    torch.testing.assert_close(logits, expected.logits, rtol=LOGITS, atol=LOGITS)


def spiking(config: FlamesConfig) -> Flames:
    if config.memory.kind != "lif":
        return network(config)
    torch.manual_seed(3)
    return Flames(config).eval()

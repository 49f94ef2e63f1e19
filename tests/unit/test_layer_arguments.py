"""What layers and networks are handed by mistake: one sentence that names layer and argument, never a whole array."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from longspike.errors import ConfigError
from longspike.functional import map_state, refractory_lif
from longspike.layers.batch_norm import BatchNorm
from longspike.layers.norm import RowNorm
from longspike.models import FlamesSequence, FlamesSequenceConfig, MemoryConfig, SpikeSSM, SpikeSSMConfig
from longspike.neurons.leaky_memory import LeakyMemory
from longspike.nn import (
    GELU,
    S4D,
    SDN,
    Bernoulli,
    DendriticLIF,
    DendriticLIFConv2d,
    EventPool,
    Graded,
    HardResetLIF,
    Heaviside,
    MeanPool,
    MemoryBlock,
    NeuronConfig,
    RefractoryLIF,
    SAHippo,
    SpikeLinear,
    SpikingBlock,
    Surrogate,
    TiedDropout,
)

X = torch.randn(2, 5, 3)
MEMORY = MemoryConfig(d_model=4, num_layers=1, num_heads=1, d_state=4, rank=2, input="held")
DENDRITES = {"num_branches": 2, "tau_min": 2, "tau_max": 10, "tau_soma": 3}
LAYERS: dict[str, Callable] = {
    "RefractoryLIF": lambda: RefractoryLIF(3),
    "HardResetLIF": lambda: HardResetLIF(3),
    "S4D": lambda: S4D(3, d_state=4),
    "S4D by fft": lambda: S4D(3, d_state=4, method="fft"),
    "S4D by loop": lambda: S4D(3, d_state=4, method="reference"),
    "SDN": lambda: SDN(3),
    "Heaviside": lambda: Heaviside(3),
    "Graded": lambda: Graded(3, levels=2, is_signed=True),
    "Bernoulli": lambda: Bernoulli(3),
    "GELU": lambda: GELU(3),
    "SpikingBlock": lambda: SpikingBlock(3, d_state=4),
    "dense SpikingBlock": lambda: SpikingBlock(3, d_state=4, neuron=NeuronConfig(kind="gelu")),
    "DendriticLIF": lambda: DendriticLIF(3, 4, **DENDRITES),
    "MeanPool": lambda: MeanPool(3),
    "SpikeSSM": lambda: SpikeSSM(SpikeSSMConfig(d_input=3, d_model=4, d_state=4, num_layers=1)),
    "FlamesSequence": lambda: FlamesSequence(FlamesSequenceConfig(d_input=3, num_branches=2, memory=MEMORY)),
    "SpikeLinear": lambda: SpikeLinear(3, 4),
    "RowNorm": lambda: RowNorm(3),
    "BatchNorm": lambda: BatchNorm(3),
    "TiedDropout": lambda: TiedDropout(0.5),
}
STATELESS = ("SpikeLinear", "RowNorm", "BatchNorm", "TiedDropout")
WRONG_INPUTS = {
    "complex": X + 0j,
    "integers": X.long(),
    "truth": X > 0,
    "eight bits": X.to(torch.float8_e4m3fn),
    "lists": X.tolist(),
    "none": None,
    "another width": torch.randn(2, 5, 7),
}
WRONG_STATES = {"numbers": (1, 2, 3), "a number": 7, "text": "x", "a tensor": torch.zeros(5, 3), "many": [0.5] * 10**5}


def complaint(call: Callable[..., object], *arguments: object) -> str:
    """What is wrong with how a call refuses; "" if it names layer and argument in at most 300 characters."""
    try:
        call(*arguments)
    except (TypeError, ValueError) as error:
        text = str(error)
        is_ours = re.match(r"\w+: (`\w+(\.\w+)?` must|parameters must)", text)
        return "" if is_ours and len(text) <= 300 else f"says {text[:80]!r}"
    except Exception as error:
        return f"raises {error!r}"
    return "takes it"


def test_inputs() -> None:
    found = {
        (name, what): complaint(build(), wrong)
        for name, build in LAYERS.items()
        for what, wrong in WRONG_INPUTS.items()
        if (name, what) != ("TiedDropout", "another width")
    }
    assert {key: text for key, text in found.items() if text} == {}


def test_states() -> None:
    found = {}
    for name, build in LAYERS.items():
        if name not in STATELESS:
            layer = build()
            for what, wrong in WRONG_STATES.items():
                found[name, what] = complaint(layer, X, wrong)
            if name not in ("MeanPool", "Heaviside", "Graded", "Bernoulli", "GELU"):
                start = map_state(lambda x: x + 0j, layer.init_state(2))
                found[name, "complex"] = complaint(layer, X, start)
    assert {key: text for key, text in found.items() if text} == {}


def test_weights_of_eight_bits_are_refused_when_they_are_made() -> None:
    keep = (*STATELESS, "MeanPool", "Heaviside", "Graded", "Bernoulli", "GELU")
    found = {name: complaint(build().to, torch.float8_e4m3fn) for name, build in LAYERS.items() if name not in keep}
    assert {key: text for key, text in found.items() if text} == {}
    with pytest.raises(TypeError, match=r"S4D: parameters must be .* got torch.float8_e4m3fn. Use bfloat16"):
        S4D(3, d_state=4).to(torch.float8_e4m3fn)
    assert S4D(3, d_state=4).bfloat16().D.dtype == torch.bfloat16


@pytest.mark.parametrize("wrong", [None, 3, torch.ones(3), [1.0] * 10**5, "tri", 1 + 2j], ids=lambda x: str(x)[:9])
def test_options(wrong: object) -> None:
    calls = {
        "surrogate": lambda: as_layer(surrogate=wrong),
        "name": lambda: Surrogate(wrong),
        "beta": lambda: refractory_lif(X, beta=wrong),
        "a layer's beta": lambda: RefractoryLIF(3, beta=wrong),
        "kind": lambda: NeuronConfig(kind=wrong),
        "neuron": lambda: SpikeSSMConfig(neuron=wrong),
        "method": lambda: S4D(3, method=wrong),
    }
    calls |= {} if wrong is None else {"scale": lambda: Surrogate("atan", wrong), "lengths": lambda: masked(wrong)}
    calls |= {name: lambda make=make: make(wrong) for name, make in WIDTHS.items()}
    if isinstance(wrong, int):
        calls = {name: call for name, call in calls.items() if name not in (*WIDTHS, "scale")}
    found = {name: complaint(call) for name, call in calls.items() if name != "surrogate"}
    assert {name: text for name, text in found.items() if text} == {}
    with pytest.raises((TypeError, ValueError), match=r"`surrogate` must be a name|Surrogate: `name` must be one of"):
        calls["surrogate"]()


WIDTHS: dict[str, Callable] = {
    "S4D": S4D,
    "SDN": SDN,
    "Heaviside": Heaviside,
    "Graded": Graded,
    "GELU": GELU,
    "Bernoulli": Bernoulli,
    "MeanPool": MeanPool,
    "RowNorm": RowNorm,
    "BatchNorm": BatchNorm,
    "SpikeLinear": lambda width: SpikeLinear(width, 3),
}


def as_layer(**options: object) -> RefractoryLIF:
    return RefractoryLIF(3, **options)


def masked(lengths: object) -> object:
    return LAYERS["SpikeSSM"]()(X, lengths=lengths)


def test_ticks() -> None:
    u, delta, offsets = torch.randn(5, 4), torch.ones(5), torch.tensor([0, 2, 5])
    found = {}
    for layer in (SAHippo(4, d_state=4, rank=2), LeakyMemory(4), EventPool(4)):
        calls = {
            "complex": (u + 0j, delta, offsets),
            "complex gaps": (u, delta + 0j, offsets),
            "three gaps": (u, delta[:3], offsets),
            "far offsets": (u, delta, torch.arange(10**5)),
            "no offsets": (u, delta, None),
            "a state of numbers": (u, delta, offsets, (1, 2, 3)),
        }
        found |= {(type(layer).__name__, what): complaint(layer, *call) for what, call in calls.items()}
    assert {key: text for key, text in found.items() if text} == {}
    u[3] = float("nan")
    block = MemoryBlock(SAHippo(4, d_state=4, rank=2), 4)
    with pytest.raises(ValueError, match=r"`x` must not hold NaN, which would pass for silence; got \d+ of 20"):
        block(u, delta, torch.tensor([0, 4, 5]))


@pytest.mark.parametrize("kind", ["Heaviside", "Graded", "Bernoulli", "SDN", "RefractoryLIF", "HardResetLIF"])
def test_nan_does_not_pass_for_silence(kind: str) -> None:
    x = X.clone()
    x[1, 3, 2] = float("nan")
    with pytest.raises(ValueError, match="must not hold NaN"):
        LAYERS[kind]()(x)


@pytest.mark.parametrize("name", LAYERS)
def test_no_samples_and_no_steps(name: str) -> None:
    layer = LAYERS[name]()
    for shape in ((0, 5, 3), (2, 0, 3)):
        y = layer(torch.zeros(shape))
        assert (y if isinstance(y, Tensor) else y[0]).shape[0] == shape[0]


@pytest.mark.parametrize("name", ["RefractoryLIF", "S4D", "SpikingBlock", "SpikeSSM"])
def test_time_first_is_told_by_the_state(name: str) -> None:
    layer = LAYERS[name]()
    with pytest.raises(ValueError, match=r"Is time the first axis of x\? Pass x.transpose\(0, 1\)"):
        layer(X.transpose(0, 1), layer.init_state(2))
    with pytest.raises(ValueError, match=r"`lengths` must hold 5 integers, one a sample; got .*Is time the first axis"):
        LAYERS["SpikeSSM"]()(X.transpose(0, 1), lengths=torch.tensor([5, 3]))


def test_tokens_lie_in_the_vocabulary() -> None:
    model = SpikeSSM(SpikeSSMConfig(d_input=10, encoder="embedding", d_model=4, d_state=4, num_layers=1))
    with pytest.raises(ValueError, match=r"SpikeSSM: `x` must lie in \[0, 9\]; got min=1, max=10"):
        model(torch.tensor([[1, 10]]))


def test_labels_that_are_long_are_not_to_be_made_long() -> None:
    from longspike.data.checks import check_labels

    with pytest.raises(ValueError, match=r"int64 tensor of shape \(3,\), one entry per sample; got .*\(2,\).*int64\.$"):
        check_labels("Split", torch.zeros(2, dtype=torch.int64), 3)
    with pytest.raises(ValueError, match=r"torch.as_tensor\(x\).long\(\)"):
        check_labels("Split", torch.zeros(3), 3)


def test_configurations_show_values_shortly() -> None:
    with pytest.raises(ConfigError, match=r"`d_model` .* got a Tensor of shape \(100,\) and dtype torch.float32"):
        SpikeSSMConfig(d_model=torch.zeros(100))
    with pytest.raises(ConfigError, match=r"`d_model` .* got \[0, 1, 2, 3, \.\.\.\]\.$"):
        SpikeSSMConfig(d_model=list(range(10**5)))


def test_a_half_input_goes_through_a_network_of_floats() -> None:
    model = LAYERS["SpikeSSM"]().eval()
    torch.testing.assert_close(model(X.half())[0], model(X.half().float())[0], rtol=1e-2, atol=1e-2)


def test_the_convolution_refuses_a_state_of_others() -> None:
    from dendrites import Geometry, random_items

    layer = DendriticLIFConv2d(2, 3, num_branches=2, step_us=1000, tau_min_us=2e3, tau_max_us=1e5, tau_soma_us=1e4)
    items = random_items([9], Geometry((4, 3), 3, 1, 1), 2)
    assert complaint(layer, items, (1, 2, 3)) == ""
    assert (
        complaint(lambda: layer(items, (torch.zeros(1), torch.zeros(1), torch.zeros(1, 9, 3), torch.zeros(1, 3)))) == ""
    )


def test_what_a_layer_returns_is_no_input() -> None:
    """`torch.nn.Sequential` hands on the pair; the message says so and shows no numbers."""
    with pytest.raises(TypeError, match=r"got a tuple of Tensor, \w+. A layer returns \(y, state\): pass y") as error:
        torch.nn.Sequential(S4D(3), RefractoryLIF(3))(torch.randn(2, 5, 3))
    assert len(str(error.value)) < 300
